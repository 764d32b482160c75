#include "sluice/http/h1/parser.hpp"

#include "http/h1/line_grammar.hpp"

namespace sluice::http::h1 {
namespace {

Error bad_response(std::string_view what) {
  Error error = upstream_error(ErrorCode::malformed, std::string(what));
  error.slug = "bad_response";
  return error;
}

std::string_view text_of(LineResult result, bool in_status_line) noexcept {
  switch (result) {
    case LineResult::bad_end:
      return "a line of the response's head does not end in CRLF";
    case LineResult::folded:
      return "a field line of the response is folded";
    case LineResult::line_too_long:
    case LineResult::head_too_long:
      return "the response's head is too large";
    default:
      return in_status_line ? "the response's status line is malformed"
                            : "a field line of the response is malformed";
  }
}

struct StatusLine {
  int status = 0;
  std::uint8_t version_minor = 1;
  const char* next = nullptr;
};

/// HTTP-version SP status-code SP [ reason-phrase ] CRLF, RFC 9112 section 4. The second space may be missing
/// with the reason: servers leave it out.
LineResult read_status_line(const char* at, const char* end, StatusLine& out) noexcept {
  constexpr std::string_view pattern = "HTTP/1.v ddd";
  for (const char expected : pattern) {
    if (at == end) {
      return LineResult::more;
    }
    const bool fits = expected == 'v'   ? *at == '0' || *at == '1'
                      : expected == 'd' ? *at >= '0' && *at <= '9'
                                        : *at == expected;
    if (!fits) {
      return LineResult::bad;
    }
    if (expected == 'd') {
      out.status = out.status * 10 + (*at - '0');
    } else if (expected == 'v') {
      out.version_minor = static_cast<std::uint8_t>(*at - '0');
    }
    ++at;
  }
  if (out.status < 100) {
    return LineResult::bad;
  }
  if (at != end && *at == ' ') {
    at = find_control(at, end);
  }
  const LineResult ending = read_line_end(at, end);
  if (ending == LineResult::line) {
    out.next = at + 2;
  }
  return ending;
}

}  // namespace

void ResponseHead::clear() noexcept {
  status = 0;
  version_minor = 1;
  headers.clear();
  framing = {};
  keep_alive = true;
}

Result<std::size_t> ResponseHeadParser::parse(std::string_view data, const ResponseLimits& limits,
                                              Method request_method, ResponseHead& response) {
  const LineLimits line_limits{limits.header_bytes, limits.header_bytes};
  if (block_ == 0) {
    const Window window = window_of(data, 0, 0, line_limits);
    StatusLine line;
    LineResult result = read_status_line(data.data() + line_, window.end, line);
    if (result == LineResult::more) {
      result = window.beyond;
    }
    if (result == LineResult::more) {
      return std::size_t{0};
    }
    if (result != LineResult::line) {
      return bad_response(text_of(result, true));
    }
    response.clear();
    response.status = line.status;
    response.version_minor = line.version_minor;
    block_ = line_ = static_cast<std::size_t>(line.next - data.data());
  }
  const char* const block = data.data() + block_;
  while (true) {
    const Window window = window_of(data, 0, line_, line_limits);
    FieldLine line;
    LineResult result = read_field_line(data.data() + line_, window.end, line);
    if (result == LineResult::more) {
      result = window.beyond;
    }
    if (result == LineResult::more) {
      return std::size_t{0};
    }
    if (result != LineResult::line && result != LineResult::end) {
      return bad_response(text_of(result, false));
    }
    const std::size_t name_at = line_ - block_;
    line_ = static_cast<std::size_t>(line.next - data.data());
    if (result == LineResult::end) {
      break;
    }
    const FieldId id = field_id(line.name);
    response.headers.add_range(id, name_at, line.name.size(),
                               static_cast<std::size_t>(line.value.data() - block), line.value.size());
    const std::string_view wrong = take_field(id, line.value, response, limits);
    if (!wrong.empty()) {
      return bad_response(wrong);
    }
  }

  response.headers.set_block(data.substr(block_, line_ - block_));
  response.keep_alive = fields_.keep_alive(response.version_minor == 0);
  const Framing named = fields_.framing();
  const bool never_has_body = response.status < 200 || response.status == 204;
  if (never_has_body || response.status == 304 || request_method == Method::head) {
    // Where a body is claimed that cannot be, nobody knows where the next message starts.
    const bool claims = never_has_body && named.has_body();
    response.keep_alive = response.keep_alive && response.status != 101 && !claims;
  } else if (named.kind == Framing::Kind::none) {
    response.framing.kind = Framing::Kind::until_close;
    response.keep_alive = false;
  } else {
    response.framing = named;
  }
  return line_;
}

/// What is wrong with the field, or empty.
std::string_view ResponseHeadParser::take_field(FieldId id, std::string_view value,
                                                const ResponseHead& response, const ResponseLimits& limits) {
  if (response.headers.size() > limits.header_fields) {
    return "the response has too many fields";
  }
  if (id == FieldId::transfer_encoding && response.version_minor == 0) {
    return "the response is HTTP/1.0 and has a Transfer-Encoding";
  }
  return fields_.take(id, value).message;
}

}  // namespace sluice::http::h1
