// The data of tests/conformance, run through the parsers.
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sluice/base/codec.hpp"
#include "sluice/base/json.hpp"
#include "sluice/http/h1/chunk.hpp"
#include "sluice/http/h1/parser.hpp"

#include "unit/http/conformance_data.hpp"

namespace sluice::http::h1 {
namespace {

using test::expand;

/// One line a message, to be compared and printed.
using Outcomes = std::vector<std::string>;

std::string describe(std::string_view method, std::string_view target, std::string_view body) {
  return std::string(method) + " " + std::string(target) + " [" + std::string(body) + "]";
}

Outcomes expected(const Json& test_case) {
  Outcomes out;
  for (const Json& item : test_case.at("expect")) {
    if (item.contains("incomplete")) {
      out.emplace_back("incomplete");
    } else if (item.contains("gateway")) {
      out.emplace_back("gateway");
    } else if (!item.contains("method")) {
      out.push_back("refuse " + std::to_string(item.at("refuse").get<int>()));
    } else {
      std::string line =
          describe(item.at("method").get<std::string>(), expand(item.at("target")), expand(item.at("body")));
      if (item.contains("refuse")) {
        line += " refuse " + std::to_string(item.at("refuse").get<int>());
      }
      out.push_back(line);
    }
  }
  return out;
}

/// A server connection without a socket.
class Connection {
 public:
  void receive(std::string_view piece) {
    buffer_.append(piece);
    while (!closed_ && step()) {
    }
  }
  void end() {
    if (!closed_ && (in_body_ || parser_.started())) {
      outcomes.emplace_back("incomplete");
    }
  }
  [[nodiscard]] bool closed() const { return closed_; }

  Outcomes outcomes;
  std::vector<std::string> hosts;

 private:
  /// False: more bytes are needed.
  bool step() {
    if (!in_body_) {
      const Result<std::size_t> head = parser_.parse(buffer_, {}, request_);
      if (head.has_error()) {
        outcomes.push_back("refuse " + std::to_string(head.error().status));
        closed_ = true;
        return false;
      }
      if (*head == 0) {
        return false;
      }
      buffer_.erase(0, *head);
      body_.clear();
      left_ = parser_.head().framing.length;
      decoder_.reset();
      in_body_ = true;
    }
    if (parser_.head().framing.kind == Framing::Kind::chunked) {
      return step_chunks();
    }
    const std::size_t take = std::min<std::size_t>(left_, buffer_.size());
    body_.append(buffer_, 0, take);
    buffer_.erase(0, take);
    left_ -= take;
    return left_ == 0 && finish();
  }

  bool step_chunks() {
    while (!buffer_.empty() && !decoder_.done()) {
      const Result<ChunkDecoder::Step> decoded = decoder_.feed(buffer_);
      if (decoded.has_error()) {
        outcomes.push_back(what() + " refuse " + std::to_string(decoded.error().status));
        closed_ = true;
        return false;
      }
      body_.append(decoded->data);
      buffer_.erase(0, decoded->consumed);
    }
    return decoder_.done() && finish();
  }

  bool finish() {
    const bool gateway = request_.method == Method::connect || request_.path.text().empty();
    outcomes.push_back(gateway ? "gateway" : what());
    hosts.push_back(request_.authority);
    closed_ = !parser_.head().keep_alive;
    in_body_ = false;
    parser_.reset();
    return !closed_ && !buffer_.empty();
  }

  [[nodiscard]] std::string what() const {
    const std::string query = request_.has_query ? "?" + request_.query : "";
    return describe(request_.method_text, request_.path.text() + query, body_);
  }

  std::string buffer_;
  RequestHeadParser parser_;
  Request request_;
  ChunkDecoder decoder_;
  std::string body_;
  std::uint64_t left_ = 0;
  bool in_body_ = false;
  bool closed_ = false;
};

void check(const Json& test_case, const std::string& input, std::size_t piece) {
  Connection connection;
  for (std::size_t at = 0; at < input.size() && !connection.closed(); at += piece) {
    connection.receive(std::string_view(input).substr(at, piece));
  }
  connection.end();
  EXPECT_EQ(connection.outcomes, expected(test_case));
  EXPECT_EQ(connection.closed(), test_case.at("close").get<bool>());
  for (std::size_t index = 0; index < connection.hosts.size(); ++index) {
    const Json& item = test_case.at("expect").at(index);
    if (item.contains("host")) {
      EXPECT_EQ(connection.hosts[index], item.at("host").get<std::string>());
    }
  }
}

TEST(Conformance, Http1) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test::conformance_folder() / "http1")) {
    if (entry.path().extension() != ".json") {
      continue;
    }
    for (const Json& test_case : test::load_cases(entry.path())) {
      SCOPED_TRACE(entry.path().stem().string() + ": " + test_case.at("name").get<std::string>());
      const std::string input = expand(test_case.at("send"));
      for (const std::size_t piece : {input.size() + 1, std::size_t{1}, std::size_t{7}}) {
        check(test_case, input, piece);
      }
      ++count;
    }
  }
  EXPECT_GE(count, 600U);
}

TEST(Conformance, Paths) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test::conformance_folder() / "path")) {
    if (entry.path().extension() != ".json") {
      continue;
    }
    for (const Json& test_case : test::load_cases(entry.path())) {
      ++count;
      const std::string path = expand(test_case.at("path"));
      SCOPED_TRACE(entry.path().stem().string() + ": " + path);
      const Result<CanonicalPath> parsed = CanonicalPath::parse(path);
      if (test_case.contains("refuse")) {
        ASSERT_TRUE(parsed.has_error());
        EXPECT_EQ(parsed.error().status, test_case.at("refuse").get<int>());
        continue;
      }
      ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
      EXPECT_EQ(parsed->text(), test_case.at("canonical").get<std::string>());
      std::vector<std::string> segments;
      for (std::size_t index = 0; index < parsed->size(); ++index) {
        segments.emplace_back(parsed->segment(index));
      }
      std::vector<std::string> wanted;
      for (const Json& segment : test_case.at("segments")) {
        wanted.push_back(expand(segment));
      }
      EXPECT_EQ(segments, wanted);
      // What is canonical stays as it is.
      const Result<CanonicalPath> again = CanonicalPath::parse(parsed->text());
      ASSERT_TRUE(again.has_value());
      EXPECT_EQ(again->text(), parsed->text());
    }
  }
  EXPECT_GE(count, 90U);
}

}  // namespace
}  // namespace sluice::http::h1
