#include "gateway/bounded_body.hpp"

#include <utility>

namespace sluice::gateway {
namespace {

/// Counts what a source gives; after the limit every read is the error.
class SizeGate {
 public:
  SizeGate(std::optional<std::uint64_t> limit, Error (*error)()) : left_(limit), error_(error) {}

  Result<std::string_view> pass(Result<std::string_view> got) {
    if (exceeded_) {
      return error_();
    }
    if (got.has_value() && left_) {
      if (got->size() > *left_) {
        exceeded_ = true;
        return error_();
      }
      *left_ -= got->size();
    }
    return got;
  }
  [[nodiscard]] bool exceeded() const noexcept { return exceeded_; }
  [[nodiscard]] Result<std::string_view> failure() const { return error_(); }

 private:
  std::optional<std::uint64_t> left_;
  Error (*error_)();
  bool exceeded_ = false;
};

class BoundedRequestBody final : public http::BodySource {
 public:
  BoundedRequestBody(http::BodySource& source, std::uint64_t limit)
      : source_(source), gate_(limit, request_too_large) {}

  net::Awaitable<Result<std::string_view>> read() override {
    if (gate_.exceeded()) {
      co_return gate_.failure();
    }
    Result<std::string_view> got = co_await source_.read();
    co_return gate_.pass(std::move(got));
  }
  std::optional<Result<std::string_view>> try_read() override {
    if (gate_.exceeded()) {
      return gate_.failure();
    }
    auto got = source_.try_read();
    if (!got) {
      return std::nullopt;
    }
    return gate_.pass(std::move(*got));
  }
  [[nodiscard]] std::optional<std::uint64_t> size() const noexcept override { return source_.size(); }
  [[nodiscard]] const http::Headers* trailers() const noexcept override { return source_.trailers(); }

 private:
  http::BodySource& source_;
  SizeGate gate_;
};

class BoundedResponseBody final : public http::BodySource {
 public:
  BoundedResponseBody(std::unique_ptr<http::BodySource> source, std::optional<std::uint64_t> limit,
                      std::optional<SteadyTime> deadline, http::RequestContext& context)
      : source_(std::move(source)),
        gate_(limit, response_too_large),
        timer_(context.worker.wheel(), &BoundedResponseBody::expire, &context.cancel) {
    if (deadline) {
      timer_.arm_at(*deadline);
    }
  }

  net::Awaitable<Result<std::string_view>> read() override {
    if (gate_.exceeded()) {
      co_return gate_.failure();
    }
    Result<std::string_view> got = co_await source_->read();
    co_return gate_.pass(std::move(got));
  }
  std::optional<Result<std::string_view>> try_read() override {
    if (gate_.exceeded()) {
      return gate_.failure();
    }
    auto got = source_->try_read();
    if (!got) {
      return std::nullopt;
    }
    return gate_.pass(std::move(*got));
  }
  [[nodiscard]] std::optional<std::uint64_t> size() const noexcept override { return source_->size(); }
  [[nodiscard]] const http::Headers* trailers() const noexcept override { return source_->trailers(); }

 private:
  static void expire(void* token) noexcept {
    static_cast<net::CancelToken*>(token)->cancel(net::CancelReason::deadline);
  }

  std::unique_ptr<http::BodySource> source_;
  SizeGate gate_;
  net::Timer timer_;
};

}  // namespace

std::unique_ptr<http::BodySource> bound_request_body(http::BodySource& source, std::uint64_t limit) {
  return std::make_unique<BoundedRequestBody>(source, limit);
}

std::unique_ptr<http::BodySource> bound_response_body(std::unique_ptr<http::BodySource> source,
                                                      std::optional<std::uint64_t> limit,
                                                      std::optional<SteadyTime> deadline,
                                                      http::RequestContext& context) {
  return std::make_unique<BoundedResponseBody>(std::move(source), limit, deadline, context);
}

Error request_too_large() {
  return downstream_error(ErrorCode::too_large, "request_body_too_large",
                          "The request's body is larger than this gateway takes", 413);
}

Error response_too_large() {
  Error error = upstream_error(ErrorCode::too_large, "the answer's body is larger than limits.response_body");
  error.slug = "response_body_too_large";
  return error;
}

}  // namespace sluice::gateway
