/// A field section (headers or trailers), RFC 9110 section 5. Owns its bytes: one block of text and an index
/// into it, so that a request's head is one copy and a cleared object is used again without allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::http {

/// Fields that the daemon itself looks at; found by comparing numbers, not text.
enum class FieldId : std::uint8_t {
  unknown,
  accept,
  accept_encoding,
  accept_ranges,
  access_control_request_headers,
  access_control_request_method,
  authorization,
  cache_control,
  connection,
  content_disposition,
  content_encoding,
  content_language,
  content_length,
  content_range,
  content_type,
  cookie,
  date,
  etag,
  expect,
  expires,
  forwarded,
  host,
  if_match,
  if_modified_since,
  if_none_match,
  if_range,
  if_unmodified_since,
  keep_alive,
  last_modified,
  location,
  max_forwards,
  origin,
  proxy_authenticate,
  proxy_authorization,
  proxy_connection,
  range,
  server,
  set_cookie,
  te,
  traceparent,
  tracestate,
  trailer,
  transfer_encoding,
  upgrade,
  user_agent,
  vary,
  via,
  www_authenticate,
  x_forwarded_for,
  x_forwarded_host,
  x_forwarded_proto,
  x_request_id,
};

/// Case-insensitive; unknown where the daemon has no number for it.
FieldId field_id(std::string_view name) noexcept;
/// The usual spelling ("Content-Type"); empty for unknown.
std::string_view field_name(FieldId id) noexcept;

class Headers {
 public:
  /// A field; the views are valid until the next change of the Headers.
  struct Field {
    std::string_view name;
    std::string_view value;
    FieldId id;
  };

  /// Appends; a name may repeat. Names and values are taken as they are: callers check what comes from
  /// outside (is_token, is_field_value).
  void add(std::string_view name, std::string_view value);
  void add(FieldId id, std::string_view value);
  /// Replaces all fields of that name by one.
  void set(std::string_view name, std::string_view value);
  void set(FieldId id, std::string_view value);
  void remove(std::string_view name) noexcept;
  void remove(FieldId id) noexcept;
  /// Removes the hop-by-hop fields of RFC 9110 section 7.6.1: Connection and those that it names, Keep-Alive,
  /// Proxy-Connection, Proxy-Authenticate, Proxy-Authorization, TE, Trailer, Transfer-Encoding, Upgrade.
  /// End-to-end fields that have a FieldId stay even where Connection names them, so that a client cannot
  /// strip Authorization or X-Forwarded-For.
  void remove_hop_by_hop();
  void clear() noexcept;
  void reserve(std::size_t fields, std::size_t bytes);

  /// For parsers, after clear(): a field that lies inside the block that set_block is given later; offsets
  /// from its start. Between the two the fields must not be read.
  void add_range(FieldId id, std::size_t name_at, std::size_t name_size, std::size_t value_at,
                 std::size_t value_size) {
    make_room();
    entries_.push_back(Entry{static_cast<std::uint32_t>(name_at), static_cast<std::uint32_t>(name_size),
                             static_cast<std::uint32_t>(value_at), static_cast<std::uint32_t>(value_size),
                             id});
  }
  void set_block(std::string_view block) { text_.assign(block); }

  /// The first field of that name.
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const noexcept;
  [[nodiscard]] std::optional<std::string_view> get(FieldId id) const noexcept;
  [[nodiscard]] bool contains(FieldId id) const noexcept { return get(id).has_value(); }
  [[nodiscard]] std::size_t count(FieldId id) const noexcept;
  /// All fields of that name joined by ", " (Cookie by "; ").
  [[nodiscard]] std::string joined(std::string_view name) const;

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  [[nodiscard]] Field operator[](std::size_t index) const noexcept {
    const Entry& entry = entries_[index];
    const char* const text = text_.data();
    return {{text + entry.name_at, entry.name_size}, {text + entry.value_at, entry.value_size}, entry.id};
  }

  class Iterator {
   public:
    using value_type = Field;
    using difference_type = std::ptrdiff_t;
    Iterator(const Headers* headers, std::size_t index) noexcept : headers_(headers), index_(index) {}
    Field operator*() const noexcept { return (*headers_)[index_]; }
    Iterator& operator++() noexcept {
      ++index_;
      return *this;
    }
    bool operator==(const Iterator& other) const noexcept { return index_ == other.index_; }

   private:
    const Headers* headers_;
    std::size_t index_;
  };
  [[nodiscard]] Iterator begin() const noexcept { return {this, 0}; }
  [[nodiscard]] Iterator end() const noexcept { return {this, entries_.size()}; }

 private:
  struct Entry {
    std::uint32_t name_at;
    std::uint32_t name_size;
    std::uint32_t value_at;
    std::uint32_t value_size;
    FieldId id;
  };
  void append(FieldId id, std::string_view name, std::string_view value);
  /// Most messages have more than a few fields: no growing by one, two and four.
  void make_room() {
    constexpr std::size_t usual = 12;
    if (entries_.capacity() == 0) {
      entries_.reserve(usual);
    }
  }

  std::string text_;
  std::vector<Entry> entries_;
};

}  // namespace sluice::http
