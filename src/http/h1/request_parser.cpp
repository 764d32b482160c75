#include "sluice/base/codec.hpp"
#include "sluice/http/h1/parser.hpp"

#include "http/h1/line_grammar.hpp"

namespace sluice::http::h1 {
namespace {

constexpr Refusal bad_request_line{"bad_request_line", "The request line is malformed", 400};
constexpr Refusal bad_version{"http_version", "This HTTP version is not supported", 505};
constexpr Refusal bad_line_end{"bad_line_end", "Lines of the head must end in CRLF", 400};
constexpr Refusal folded_line{"folded_field", "Field lines must not be folded", 400};
constexpr Refusal bad_field{"bad_field", "A field line is malformed", 400};
constexpr Refusal long_target{"target_too_long", "The request line is too long", 414};
constexpr Refusal long_line{"field_too_long", "A field line is too long", 431};
constexpr Refusal long_head{"head_too_large", "The request's head is too large", 431};
constexpr Refusal many_fields{"too_many_fields", "The request has too many fields", 431};
constexpr Refusal bad_target{"bad_target", "The request target is malformed", 400};
constexpr Refusal bad_path{"bad_path", "The request's path is malformed", 400};
constexpr Refusal bad_asterisk{"bad_target", "The target '*' is for OPTIONS only", 400};
constexpr Refusal bad_connect{"bad_target", "The target of CONNECT must be host:port", 400};
constexpr Refusal no_host{"host_missing", "The Host field is missing", 400};
constexpr Refusal second_host{"host_repeated", "The Host field stands twice", 400};
constexpr Refusal bad_host{"host_invalid", "The Host field is no valid host", 400};
constexpr Refusal old_chunked{"bad_transfer_encoding", "HTTP/1.0 knows no Transfer-Encoding", 400};
constexpr Refusal bad_expect{"bad_expectation", "The expectation is not known", 417};

Refusal refusal_of(LineResult result, bool in_request_line) noexcept {
  switch (result) {
    case LineResult::bad_end:
      return bad_line_end;
    case LineResult::folded:
      return folded_line;
    case LineResult::line_too_long:
      return in_request_line ? long_target : long_line;
    case LineResult::head_too_long:
      return long_head;
    default:
      return in_request_line ? bad_request_line : bad_field;
  }
}

/// Keeps the string's memory, at less cost than assign.
void replace(std::string& out, std::string_view text) {
  out.clear();
  out.append(text);
}

struct RequestLine {
  std::string_view method;
  std::string_view target;
  std::size_t path_size = 0;  ///< of the target up to its first '?'
  std::uint8_t version_minor = 1;
  bool supported = true;  ///< HTTP/1.0 or HTTP/1.1
  const char* next = nullptr;
};

/// The first byte that may not stand in a target (split_target has the same set), or that is a '?' where the
/// query was not reached yet.
const char* find_target_end(const char* at, const char* end, bool in_query) noexcept {
  while (at != end && static_cast<unsigned char>(*at) > 0x20 && *at != 0x7F && *at != '#' &&
         (in_query || *at != '?')) {
    ++at;
  }
  return at;
}

/// method SP request-target SP HTTP-version CRLF, RFC 9112 section 3.
LineResult read_request_line(const char* at, const char* end, RequestLine& out) noexcept {
  const char* const method = at;
  while (at != end && is_token_byte(*at)) {
    ++at;
  }
  if (at == end) {
    return LineResult::more;
  }
  if (*at != ' ' || at == method) {
    return LineResult::bad;
  }
  out.method = {method, static_cast<std::size_t>(at - method)};
  const char* const target = ++at;
  at = find_target_end(at, end, false);
  out.path_size = static_cast<std::size_t>(at - target);
  at = find_target_end(at, end, true);
  if (at == end) {
    return LineResult::more;
  }
  if (*at != ' ' || at == target) {
    return LineResult::bad;
  }
  out.target = {target, static_cast<std::size_t>(at - target)};
  ++at;
  constexpr std::string_view pattern = "HTTP/d.d";
  for (const char expected : pattern) {
    if (at == end) {
      return LineResult::more;
    }
    if (expected == 'd' ? *at < '0' || *at > '9' : *at != expected) {
      return LineResult::bad;
    }
    ++at;
  }
  out.supported = at[-3] == '1' && (at[-1] == '0' || at[-1] == '1');
  out.version_minor = static_cast<std::uint8_t>(at[-1] - '0');
  const LineResult ending = read_line_end(at, end);
  if (ending == LineResult::line) {
    out.next = at + 2;
  }
  return ending;
}

/// host:port, the port not empty.
bool is_connect_target(std::string_view target) noexcept {
  const std::size_t colon = target.rfind(':');
  return colon != std::string_view::npos && colon + 1 != target.size() && target.back() != ']' &&
         is_valid_authority(target);
}

/// Fills what the request line says.
Refusal take_request_line(const RequestLine& line, Request& request) {
  replace(request.method_text, line.method);
  replace(request.target, line.target);
  request.method = parse_method(line.method);
  request.version_major = 1;
  request.version_minor = line.version_minor;
  request.raw_path.clear();
  request.query.clear();
  request.has_query = false;
  if (request.method == Method::connect && is_connect_target(line.target)) {
    request.path.clear();
    replace(request.authority, line.target);
    return {};
  }
  if (line.target.front() == '/') {
    const std::string_view path = line.target.substr(0, line.path_size);
    replace(request.raw_path, path);
    if (path.size() != line.target.size()) {
      request.has_query = true;
      replace(request.query, line.target.substr(path.size() + 1));
    }
    const Result<void> assigned = request.path.assign(path);
    return assigned.has_value() ? Refusal{} : bad_path;
  }
  const Result<Target> split = split_target(line.target);
  if (split.has_error()) {
    return request.method == Method::connect ? bad_connect : bad_target;
  }
  replace(request.raw_path, split->path);
  if (split->has_query) {
    request.has_query = true;
    replace(request.query, split->query);
  }
  if (split->asterisk) {
    request.path.clear();
    return request.method == Method::options ? Refusal{} : bad_asterisk;
  }
  if (!split->authority.empty()) {
    replace(request.authority, split->authority);
  }
  const Result<void> assigned = request.path.assign(split->path);
  return assigned.has_value() ? Refusal{} : bad_path;
}

}  // namespace

Result<std::size_t> RequestHeadParser::parse(std::string_view data, const ServerLimits& limits,
                                             Request& request) {
  std::size_t consumed = 0;
  const Refusal refusal = read(data, limits, request, consumed);
  if (!refusal) {
    return consumed;
  }
  if (!target_has_authority_) {
    request.authority.clear();
  }
  request.host.clear();
  request.headers.clear();
  const bool size = refusal.status == 414 || refusal.status == 431;
  return downstream_error(size ? ErrorCode::too_large : ErrorCode::invalid, refusal.slug,
                          std::string(refusal.message), refusal.status);
}

Refusal RequestHeadParser::read(std::string_view data, const ServerLimits& limits, Request& request,
                                std::size_t& consumed) {
  if (data.size() <= start_) {
    return {};
  }
  const LineLimits line_limits{limits.line_bytes, limits.header_bytes};
  if (block_ == 0) {
    if (!started_) {
      started_ = true;
      request.method = Method::extension;
      request.method_text.clear();
      request.target.clear();
      request.headers.clear();
      request.body = nullptr;
    }
    if (start_ == 0 && data.front() == '\r') {
      // One empty line before the request line is passed over (RFC 9112 section 2.2).
      const LineResult empty = read_line_end(data.data(), data.data() + data.size());
      if (empty != LineResult::line) {
        return empty == LineResult::more ? Refusal{} : bad_line_end;
      }
      start_ = line_ = 2;
    }
    const Window window = window_of(data, start_, line_, line_limits);
    RequestLine line;
    LineResult result = read_request_line(data.data() + line_, window.end, line);
    if (result == LineResult::more) {
      result = window.beyond;
    }
    if (result != LineResult::line) {
      return result == LineResult::more ? Refusal{} : refusal_of(result, true);
    }
    if (!line.supported) {
      return bad_version;
    }
    const Refusal refusal = take_request_line(line, request);
    if (refusal) {
      return refusal;
    }
    target_has_authority_ = request.target.front() != '/' && request.target != "*";
    block_ = line_ = static_cast<std::size_t>(line.next - data.data());
  }

  const char* const block = data.data() + block_;
  while (true) {
    const Window window = window_of(data, start_, line_, line_limits);
    FieldLine line;
    LineResult result = read_field_line(data.data() + line_, window.end, line);
    if (result == LineResult::more) {
      result = window.beyond;
    }
    if (result == LineResult::line) {
      const FieldId id = field_id(line.name);
      const auto value_at = static_cast<std::size_t>(line.value.data() - block);
      request.headers.add_range(id, line_ - block_, line.name.size(), value_at, line.value.size());
      line_ = static_cast<std::size_t>(line.next - data.data());
      ++field_count_;
      Refusal refusal;
      if (id != FieldId::unknown) {
        if (id == FieldId::host) {
          host_at_ = block_ + value_at;
          host_size_ = line.value.size();
        }
        refusal = take_field(id, line.value, request);
      }
      if (!refusal && field_count_ > limits.header_fields) {
        refusal = many_fields;
      }
      if (refusal) {
        return refusal;
      }
      continue;
    }
    if (result != LineResult::end) {
      return result == LineResult::more ? Refusal{} : refusal_of(result, false);
    }
    line_ = static_cast<std::size_t>(line.next - data.data());
    if (!has_host_ && request.version_minor != 0) {
      return no_host;
    }
    finish(data, request);
    consumed = line_;
    return {};
  }
}

Refusal RequestHeadParser::take_field(FieldId id, std::string_view value, const Request& request) {
  const bool old = request.version_minor == 0;
  switch (id) {
    case FieldId::host:
      if (has_host_) {
        return second_host;
      }
      has_host_ = true;
      // What the request still holds of an earlier one on this connection was checked then.
      return value == request.authority && !value.empty() ? Refusal{}
             : is_valid_authority(value)                  ? Refusal{}
                                                          : bad_host;
    case FieldId::expect:
      has_expect_ = true;
      expects_continue_ = equals_ignore_case(value, "100-continue");
      return expects_continue_ || old ? Refusal{} : bad_expect;
    case FieldId::cookie:
      for (const char byte : value) {
        field_count_ += byte == ';' ? 1 : 0;
      }
      return {};
    case FieldId::transfer_encoding:
      return old ? old_chunked : fields_.take(id, value);
    case FieldId::content_length:
    case FieldId::connection:
      return fields_.take(id, value);
    default:
      return {};
  }
}

void RequestHeadParser::finish(std::string_view data, Request& request) {
  request.headers.set_block(data.substr(block_, line_ - block_));
  const std::string_view host = data.substr(host_at_, host_size_);
  if (target_has_authority_) {
    if (has_host_ && host != request.authority) {
      // The target's authority is the one that counts (RFC 9112 section 3.2.2).
      request.headers.set(FieldId::host, request.authority);
    }
    assign_host_of_authority(request.host, request.authority);
  } else if (host != request.authority || request.host.empty()) {
    replace(request.authority, host);
    assign_host_of_authority(request.host, host);
  }
  if (has_expect_) {
    // It is answered here; what stands behind has nothing to wait for.
    request.headers.remove(FieldId::expect);
  }
  const bool old = request.version_minor == 0;
  head_.framing = fields_.framing();
  head_.keep_alive = fields_.keep_alive(old) && request.method != Method::connect;
  head_.expect_continue = expects_continue_ && !old && head_.framing.has_body();
}

}  // namespace sluice::http::h1
