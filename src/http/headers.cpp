#include "sluice/http/headers.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "sluice/base/codec.hpp"

namespace sluice::http {
namespace {

struct Known {
  FieldId id;
  std::string_view name;  ///< the usual spelling
};

constexpr std::array known_fields{
    Known{FieldId::accept, "Accept"},
    Known{FieldId::accept_encoding, "Accept-Encoding"},
    Known{FieldId::accept_ranges, "Accept-Ranges"},
    Known{FieldId::access_control_request_headers, "Access-Control-Request-Headers"},
    Known{FieldId::access_control_request_method, "Access-Control-Request-Method"},
    Known{FieldId::authorization, "Authorization"},
    Known{FieldId::cache_control, "Cache-Control"},
    Known{FieldId::connection, "Connection"},
    Known{FieldId::content_disposition, "Content-Disposition"},
    Known{FieldId::content_encoding, "Content-Encoding"},
    Known{FieldId::content_language, "Content-Language"},
    Known{FieldId::content_length, "Content-Length"},
    Known{FieldId::content_range, "Content-Range"},
    Known{FieldId::content_type, "Content-Type"},
    Known{FieldId::cookie, "Cookie"},
    Known{FieldId::date, "Date"},
    Known{FieldId::etag, "ETag"},
    Known{FieldId::expect, "Expect"},
    Known{FieldId::expires, "Expires"},
    Known{FieldId::forwarded, "Forwarded"},
    Known{FieldId::host, "Host"},
    Known{FieldId::if_match, "If-Match"},
    Known{FieldId::if_modified_since, "If-Modified-Since"},
    Known{FieldId::if_none_match, "If-None-Match"},
    Known{FieldId::if_range, "If-Range"},
    Known{FieldId::if_unmodified_since, "If-Unmodified-Since"},
    Known{FieldId::keep_alive, "Keep-Alive"},
    Known{FieldId::last_modified, "Last-Modified"},
    Known{FieldId::location, "Location"},
    Known{FieldId::max_forwards, "Max-Forwards"},
    Known{FieldId::origin, "Origin"},
    Known{FieldId::proxy_authenticate, "Proxy-Authenticate"},
    Known{FieldId::proxy_authorization, "Proxy-Authorization"},
    Known{FieldId::proxy_connection, "Proxy-Connection"},
    Known{FieldId::range, "Range"},
    Known{FieldId::server, "Server"},
    Known{FieldId::set_cookie, "Set-Cookie"},
    Known{FieldId::te, "TE"},
    Known{FieldId::traceparent, "Traceparent"},
    Known{FieldId::tracestate, "Tracestate"},
    Known{FieldId::trailer, "Trailer"},
    Known{FieldId::transfer_encoding, "Transfer-Encoding"},
    Known{FieldId::upgrade, "Upgrade"},
    Known{FieldId::user_agent, "User-Agent"},
    Known{FieldId::vary, "Vary"},
    Known{FieldId::via, "Via"},
    Known{FieldId::www_authenticate, "WWW-Authenticate"},
    Known{FieldId::x_forwarded_for, "X-Forwarded-For"},
    Known{FieldId::x_forwarded_host, "X-Forwarded-Host"},
    Known{FieldId::x_forwarded_proto, "X-Forwarded-Proto"},
    Known{FieldId::x_request_id, "X-Request-Id"},
};
static_assert(known_fields.size() == static_cast<std::size_t>(FieldId::x_request_id));

constexpr std::size_t longest_name = 32;

constexpr char fold(char byte) {
  return static_cast<char>(byte | 0x20);
}

/// No two known names share a value; checked below.
constexpr std::size_t hash_of(std::string_view name) {
  const auto byte = [&](std::size_t at) {
    return static_cast<std::size_t>(static_cast<unsigned char>(fold(name[at])));
  };
  return (name.size() * 36 + byte(0) * 16 + byte(name.size() / 2) + byte(name.size() - 1) * 3) % 128;
}

/// A known name in lower case with the bits that case may differ in, so that eight bytes are compared at
/// once.
struct Slot {
  std::array<char, longest_name> lower{};
  std::array<char, longest_name> mask{};
  std::uint8_t size = 0;
  FieldId id = FieldId::unknown;
};

struct Table {
  std::array<Slot, 128> slots{};
  bool perfect = true;
};

constexpr Table make_table() {
  Table table;
  for (const Known& known : known_fields) {
    Slot& slot = table.slots[hash_of(known.name)];
    table.perfect = table.perfect && slot.size == 0;
    slot.size = static_cast<std::uint8_t>(known.name.size());
    slot.id = known.id;
    for (std::size_t index = 0; index < known.name.size(); ++index) {
      const char byte = known.name[index];
      const bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
      slot.mask[index] = letter ? 0x20 : 0;
      slot.lower[index] = letter ? fold(byte) : byte;
    }
  }
  return table;
}

constexpr Table table = make_table();
static_assert(table.perfect);

std::uint64_t load(const char* from) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, from, sizeof word);
  return word;
}

