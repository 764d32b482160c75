#include "sluice/http/h1/writer.hpp"

#include <array>
#include <charconv>
#include <cstring>

namespace sluice::http::h1 {
namespace {

/// Room for what a head has beside its fields and date: status line, framing, Connection.
constexpr std::size_t fixed_room = 192;

/// Writes into room that was made beforehand.
class Cursor {
 public:
  Cursor(std::string& out, std::size_t room) : out_(out), from_(out.size()) {
    out_.resize(from_ + room);
    at_ = out_.data() + from_;
  }
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  ~Cursor() { out_.resize(static_cast<std::size_t>(at_ - out_.data())); }

  void put(std::string_view text) noexcept {
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void put(std::uint64_t number) noexcept {
    constexpr std::ptrdiff_t most_digits = 20;
    at_ = std::to_chars(at_, at_ + most_digits, number).ptr;
  }
  void put_field(std::string_view name, std::string_view value) noexcept {
    put(name);
    put(": ");
    put(value);
    put("\r\n");
  }

 private:
  std::string& out_;
  std::size_t from_;
  char* at_ = nullptr;
};

std::size_t size_of(const Headers& headers) noexcept {
  std::size_t size = 0;
  for (const Headers::Field field : headers) {
    size += field.name.size() + field.value.size() + 4;
  }
  return size;
}

void put_status_line(Cursor& cursor, int status) noexcept {
  if (status == 200) {
    cursor.put("HTTP/1.1 200 OK\r\n");
    return;
  }
  cursor.put("HTTP/1.1 ");
  cursor.put(static_cast<std::uint64_t>(status));
  cursor.put(" ");
  cursor.put(reason_phrase(status));
  cursor.put("\r\n");
}

void put_framing(Cursor& cursor, const Framing& framing) noexcept {
  if (framing.kind == Framing::Kind::length) {
    cursor.put("Content-Length: ");
    cursor.put(framing.length);
    cursor.put("\r\n");
  } else if (framing.kind == Framing::Kind::chunked) {
    cursor.put("Transfer-Encoding: chunked\r\n");
  }
}

/// Fields that the connection makes itself.
bool belongs_to_connection(FieldId id, bool switching) noexcept {
  switch (id) {
    case FieldId::connection:
    case FieldId::upgrade:
      return !switching;
    case FieldId::content_length:
    case FieldId::keep_alive:
    case FieldId::proxy_connection:
    case FieldId::te:
    case FieldId::trailer:
    case FieldId::transfer_encoding:
      return true;
    default:
      return false;
  }
}

}  // namespace

void append_response_head(std::string& out, const Response& response, const ResponseHeadOptions& options) {
  const RenderedResponse* rendered = response.rendered.get();
  const int status = rendered != nullptr ? rendered->status : response.status;
  const bool switching = status == 101;
  Cursor cursor(out, fixed_room + options.date.size() + size_of(response.headers) +
                         (rendered != nullptr ? rendered->fields.size() : 0));
  put_status_line(cursor, status);
  bool dated = false;
  if (rendered != nullptr) {
    cursor.put(rendered->fields);
  }
  for (const Headers::Field field : response.headers) {
    if (belongs_to_connection(field.id, switching)) {
      continue;
    }
    dated = dated || field.id == FieldId::date;
    cursor.put_field(field.name, field.value);
  }
  if (!dated && !options.date.empty()) {
    cursor.put_field("Date", options.date);
  }
  if (!switching) {
    if (!options.keep_alive) {
      cursor.put("Connection: close\r\n");
    } else if (options.request_minor == 0) {
      cursor.put("Connection: keep-alive\r\n");
    }
    put_framing(cursor, options.framing);
  }
  cursor.put("\r\n");
}

void append_request_head(std::string& out, std::string_view method, std::string_view target,
                         std::string_view authority, const Headers& headers, Framing framing) {
  Cursor cursor(out, fixed_room + method.size() + target.size() + authority.size() + size_of(headers));
  cursor.put(method);
  cursor.put(" ");
  cursor.put(target);
  cursor.put(" HTTP/1.1\r\n");
  if (!headers.contains(FieldId::host)) {
    cursor.put_field("Host", authority);
  }
  for (const Headers::Field field : headers) {
    if (field.id != FieldId::content_length && field.id != FieldId::transfer_encoding) {
      cursor.put_field(field.name, field.value);
    }
  }
  put_framing(cursor, framing);
  cursor.put("\r\n");
}

}  // namespace sluice::http::h1
