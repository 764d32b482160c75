#include <optional>

#include "sluice/base/codec.hpp"
#include "sluice/http/h1/parser.hpp"

#include "http/h1/field_rules.hpp"
#include "http/h1/grammar.hpp"
#include "http/h1/line_scan.hpp"

namespace sluice::http::h1 {
namespace {

constexpr Refusal bad_request_line{"bad_request_line", "The request line is malformed", 400};
constexpr Refusal bad_version{"http_version", "This HTTP version is not supported", 505};
constexpr Refusal bad_line_end{"bad_line_end", "Lines of the head must end in CRLF", 400};
constexpr Refusal folded_line{"folded_field", "Field lines must not be folded", 400};
constexpr Refusal long_target{"target_too_long", "The request line is too long", 414};
constexpr Refusal long_line{"field_too_long", "A field line is too long", 431};
constexpr Refusal long_head{"head_too_large", "The request's head is too large", 431};
constexpr Refusal many_fields{"too_many_fields", "The request has too many fields", 431};
constexpr Refusal bad_asterisk{"bad_target", "The target '*' is for OPTIONS only", 400};
constexpr Refusal bad_connect{"bad_target", "The target of CONNECT must be host:port", 400};
constexpr Refusal no_host{"host_missing", "The Host field is missing", 400};
constexpr Refusal second_host{"host_repeated", "The Host field stands twice", 400};
constexpr Refusal bad_host{"host_invalid", "The Host field is no valid host", 400};
constexpr Refusal old_chunked{"bad_transfer_encoding", "HTTP/1.0 knows no Transfer-Encoding", 400};
constexpr Refusal bad_expect{"bad_expectation", "The expectation is not known", 417};

Error to_error(const Refusal& refusal) {
  const bool size = refusal.status == 414 || refusal.status == 431;
  return downstream_error(size ? ErrorCode::too_large : ErrorCode::invalid, refusal.slug,
                          std::string(refusal.message), refusal.status);
}

/// "HTTP/2.0" at the end of the line, where only 1.0 and 1.1 are read.
bool names_other_version(std::string_view line) noexcept {
  const std::size_t space = line.rfind(' ');
  const std::string_view word = space == std::string_view::npos ? line : line.substr(space + 1);
  const auto digit = [&](std::size_t at) { return word[at] >= '0' && word[at] <= '9'; };
  return word.size() == 8 && word.starts_with("HTTP/") && digit(5) && word[6] == '.' && digit(7) &&
         word != "HTTP/1.0" && word != "HTTP/1.1";
}

/// Takes the parts of a request's head from the grammar.
class RequestReader final : public Grammar<true> {
 public:
  explicit RequestReader(std::size_t most_fields) : most_fields_(most_fields) {}

  /// Field values of the request so far.
  void take_fields(Headers& headers, const char* block) noexcept {
    headers_ = &headers;
    block_ = block;
  }

  std::string_view method;
  std::string_view target;
  int version = 0;
  MessageFields fields;
  std::optional<std::string_view> host;
  bool expects_continue = false;
  Refusal refusal;

 private:
  void on_request_impl(beast::http::verb /*method*/, beast::string_view method_text,
                       beast::string_view its_target, int its_version,
                       beast::error_code& /*error*/) override {
    method = method_text;
    target = its_target;
    version = its_version;
  }

  void on_field_impl(beast::http::field /*known*/, beast::string_view name, beast::string_view value,
                     beast::error_code& error) override {
    const FieldId id = field_id(name);
    headers_->add_range(id, static_cast<std::size_t>(name.data() - block_), name.size(),
                        static_cast<std::size_t>(value.data() - block_), value.size());
    ++count_;
    const Refusal found = check(id, value);
    if (found || count_ > most_fields_) {
      refusal = found ? found : many_fields;
      error = beast::http::error::bad_field;
    }
  }

  Refusal check(FieldId id, std::string_view value) noexcept {
    switch (id) {
      case FieldId::host:
        if (host) {
          return second_host;
        }
        host = value;
        return is_valid_authority(value) ? Refusal{} : bad_host;
      case FieldId::expect:
        expects_continue = equals_ignore_case(value, "100-continue");
        return expects_continue || version < 11 ? Refusal{} : bad_expect;
      case FieldId::cookie:
        for (const char byte : value) {
          count_ += byte == ';' ? 1 : 0;
        }
        return {};
      case FieldId::transfer_encoding:
        return version < 11 ? old_chunked : fields.take(id, value);
      case FieldId::content_length:
      case FieldId::connection:
        return fields.take(id, value);
      default:
        return {};
    }
  }