bool same_name(std::string_view name, const Slot& slot) noexcept {
  const auto word_differs = [&](std::size_t at) {
    return (load(name.data() + at) | load(slot.mask.data() + at)) != load(slot.lower.data() + at);
  };
  if (name.size() >= 8) {
    for (std::size_t at = 0; at + 8 <= name.size(); at += 8) {
      if (word_differs(at)) {
        return false;
      }
    }
    return !word_differs(name.size() - 8);
  }
  for (std::size_t at = 0; at < name.size(); ++at) {
    if ((name[at] | slot.mask[at]) != slot.lower[at]) {
      return false;
    }
  }
  return true;
}

constexpr bool is_hop_by_hop(FieldId id) noexcept {
  switch (id) {
    case FieldId::connection:
    case FieldId::keep_alive:
    case FieldId::proxy_authenticate:
    case FieldId::proxy_authorization:
    case FieldId::proxy_connection:
    case FieldId::te:
    case FieldId::trailer:
    case FieldId::transfer_encoding:
    case FieldId::upgrade:
      return true;
    default:
      return false;
  }
}

/// Calls `visit` with each element of a comma-separated list.
template <class Visit>
void for_each_element(std::string_view list, Visit visit) {
  while (true) {
    const std::size_t comma = list.find(',');
    const std::string_view element = trim(list.substr(0, comma));
    if (!element.empty()) {
      visit(element);
    }
    if (comma == std::string_view::npos) {
      return;
    }
    list.remove_prefix(comma + 1);
  }
}

}  // namespace

FieldId field_id(std::string_view name) noexcept {
  if (name.empty()) {
    return FieldId::unknown;
  }
  const Slot& slot = table.slots[hash_of(name)];
  return slot.size == name.size() && same_name(name, slot) ? slot.id : FieldId::unknown;
}

std::string_view field_name(FieldId id) noexcept {
  return id == FieldId::unknown ? std::string_view() : known_fields[static_cast<std::size_t>(id) - 1].name;
}

void Headers::append(FieldId id, std::string_view name, std::string_view value) {
  const std::size_t at = text_.size();
  const std::size_t needed = at + name.size() + value.size();
  Entry entry{static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(name.size()),
              static_cast<std::uint32_t>(at + name.size()), static_cast<std::uint32_t>(value.size()), id};
  if (needed > text_.capacity()) {
    // Name and value may be views into the old text: it stays until both are copied.
    std::string grown;
    grown.reserve(std::max<std::size_t>({needed, 2 * text_.capacity(), 256}));
    grown.append(text_).append(name).append(value);
    text_.swap(grown);
  } else {
    text_.append(name).append(value);
  }
  make_room();
  entries_.push_back(entry);
}

void Headers::add(std::string_view name, std::string_view value) {
  append(field_id(name), name, value);
}

void Headers::add(FieldId id, std::string_view value) {
  append(id, field_name(id), value);
}

