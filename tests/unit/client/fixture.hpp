/// A worker and a client, driven from the test's own thread.
#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <gtest/gtest.h>

#include "sluice/client/http_client.hpp"
#include "sluice/net/worker.hpp"

namespace sluice::client::test {

using namespace std::chrono_literals;

/// An answer with its body read to the end.
struct Answer {
  int status = 0;
  http::Headers headers;
  std::string body;
  std::optional<Error> body_error;
  http::Headers trailers;
  std::optional<std::uint64_t> size;
  std::optional<std::uint64_t> head_content_length;
};

class ClientTest : public ::testing::Test {
 public:
  ~ClientTest() override {
    client.reset();
    poll(0ms);
  }

 protected:
  ClientTest() { use({}); }

  void use(const ClientSettings& settings) { client = make_http_client(worker, settings); }

  static Origin origin(std::uint16_t port, const std::string& host = "127.0.0.1") {
    Origin out;
    out.host = host;
    out.port = port;
    return out;
  }
  static ClientRequest get(std::uint16_t port, const std::string& path = "/") {
    ClientRequest request;
    request.origin = origin(port);
    request.path_and_query = path;
    return request;
  }
  static ClientRequest post(std::uint16_t port, std::string body, const std::string& method = "POST") {
    ClientRequest request = get(port);
    request.method = method;
    request.body.emplace<std::string>(std::move(body));
    return request;
  }

  /// Runs a coroutine to its end; fails the test after 20 s.
  template <class T>
  T run(net::Awaitable<T> coroutine) {
    std::optional<T> out;
    bool done = false;
    net::asio::co_spawn(worker.context(), std::move(coroutine),
                        [&out, &done](const std::exception_ptr& thrown, T value) {
                          done = true;
                          if (thrown) {
                            std::rethrow_exception(thrown);
                          }
                          out.emplace(std::move(value));
                        });
    wait_for([&done] { return done; });
    return std::move(out).value();
  }
  /// Runs the loop until the condition holds.
  template <class Condition>
  void wait_for(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!condition() && std::chrono::steady_clock::now() < end) {
      worker.context().restart();
      worker.context().run_one_for(50ms);
    }
    ASSERT_TRUE(condition()) << "the loop did not come to it in time";
  }
  /// Runs the loop for so long.
  void poll(std::chrono::milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    do {
      worker.context().restart();
      worker.context().run_for(std::min<std::chrono::milliseconds>(time, 10ms));
    } while (std::chrono::steady_clock::now() < end);
    worker.context().restart();
    worker.context().poll();
  }

  Result<http::Response> send(ClientRequest& request, const CallOptions& options = {},
                              CallRecord* record = nullptr) {
    return run(client->send(request, options, record));
  }
  /// Sends and reads the body.
  Result<Answer> call(ClientRequest request, const CallOptions& options = {}, CallRecord* record = nullptr) {
    return run(call_coroutine(*client, request, options, record));
  }
  Result<std::string> read(http::Response& response) {
    auto* source = std::get_if<std::unique_ptr<http::BodySource>>(&response.body);
    if (source == nullptr) {
      const auto* bytes = std::get_if<std::string>(&response.body);
      return bytes == nullptr ? std::string() : *bytes;
    }
    return run(http::read_all(**source, std::size_t{1} << 30U));
  }

  static net::Awaitable<Result<Answer>> call_coroutine(HttpClient& client, ClientRequest& request,
                                                       const CallOptions& options,
                                                       CallRecord* record = nullptr) {
    Result<http::Response> response = co_await client.send(request, options, record);
    if (response.has_error()) {
      co_return std::move(response).error();
    }
    Answer answer;
    answer.status = response->status;
    answer.headers = std::move(response->headers);
    answer.size = http::body_size(response->body);
    answer.head_content_length = response->head_content_length;
    if (auto* bytes = std::get_if<std::string>(&response->body)) {
      answer.body = std::move(*bytes);
    } else if (auto* source = std::get_if<std::unique_ptr<http::BodySource>>(&response->body)) {
      for (;;) {
        Result<std::string_view> piece = co_await (*source)->read();
        if (piece.has_error()) {
          answer.body_error = std::move(piece).error();
          break;
        }
        if (piece->empty()) {
          break;
        }
        answer.body += *piece;
      }
      if (const http::Headers* trailers = (*source)->trailers()) {
        for (const auto field : *trailers) {
          answer.trailers.add(field.name, field.value);
        }
      }
    }
    co_return answer;
  }

  net::Worker worker{0};
  std::unique_ptr<HttpClient> client;
};

/// A body that gives its pieces as the test says.
class SlowBody final : public http::BodySource {
 public:
  /// `pieces` with a pause before each; an empty one is waited for for ever.
  SlowBody(net::Worker& worker, std::vector<std::string> pieces, std::chrono::milliseconds pause,
           std::optional<std::uint64_t> size = std::nullopt)
      : worker_(worker), pieces_(std::move(pieces)), pause_(pause), size_(size) {}

  net::Awaitable<Result<std::string_view>> read() override {
    if (next_ < pieces_.size() && pieces_[next_].empty()) {
      co_await worker_.wheel().sleep(1h, &stop_);
      co_return upstream_error(ErrorCode::cancelled, "the read was cancelled");
    }
    if (pause_ != 0ms) {
      co_await worker_.wheel().sleep(pause_, &stop_);
    }
    if (failure && next_ == pieces_.size()) {
      co_return *failure;
    }
    co_return next_ < pieces_.size() ? std::string_view(pieces_[next_++]) : std::string_view();
  }
  std::optional<Result<std::string_view>> try_read() override {
    if (pause_ != 0ms || failure || (next_ < pieces_.size() && pieces_[next_].empty())) {
      return std::nullopt;
    }
    return Result<std::string_view>(next_ < pieces_.size() ? std::string_view(pieces_[next_++])
                                                           : std::string_view());
  }
  [[nodiscard]] std::optional<std::uint64_t> size() const noexcept override { return size_; }
  void cancel_read() noexcept override {
    cancelled = true;
    stop_.cancel(net::CancelReason::client_gone);
  }
  [[nodiscard]] const http::Headers* trailers() const noexcept override {
    return its_trailers.empty() ? nullptr : &its_trailers;
  }

  std::optional<Error> failure;
  http::Headers its_trailers;
  bool cancelled = false;

 private:
  net::Worker& worker_;
  std::vector<std::string> pieces_;
  std::chrono::milliseconds pause_;
  std::optional<std::uint64_t> size_;
  std::size_t next_ = 0;
  net::CancelToken stop_;
};

}  // namespace sluice::client::test
