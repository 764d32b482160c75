// Heads and chunked bodies as an attacker writes them. What begins with "HTTP/" is read as a response, all
// else as a request; what follows a chunked head, as its body. The verdict must not depend on how the bytes
// were split, and what was accepted, written anew, must be read as the same message.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sluice/base/codec.hpp"
#include "sluice/http/h1/chunk.hpp"
#include "sluice/http/h1/parser.hpp"
#include "sluice/http/h1/writer.hpp"

namespace {

using namespace sluice;
using namespace sluice::http;
using namespace sluice::http::h1;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

ServerLimits wide_limits() {
  ServerLimits limits;
  limits.line_bytes = limits.header_bytes = std::size_t{1} << 20U;
  limits.header_fields = 1000;
  return limits;
}

/// Status of the refusal, consumed bytes.
struct Verdict {
  int refusal = 0;
  std::size_t consumed = 0;
  bool operator==(const Verdict&) const = default;
};

template <class Parse>
Verdict in_pieces(std::string_view text, std::size_t piece, Parse parse) {
  for (std::size_t size = 0; size < text.size();) {
    size = std::min(size + piece, text.size());
    const Result<std::size_t> result = parse(text.substr(0, size));
    if (result.has_error()) {
      return {result.error().status != 0 ? result.error().status : 502, 0};
    }
    if (*result != 0) {
      require(*result <= size);
      return {0, *result};
    }
  }
  return {};
}

bool written_by_us(FieldId id) {
  switch (id) {
    case FieldId::connection:
    case FieldId::content_length:
    case FieldId::keep_alive:
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

/// The fields without those that frame a message, Host apart.
std::string fields_of(const Headers& headers) {
  std::string out;
  for (const Headers::Field field : headers) {
    require(is_token(field.name) && is_field_value(field.value));
    require(field.id == field_id(field.name));
    if (!written_by_us(field.id) && field.id != FieldId::host) {
      out.append(field.name).append(": ").append(field.value).append("\n");
    }
  }
  return out;
}

struct Body {
  std::string data;
  std::size_t consumed = 0;
  bool done = false;
  bool refused = false;
  bool operator==(const Body&) const = default;
};

Body decode(std::string_view text, std::size_t piece, ChunkDecoder& decoder) {
  Body body;
  while (!text.empty() && !body.done) {
    const std::string_view input = text.substr(0, piece);
    const Result<ChunkDecoder::Step> step = decoder.feed(input);
    if (step.has_error()) {
      return {{}, 0, false, true};
    }
    require(step->consumed > 0 && step->consumed <= input.size());
    require(!step->data.empty() || step->done || step->consumed == input.size());
    body.data.append(step->data);
    body.consumed += step->consumed;
    body.done = step->done;
    text.remove_prefix(step->consumed);
  }
  return body;
}

void check_chunks(std::string_view text) {
  ChunkDecoder whole;
  const Body body = decode(text, text.size(), whole);
  ChunkDecoder bytes;
  require(decode(text, 1, bytes) == body);
  ChunkDecoder threes;
  require(decode(text, 3, threes) == body);
  if (!body.done) {
    return;
  }
  std::string again;
  append_chunk(again, body.data);
  append_last_chunk(again, &whole.trailers());
  ChunkDecoder second;
  const Body read = decode(again, again.size(), second);
  require(read.done && read.data == body.data && read.consumed == again.size());
  require(fields_of(second.trailers()) == fields_of(whole.trailers()));
}

void check_request(std::string_view text) {
  static const ServerLimits limits;
  static const ServerLimits wide = wide_limits();
  Request request;
  RequestHeadParser parser;
  const auto parse_with = [&](RequestHeadParser& its_parser, Request& its_request) {
    return [&](std::string_view view) { return its_parser.parse(view, limits, its_request); };
  };
  const Verdict verdict = in_pieces(text, text.size(), parse_with(parser, request));
  for (const std::size_t piece : {std::size_t{1}, std::size_t{5}, std::size_t{64}}) {
    RequestHeadParser other_parser;
    Request other;
    require(in_pieces(text, piece, parse_with(other_parser, other)) == verdict);
    if (verdict.consumed != 0) {
      require(other.target == request.target && other.path.text() == request.path.text() &&
              other.authority == request.authority && other.host == request.host &&
              fields_of(other.headers) == fields_of(request.headers) &&
              other_parser.head().framing == parser.head().framing);
    }
  }
  if (verdict.consumed == 0) {
    return;
  }
  if (parser.head().framing.kind == Framing::Kind::chunked) {
    check_chunks(text.substr(verdict.consumed));
  }
  if (request.method == Method::connect) {
    return;
  }
  std::string target = request.path.text().empty() ? "*" : request.path.text();
  if (request.has_query) {
    target += "?" + request.query;
  }
  std::string again;
  append_request_head(again, request.method_text, target, request.authority.empty() ? "a" : request.authority,
                      request.headers, parser.head().framing);
  RequestHeadParser second_parser;
  Request second;
  const Result<std::size_t> read = second_parser.parse(again, wide, second);
  require(read.has_value() && *read == again.size());
  require(second.method_text == request.method_text && second.path.text() == request.path.text() &&
          second.query == request.query && second.has_query == request.has_query);
  require(request.authority.empty() ||
          (second.authority == request.authority && second.host == request.host));
  require(fields_of(second.headers) == fields_of(request.headers));
  require(second_parser.head().framing == parser.head().framing);
}

void check_response(std::string_view text, Method method) {
  ResponseHead head;
  ResponseHeadParser parser;
  const auto parse_with = [method](ResponseHeadParser& its_parser, ResponseHead& its_head) {
    return [&its_parser, &its_head, method](std::string_view view) {
      return its_parser.parse(view, {}, method, its_head);
    };
  };
  const Verdict verdict = in_pieces(text, text.size(), parse_with(parser, head));
  ResponseHeadParser slow_parser;
  ResponseHead slow;
  require(in_pieces(text, 1, parse_with(slow_parser, slow)) == verdict);
  if (verdict.consumed == 0) {
    return;
  }
  require(slow.framing == head.framing && slow.keep_alive == head.keep_alive && slow.status == head.status);
  if (head.framing.kind == Framing::Kind::chunked) {
    check_chunks(text.substr(verdict.consumed));
  }
  if (head.status < 200) {
    return;
  }
  Response response;
  response.status = head.status;
  response.headers = head.headers;
  std::string again;
  append_response_head(again, response, {.framing = head.framing, .date = "", .keep_alive = head.keep_alive});
  ResponseHeadParser second_parser;
  ResponseHead second;
  const Result<std::size_t> read =
      second_parser.parse(again, {.header_bytes = 1U << 20U, .header_fields = 1000}, method, second);
  require(read.has_value() && *read == again.size());
  require(second.status == head.status && second.framing == head.framing &&
          second.keep_alive == head.keep_alive);
  require(fields_of(second.headers) == fields_of(head.headers));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with("HTTP/")) {
    check_response(text, Method::get);
    check_response(text, Method::head);
  } else {
    check_request(text);
    check_chunks(text);
  }
  return 0;
}
