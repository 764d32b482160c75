// An independent reader of HTTP/1.1, Boost.Beast's, judges ours: whatever our parsers accept, Beast accepts
// too and understands in the same way, over the conformance data and over mutations of it; and it reads what
// we write.
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <boost/beast/http.hpp>
#include <gtest/gtest.h>

#include "sluice/base/codec.hpp"
#include "sluice/http/h1/chunk.hpp"
#include "sluice/http/h1/parser.hpp"
#include "sluice/http/h1/writer.hpp"

#include "unit/http/conformance_data.hpp"

namespace sluice::http::h1 {
namespace {

namespace beast = boost::beast;

/// The first message of an input as one of the readers understands it.
struct Reading {
  bool complete = false;
  std::string method;
  std::string target;
  std::string body;
  std::vector<std::string> fields;
  bool operator==(const Reading&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Reading& reading) {
  out << (reading.complete ? "complete " : "incomplete ") << reading.method << ' ' << reading.target << " ["
      << reading.body << "]";
  for (const std::string& field : reading.fields) {
    out << "\n  " << field;
  }
  return out;
}

/// nullopt: refused, or the head never ends.
std::optional<Reading> read_ours(std::string_view input) {
  RequestHeadParser parser;
  Request request;
  const Result<std::size_t> head = parser.parse(input, {}, request);
  if (head.has_error() || *head == 0) {
    return std::nullopt;
  }
  Reading reading;
  reading.method = request.method_text;
  reading.target = request.target;
  for (const Headers::Field field : request.headers) {
    reading.fields.push_back(std::string(field.name) + ": " + std::string(field.value));
  }
  std::string_view rest = input.substr(*head);
  if (parser.head().framing.kind != Framing::Kind::chunked) {
    const auto length = static_cast<std::size_t>(parser.head().framing.length);
    reading.body = rest.substr(0, length);
    reading.complete = rest.size() >= length;
    return reading;
  }
  ChunkDecoder decoder;
  while (!rest.empty() && !decoder.done()) {
    const Result<ChunkDecoder::Step> step = decoder.feed(rest);
    if (step.has_error()) {
      return std::nullopt;
    }
    reading.body.append(step->data);
    rest.remove_prefix(step->consumed);
  }
  reading.complete = decoder.done();
  return reading;
}

/// The same by Beast; nullopt: refused.
std::optional<Reading> read_beast(std::string_view input) {
  beast::http::request_parser<beast::http::string_body> parser;
  parser.eager(true);
  parser.header_limit(1U << 20U);
  parser.body_limit(boost::none);
  // An empty line before the request is ours to skip (RFC 9112 section 2.2); Beast wants it gone.
  if (input.starts_with("\r\n")) {
    input.remove_prefix(2);
  }
  while (!input.empty() && !parser.is_done()) {
    beast::error_code failure;
    const std::size_t used = parser.put(boost::asio::buffer(input.data(), input.size()), failure);
    if (failure && failure != beast::http::error::need_more) {
      return std::nullopt;
    }
    input.remove_prefix(used);
    if (used == 0) {
      break;
    }
  }
  if (!parser.is_header_done()) {
    return std::nullopt;
  }
  Reading reading;
  reading.complete = parser.is_done();
  const auto& message = parser.get();
  reading.method = std::string(message.method_string());
  reading.target = std::string(message.target());
  reading.body = message.body();
  for (const auto& field : message) {
    reading.fields.push_back(std::string(field.name_string()) + ": " + std::string(field.value()));
  }
  return reading;
}

/// What both must agree on. Ours takes Expect out of the head and Host from an absolute target; Beast adds
/// trailers to the fields and orders fields of one name together.
Reading comparable(Reading reading) {
  const bool absolute = !reading.target.starts_with("/");
  std::erase_if(reading.fields, [&](const std::string& field) {
    return equals_ignore_case(std::string_view(field).substr(0, 7), "expect:") ||
           (absolute && equals_ignore_case(std::string_view(field).substr(0, 5), "host:"));
  });
  std::sort(reading.fields.begin(), reading.fields.end());
  return reading;
}

/// Beast refuses a Connection or Upgrade field that is no list of tokens; ours, like most servers, looks for
/// the tokens it knows.
bool has_odd_connection_field(const Reading& reading) {
  return std::any_of(reading.fields.begin(), reading.fields.end(), [](const std::string& field) {
    const std::size_t colon = field.find(':');
    const std::string_view name = std::string_view(field).substr(0, colon);
    if (!equals_ignore_case(name, "connection") && !equals_ignore_case(name, "proxy-connection") &&
        !equals_ignore_case(name, "upgrade")) {
      return false;
    }
    std::string_view rest = std::string_view(field).substr(colon + 1);
    bool odd = false;
    while (!odd && !rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      odd = !is_token(trim(rest.substr(0, comma)));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    return odd;
  });
}

/// Returns whether ours accepted. `head_only`: Beast 1.81 asserts in some chunk headers, which are then left
/// out.
bool compare(std::string input, bool head_only) {
  if (head_only) {
    RequestHeadParser parser;
    Request request;
    const Result<std::size_t> head = parser.parse(input, {}, request);
    input.resize(head.has_value() ? *head : 0);
  }
  const std::optional<Reading> ours = read_ours(input);
  if (!ours || has_odd_connection_field(*ours)) {
    return false;
  }
  const std::optional<Reading> theirs = read_beast(input);
  EXPECT_TRUE(theirs.has_value()) << "accepted here, refused by Beast: " << Json(sanitize_utf8(input)).dump();
  if (theirs) {
    Reading left = comparable(*ours);
    Reading right = comparable(*theirs);
    if (right.fields.size() > left.fields.size()) {  // trailers
      std::erase_if(right.fields, [&](const std::string& field) {
        return std::find(left.fields.begin(), left.fields.end(), field) == left.fields.end();
      });
    }
    if (!left.complete) {  // how much of an unfinished chunk is handed on is each reader's own affair
      left.body.clear();
      right.body.clear();
    }
    EXPECT_EQ(left, right) << Json(sanitize_utf8(input)).dump();
  }
  return true;
}

std::vector<std::string> conformance_inputs() {
  std::vector<std::string> inputs;
  for (const auto& entry : std::filesystem::directory_iterator(test::conformance_folder() / "http1")) {
    if (entry.path().extension() == ".json") {
      for (const Json& test_case : test::load_cases(entry.path())) {
        inputs.push_back(test::expand(test_case.at("send")));
      }
    }
  }
  return inputs;
}

TEST(BeastOracle, ReadsWhatWeAcceptInTheSameWay) {
  std::size_t accepted = 0;
  for (const std::string& input : conformance_inputs()) {
    accepted += compare(input, false) ? 1U : 0U;
  }
  EXPECT_GE(accepted, 100U);
}

TEST(BeastOracle, AgreesOnMutations) {
  constexpr std::string_view alphabet = "\r\n\t :;,/%0aZ\"=\x7f\x80";
  std::mt19937 random(20260101);
  std::size_t accepted = 0;
  for (const std::string& input : conformance_inputs()) {
    if (input.size() > 600) {
      continue;
    }
    for (int round = 0; round < 60 && !input.empty(); ++round) {
      std::string mutated = input;
      const std::size_t at = random() % mutated.size();
      switch (random() % 3) {
        case 0:
          mutated[at] = alphabet[random() % alphabet.size()];
          break;
        case 1:
          mutated.erase(at, 1);
          break;
        default:
          mutated.insert(at, 1, alphabet[random() % alphabet.size()]);
          break;
      }
      accepted += compare(mutated, true) ? 1U : 0U;
      if (HasFailure()) {
        return;
      }
    }
  }
  EXPECT_GE(accepted, 2000U);
}

}  // namespace
}  // namespace sluice::http::h1
