#include "client/connector.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "sluice/net/ip_set.hpp"

#include "client/connect_race.hpp"

namespace sluice::client {

namespace {

constexpr Duration first_pause = std::chrono::milliseconds(25);
constexpr Duration longest_pause = std::chrono::milliseconds(400);

using StreamResult = Result<std::unique_ptr<net::Stream>>;

Error cancelled_error() {
  return upstream_error(ErrorCode::cancelled, "the request was given up");
}

// Times of one connect() and the error that its end means.
struct Window {
  SteadyTime give_up;
  ErrorCode late;  // what passing `give_up` is
};

Result<net::Addresses> allowed(net::Addresses addresses, const ConnectTarget& target) {
  if (!target.public_only) {
    return addresses;
  }
  auto kept = std::make_shared<std::vector<net::IpAddress>>();
  std::copy_if(addresses->begin(), addresses->end(), std::back_inserter(*kept),
               [](const net::IpAddress& address) { return !net::is_internal_address(address); });
  if (kept->empty()) {
    return upstream_error(ErrorCode::address_refused,
                          target.origin.host +
                              " is a loopback, private or link-local address, which a host made "
                              "from a parameter may not be");
  }
  return net::Addresses(std::move(kept));
}

StreamResult adopted(std::unique_ptr<net::Stream> stream) {
  if (!stream) {
    return upstream_error(ErrorCode::connect_failed, "the event loop does not take the socket", Retry::yes);
  }
  return stream;
}

net::Awaitable<StreamResult> connect_tcp(ConnectorShared& shared, ConnectTarget& target, Window window,
                                         net::CancelToken* cancel) {
  net::Addresses addresses = shared.resolver.find(target.origin.host);
  if (!addresses) {
    Result<net::Addresses> found =
        co_await shared.resolver.resolve(target.origin.host, window.give_up, cancel);
    if (found.has_error()) {
      Error error = std::move(found).error();
      if (error.code == ErrorCode::deadline) {
        error.code = window.late;
      }
      co_return error;
    }
    addresses = std::move(*found);
  }
  Result<net::Addresses> usable = allowed(std::move(addresses), target);
  if (usable.has_error()) {
    co_return std::move(usable).error();
  }
  std::vector<ConnectRace::Endpoint> endpoints;
  endpoints.reserve((*usable)->size());
  for (const net::IpAddress& address : **usable) {
    endpoints.emplace_back(address, target.origin.port);
  }
  const auto race = std::make_shared<ConnectRace>(shared.worker, std::move(endpoints));
  Result<net::TcpSocket> socket = co_await race->run(window.give_up, cancel);
  if (socket.has_error()) {
    co_return std::move(socket).error();
  }
  co_return adopted(net::make_stream(std::move(*socket)));
}

StreamResult connect_unix(ConnectorShared& shared, const ConnectTarget& target) {
  if (target.public_only) {
    return upstream_error(ErrorCode::address_refused, "a unix socket may not be reached from a parameter");
  }
  // Connecting to a unix socket never waits: it is accepted, or the backlog is full (EAGAIN), or it fails.
  net::UnixSocket socket(shared.worker.executor());
  boost::system::error_code failed;
  socket.open({}, failed);
  if (!failed) {
    socket.non_blocking(true, failed);
  }
  if (!failed) {
    socket.connect(net::asio::local::stream_protocol::endpoint(target.origin.host), failed);
  }
  if (failed) {
    return upstream_error(ErrorCode::connect_failed,
                          "connect to unix:" + target.origin.host + ": " + failed.message(), Retry::yes);
  }
  return adopted(net::make_stream(std::move(socket)));
}

// Whether another try may do: nobody was there, or the connection broke while it was made.
bool may_pass(const Error& error) noexcept {
  return error.code == ErrorCode::connect_failed;
}

}  // namespace

net::Awaitable<StreamResult> connect(ConnectorShared& shared, ConnectTarget& target, ConnectLimits limits) {
  if (target.origin.scheme == Origin::Scheme::https) {
    co_return upstream_error(ErrorCode::not_built, "TLS to upstreams");
  }
  const SteadyTime start = Clock::real().steady();
  Window window{start + limits.connect_timeout, ErrorCode::connect_timeout};
  if (limits.deadline && *limits.deadline < window.give_up) {
    window = {*limits.deadline, ErrorCode::deadline};
  }
  const SteadyTime retry_until = std::min(window.give_up, start + limits.connect_retry);
  Duration pause = first_pause;
  for (;;) {
    if (limits.cancel != nullptr && limits.cancel->cancelled()) {
      co_return cancelled_error();
    }
    StreamResult stream = upstream_error(ErrorCode::connect_failed, {});
    if (target.origin.scheme == Origin::Scheme::unix_socket) {
      stream = connect_unix(shared, target);
    } else {
      stream = co_await connect_tcp(shared, target, window, limits.cancel);
    }
    if (stream.has_value()) {
      co_return stream;
    }
    Error error = std::move(stream).error();
    if (error.code == ErrorCode::connect_timeout) {
      error.code = window.late;
    }
    const SteadyTime now = Clock::real().steady();
    if (!may_pass(error) || now >= retry_until) {
      co_return error;
    }
    // The last try falls on the end of the time for it, not before.
    const Duration wait = std::min<Duration>(pause, retry_until - now);
    pause = std::min(pause * 2, longest_pause);
    co_await shared.worker.wheel().sleep(wait, limits.cancel);
  }
}

}  // namespace sluice::client