  std::size_t most_fields_;
  std::size_t count_ = 0;
  Headers* headers_ = nullptr;
  const char* block_ = nullptr;
};

/// Fills what the request line says.
Result<void> take_request_line(const RequestReader& reader, Request& request) {
  request.method = parse_method(reader.method);
  request.method_text.assign(reader.method);
  request.target.assign(reader.target);
  request.version_minor = reader.version == 10 ? 0 : 1;
  if (request.method == Method::connect) {
    const std::size_t colon = reader.target.rfind(':');
    if (!is_valid_authority(reader.target) || colon == std::string_view::npos ||
        colon + 1 == reader.target.size() || reader.target.back() == ']') {
      return to_error(bad_connect);
    }
    request.authority.assign(reader.target);
    return {};
  }
  const Result<Target> split = split_target(reader.target);
  if (split.has_error()) {
    return split.error();
  }
  request.raw_path.assign(split->path);
  request.query.assign(split->query);
  request.has_query = split->has_query;
  request.authority.assign(split->authority);
  if (split->asterisk) {
    return request.method == Method::options ? Result<void>() : Result<void>(to_error(bad_asterisk));
  }
  return request.path.assign(split->path);
}

}  // namespace

Result<std::size_t> RequestHeadParser::parse(std::string_view data, const ServerLimits& limits,
                                             Request& request) {
  if (data.size() <= start_) {
    return std::size_t{0};
  }
  if (!started_) {
    started_ = true;
    request.clear();
  }
  if (start_ == 0 && fields_ == 0 && data.front() == '\r') {
    // One empty line before the request line is passed over (RFC 9112 section 2.2).
    if (data.size() == 1) {
      return std::size_t{0};
    }
    if (data[1] != '\n') {
      return to_error(bad_line_end);
    }
    start_ = line_ = searched_ = 2;
    if (data.size() == 2) {
      return std::size_t{0};
    }
  }
  const LineLimits line_limits{limits.line_bytes, limits.header_bytes};
  std::optional<RequestReader> reader;
  LineScan found = LineScan::line;
  if (fields_ == 0) {
    // What starts with no letter (a TLS handshake) is refused before a line's end.
    if (!is_token(data.substr(start_, 1))) {
      return to_error(bad_request_line);
    }
    found = scan_line(data, start_, line_, searched_, line_limits);
    if (found == LineScan::line) {
      const std::string_view line = data.substr(start_, line_ - start_);
      reader.emplace(limits.header_fields);
      if (!reader->feed(line)) {
        const std::string_view content = line.substr(0, line.size() - 2);
        const bool version_only =
            reader->error() == beast::http::error::bad_version && names_other_version(content);
        return to_error(version_only ? bad_version : bad_request_line);
      }
      const Result<void> taken = take_request_line(*reader, request);
      if (taken.has_error()) {
        return taken.error();
      }
      fields_ = line_;
    }
  }
  while (found == LineScan::line) {
    found = scan_line(data, start_, line_, searched_, line_limits);
  }
  switch (found) {
    case LineScan::need_more:
      return std::size_t{0};
    case LineScan::bad_ending:
      return to_error(bad_line_end);
    case LineScan::folded:
      return to_error(folded_line);
    case LineScan::line_too_long:
      return to_error(fields_ == 0 ? long_target : long_line);
    case LineScan::head_too_long:
      return to_error(long_head);
    case LineScan::line:
    case LineScan::end:
      break;
  }

  const bool old = request.version_minor == 0;
  if (!reader) {
    reader.emplace(limits.header_fields);
    reader->feed(old ? "GET / HTTP/1.0\r\n" : "GET / HTTP/1.1\r\n");
  }
  const std::string_view block = data.substr(fields_, line_ - fields_);
  request.headers.assign_block(block);
  reader->take_fields(request.headers, block.data());
  if (!reader->feed(block)) {
    return to_error(reader->refusal ? reader->refusal : reader->fields.refusal_of(reader->error()));
  }
  if (!reader->host && !old) {
    return to_error(no_host);
  }

  if (request.authority.empty()) {
    if (reader->host) {
      request.authority.assign(*reader->host);
    }
  } else if (reader->host && *reader->host != request.authority) {
    // The target's authority is the one that counts (RFC 9112 section 3.2.2).
    request.headers.set(FieldId::host, request.authority);
  }
  assign_host_of_authority(request.host, request.authority);
  head_.framing = reader->fields.framing();
  head_.keep_alive = reader->fields.keep_alive(old) && request.method != Method::connect;
  head_.expect_continue = reader->expects_continue && !old && head_.framing.has_body();
  return line_;
}

}  // namespace sluice::http::h1
