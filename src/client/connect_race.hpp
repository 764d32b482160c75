/// Addresses of one host, tried one 250 ms after the other until one is connected: RFC 8305 section 5.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/base/result.hpp"
#include "sluice/net/cancel.hpp"
#include "sluice/net/stream.hpp"
#include "sluice/net/timer_wheel.hpp"
#include "sluice/net/waiter.hpp"
#include "sluice/net/worker.hpp"

namespace sluice::client {

/// How long an address has before the next one is tried as well (RFC 8305 section 8).
inline constexpr Duration connection_attempt_delay = std::chrono::milliseconds(250);

/// One race; `run` once. Failed attempts start the next at once.
class ConnectRace : public std::enable_shared_from_this<ConnectRace> {
 public:
  using Endpoint = net::asio::ip::tcp::endpoint;
  ConnectRace(net::Worker& worker, std::vector<Endpoint> endpoints);
  ConnectRace(const ConnectRace&) = delete;
  ConnectRace& operator=(const ConnectRace&) = delete;
  ~ConnectRace() = default;

  /// The first connected socket. Errors: connect_failed when all failed (detail: why the last did),
  /// connect_timeout at `give_up`, cancelled.
  net::Awaitable<Result<net::TcpSocket>> run(SteadyTime give_up, net::CancelToken* cancel);

 private:
  void start_next();
  void on_connect(std::size_t index, const boost::system::error_code& failed);
  void finish(std::optional<ErrorCode> failed);
  static void on_delay(void* context) noexcept;
  static void on_give_up(void* context) noexcept;
  static void on_cancel(void* context) noexcept;

  net::Worker& worker_;
  std::vector<Endpoint> endpoints_;
  std::vector<std::unique_ptr<net::TcpSocket>> sockets_;
  net::Timer delay_;
  net::Timer give_up_;
  net::Waiter waiter_;
  std::unique_ptr<net::TcpSocket> winner_;
  std::optional<ErrorCode> failed_;
  std::string detail_;
  std::size_t pending_ = 0;
  bool done_ = false;
};

}  // namespace sluice::client
