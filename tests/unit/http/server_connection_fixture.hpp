// A connection of the server over memory or a socket pair, with a handler that tests tell what to do, and a
// client that is driven byte by byte.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sluice/http/h1/server_connection.hpp"
#include "sluice/http/problem.hpp"

namespace sluice::http::h1 {

/// What finished() was told.
struct Finished {
  std::string target;
  int status = 0;
  bool aborted = false;
  std::string request_id;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  net::CancelReason cancelled = net::CancelReason::none;
};

class TestHandler final : public Handler {
 public:
  using Answer = std::function<net::Awaitable<Response>(Request&, RequestContext&)>;

  net::Awaitable<Response> handle(Request& request, RequestContext& context) override {
    ++handled;
    ids.push_back(context.request_id);
    const auto found = answers.find(request.path.text());
    if (found != answers.end()) {
      Response response = co_await found->second(request, context);
      co_return response;
    }
    Response response;
    response.headers.add("Content-Type", "text/plain");
    response.body = "you asked for " + request.target;
    co_return response;
  }
  Response refuse(const Error& error, RequestContext& context) override {
    refused.push_back(error);
    return problem(error, context.request_id);
  }
  void finished(const Request& request, RequestContext& context) noexcept override {
    done.push_back({request.target, context.record.status, context.record.aborted, context.request_id,
                    context.record.bytes_in, context.record.bytes_out, context.cancel.reason()});
  }

  std::map<std::string, Answer> answers;
  std::vector<Error> refused;
  std::vector<Finished> done;
  std::vector<std::string> ids;
  int handled = 0;
};

class ConnectionTest : public testing::Test {
 protected:
  void start(std::size_t capacity = 65536) {
    auto [client, server] = net::make_memory_streams(worker_.executor(), capacity);
    start_with(std::move(client), std::move(server));
  }
  void start_with(std::unique_ptr<net::Stream> client, std::unique_ptr<net::Stream> server) {
    client_ = std::move(client);
    running_ = true;
    asio_spawn(std::move(server));
  }
  void TearDown() override {
    if (running_ && connection_ != nullptr) {
      connection_->abort();
      run_until([this] { return !running_; });
    }
    EXPECT_FALSE(running_);
  }

  /// Runs the worker until `done` holds; false after five seconds.
  bool run_until(const std::function<bool()>& done, Duration limit = std::chrono::seconds(5)) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (!done()) {
      if (std::chrono::steady_clock::now() > until) {
        return false;
      }
      worker_.context().restart();
      worker_.context().run_one_for(std::chrono::milliseconds(5));
      take();
    }
    return true;
  }
  void run_for(Duration time) {
    run_until([] { return false; }, time);
  }

  void send(std::string_view text) {
    while (!text.empty()) {
      const std::array<net::asio::const_buffer, 1> part{net::asio::buffer(text)};
      const Result<std::size_t> sent = client_->try_write(part);
      if (!sent) {
        return;
      }
      text.remove_prefix(*sent);
      if (*sent == 0) {
        worker_.context().restart();
        worker_.context().run_one_for(std::chrono::milliseconds(5));
        if (reading_) {
          take();
        }
      }
    }
  }
  /// What came after `send`, up to `end` (which is included).
  std::string receive_until(std::string_view end) {
    run_until([this, end] { return got_.find(end) != std::string::npos || closed_ || reset_; });
    const std::size_t at = got_.find(end);
    EXPECT_NE(at, std::string::npos) << "got: " << got_;
    const std::size_t size = at == std::string::npos ? got_.size() : at + end.size();
    std::string out = got_.substr(0, size);
    got_.erase(0, size);
    return out;
  }
  /// Everything up to the server's end.
  std::string receive_all() {
    EXPECT_TRUE(run_until([this] { return closed_ || reset_; })) << "got: " << got_;
    return std::exchange(got_, {});
  }
  [[nodiscard]] bool ended() {
    return run_until([this] { return !running_; });
  }

  net::Worker worker_{0};
  ServerLimits limits_;
  TestHandler handler_;
  ServerShared shared_{worker_, handler_, &limits_};
  ConnectionInfo info_{.peer_address = "192.0.2.1", .local_address = "192.0.2.2"};
  std::unique_ptr<net::Stream> client_;
  ServerConnection* connection_ = nullptr;
  std::string got_;
  bool running_ = false;
  bool closed_ = false;
  bool reset_ = false;
  bool reading_ = true;

 private:
  void take() {
    if (!reading_ || client_ == nullptr || closed_ || reset_) {
      return;
    }
    std::array<char, 65536> buffer{};
    for (;;) {
      const Result<std::optional<std::size_t>> size = client_->try_read(net::asio::buffer(buffer));
      if (!size) {
        reset_ = true;
        return;
      }
      if (!*size) {
        return;
      }
      if (**size == 0) {
        closed_ = true;
        return;
      }
      got_.append(buffer.data(), **size);
    }
  }
  void asio_spawn(std::unique_ptr<net::Stream> server) {
    net::asio::co_spawn(worker_.executor(),
                        serve_connection(shared_, std::move(server), info_,
                                         [this](ServerConnection& connection) { connection_ = &connection; }),
                        [this](const std::exception_ptr& error) {
                          EXPECT_FALSE(error);
                          running_ = false;
                          connection_ = nullptr;
                        });
  }
};

}  // namespace sluice::http::h1
