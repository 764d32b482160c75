#include "sluice/http/body.hpp"

#include <deque>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

namespace sluice::http {
namespace {

/// Gives its pieces one by one; "" waits once, and a piece "!" is an error.
class Script final : public BodySource {
 public:
  Script(std::deque<std::string> pieces, std::optional<std::uint64_t> size)
      : pieces_(std::move(pieces)), size_(size) {}

  net::Awaitable<Result<std::string_view>> read() override {
    co_await net::asio::post(co_await net::asio::this_coro::executor, net::use_awaitable);
    co_return next();
  }
  std::optional<Result<std::string_view>> try_read() override {
    if (!pieces_.empty() && pieces_.front().empty()) {
      pieces_.pop_front();
      return std::nullopt;
    }
    return next();
  }
  [[nodiscard]] std::optional<std::uint64_t> size() const noexcept override { return size_; }

 private:
  Result<std::string_view> next() {
    if (pieces_.empty()) {
      return std::string_view();
    }
    current_ = pieces_.front();
    pieces_.pop_front();
    if (current_ == "!") {
      return downstream_error(ErrorCode::closed, "broken", "broken");
    }
    return std::string_view(current_);
  }

  std::deque<std::string> pieces_;
  std::string current_;
  std::optional<std::uint64_t> size_;
};

net::Awaitable<void> read_into(BodySource& source, std::size_t limit,
                               std::optional<Result<std::string>>& out) {
  out = co_await read_all(source, limit);
}

Result<std::string> read_whole(BodySource& source, std::size_t limit) {
  net::asio::io_context context;
  std::optional<Result<std::string>> out;
  net::asio::co_spawn(context, read_into(source, limit, out), [](const std::exception_ptr&) {});
  context.run();
  return std::move(*out);
}

TEST(ReadAll, JoinsThePieces) {
  Script source({"ab", "", "cd", "", "e"}, std::nullopt);
  EXPECT_EQ(*read_whole(source, 5), "abcde");
  EXPECT_EQ(*read_whole(source, 5), "");
}

TEST(ReadAll, Limits) {
  Script longer({"ab", "cd"}, std::nullopt);
  const auto result = read_whole(longer, 3);
  ASSERT_TRUE(result.has_error());
  EXPECT_EQ(result.error().code, ErrorCode::too_large);
  EXPECT_EQ(result.error().source, ErrorSource::downstream);
  Script announced({"a"}, 4);
  EXPECT_EQ(read_whole(announced, 3).error().code, ErrorCode::too_large);
  Script exact({"abc"}, 3);
  EXPECT_EQ(*read_whole(exact, 3), "abc");
}

TEST(ReadAll, PassesErrorsOn) {
  Script source({"ab", "!"}, std::nullopt);
  const auto result = read_whole(source, 100);
  ASSERT_TRUE(result.has_error());
  EXPECT_EQ(result.error().slug, "broken");
}

TEST(BytesSource, GivesItsBytesOnce) {
  const auto source = make_body_source("hello");
  EXPECT_EQ(source->size(), 5U);
  EXPECT_EQ(source->trailers(), nullptr);
  EXPECT_EQ(**source->try_read(), "hello");
  EXPECT_EQ(**source->try_read(), "");
  EXPECT_EQ(**source->try_read(), "");
  const auto empty = make_body_source("");
  EXPECT_EQ(**empty->try_read(), "");
  const auto read = make_body_source("x");
  EXPECT_EQ(*read_whole(*read, 10), "x");
}

TEST(BodySize, OfEveryKind) {
  EXPECT_EQ(body_size({}), 0U);
  EXPECT_EQ(body_size(std::string("abc")), 3U);
  EXPECT_EQ(body_size(std::make_shared<const std::string>("ab")), 2U);
  EXPECT_EQ(body_size(std::shared_ptr<const std::string>()), 0U);
  EXPECT_EQ(body_size(make_body_source("abcd")), 4U);
  EXPECT_EQ(body_size(std::unique_ptr<BodySource>()), 0U);
  const Body unknown = std::make_unique<Script>(std::deque<std::string>{}, std::nullopt);
  EXPECT_EQ(body_size(unknown), std::nullopt);
}

}  // namespace
}  // namespace sluice::http