void Headers::set(std::string_view name, std::string_view value) {
  const FieldId id = field_id(name);
  if (id != FieldId::unknown) {
    set(id, value);
    return;
  }
  const auto same = [&](const Entry& entry) {
    return entry.id == FieldId::unknown &&
           equals_ignore_case(std::string_view(text_).substr(entry.name_at, entry.name_size), name);
  };
  const auto first = std::find_if(entries_.begin(), entries_.end(), same);
  if (first == entries_.end()) {
    append(id, name, value);
    return;
  }
  const auto place = first - entries_.begin();
  entries_.erase(std::remove_if(first + 1, entries_.end(), same), entries_.end());
  append(id, name, value);
  entries_[static_cast<std::size_t>(place)] = entries_.back();
  entries_.pop_back();
}

void Headers::set(FieldId id, std::string_view value) {
  const auto same = [&](const Entry& entry) { return entry.id == id; };
  const auto first = std::find_if(entries_.begin(), entries_.end(), same);
  if (first == entries_.end()) {
    append(id, field_name(id), value);
    return;
  }
  const auto place = first - entries_.begin();
  entries_.erase(std::remove_if(first + 1, entries_.end(), same), entries_.end());
  append(id, field_name(id), value);
  entries_[static_cast<std::size_t>(place)] = entries_.back();
  entries_.pop_back();
}

void Headers::remove(std::string_view name) noexcept {
  const FieldId id = field_id(name);
  if (id != FieldId::unknown) {
    remove(id);
    return;
  }
  std::erase_if(entries_, [&](const Entry& entry) {
    return entry.id == FieldId::unknown &&
           equals_ignore_case(std::string_view(text_).substr(entry.name_at, entry.name_size), name);
  });
}

void Headers::remove(FieldId id) noexcept {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.id == id; });
}

void Headers::remove_hop_by_hop() {
  bool named = false;
  std::erase_if(entries_, [&](const Entry& entry) {
    named = named || entry.id == FieldId::connection;
    return is_hop_by_hop(entry.id) && entry.id != FieldId::connection;
  });
  if (!named) {
    return;
  }
  std::vector<std::string_view> options;
  for (const Field field : *this) {
    if (field.id == FieldId::connection) {
      for_each_element(field.value, [&](std::string_view option) {
        if (field_id(option) == FieldId::unknown) {
          options.push_back(option);
        }
      });
    }
  }
  std::erase_if(entries_, [&](const Entry& entry) {
    const std::string_view name = std::string_view(text_).substr(entry.name_at, entry.name_size);
    return entry.id == FieldId::connection ||
           (entry.id == FieldId::unknown && std::any_of(options.begin(), options.end(), [&](auto option) {
              return equals_ignore_case(option, name);
            }));
  });
}

void Headers::clear() noexcept {
  text_.clear();
  entries_.clear();
}

void Headers::reserve(std::size_t fields, std::size_t bytes) {
  entries_.reserve(fields);
  text_.reserve(bytes);
}

std::optional<std::string_view> Headers::get(std::string_view name) const noexcept {
  const FieldId id = field_id(name);
  if (id != FieldId::unknown) {
    return get(id);
  }
  for (const Field field : *this) {
    if (field.id == FieldId::unknown && equals_ignore_case(field.name, name)) {
      return field.value;
    }
  }
  return std::nullopt;
}

std::optional<std::string_view> Headers::get(FieldId id) const noexcept {
  for (const Entry& entry : entries_) {
    if (entry.id == id) {
      return std::string_view(text_).substr(entry.value_at, entry.value_size);
    }
  }
  return std::nullopt;
}

std::size_t Headers::count(FieldId id) const noexcept {
  return static_cast<std::size_t>(
      std::count_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.id == id; }));
}

std::string Headers::joined(std::string_view name) const {
  const FieldId id = field_id(name);
  const std::string_view separator = id == FieldId::cookie ? "; " : ", ";
  std::string out;
  bool first = true;
  for (const Field field : *this) {
    if (field.id == id && (id != FieldId::unknown || equals_ignore_case(field.name, name))) {
      if (!first) {
        out.append(separator);
      }
      first = false;
      out.append(field.value);
    }
  }
  return out;
}

}  // namespace sluice::http
