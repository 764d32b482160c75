#include "client/connector.hpp"

#include <sys/stat.h>

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

Result<std::shared_ptr<const net::TlsClientContext>> make_context(const UpstreamTls& files) {
  net::TlsClientOptions options;
  options.ca_file = files.ca_file;
  options.certificate_file = files.certificate_file;
  options.private_key_file = files.private_key_file;
  return net::make_client_tls_context(options);
}

Result<std::shared_ptr<const net::TlsClientContext>> tls_context(ConnectorShared& shared, TlsSettings& tls) {
  const UpstreamTls& files = tls.files;
  const bool own = !files.ca_file.empty() || !files.certificate_file.empty();
  std::shared_ptr<const net::TlsClientContext>& context = own ? tls.context : shared.default_tls;
  if (!context) {
    Result<std::shared_ptr<const net::TlsClientContext>> made = make_context(files);
    if (made.has_error()) {
      return made;
    }
    context = std::move(*made);
  }
  return context;
}

net::Awaitable<StreamResult> secure(ConnectorShared& shared, ConnectTarget& target,
                                    std::unique_ptr<net::Stream> stream, Window window,
                                    net::CancelToken* cancel) {
  Result<std::shared_ptr<const net::TlsClientContext>> context = tls_context(shared, target.tls);
  if (context.has_error()) {
    co_return upstream_error(ErrorCode::tls_failed, context.error().detail);
  }
  const Duration left =
      std::max<Duration>(window.give_up - Clock::real().steady(), std::chrono::milliseconds(1));
  StreamResult secured = co_await net::tls_connect(shared.worker, std::move(stream), std::move(*context),
                                                   target.origin.host, left, cancel);
  if (secured.has_value()) {
    co_return secured;
  }
  Error error = std::move(secured).error();
  const std::string where = "TLS with " + target.origin.host + ": ";
  switch (error.code) {
    case ErrorCode::tls_failed:
      co_return upstream_error(ErrorCode::tls_failed, where + error.detail);
    case ErrorCode::connect_timeout:
    case ErrorCode::read_timeout:
      co_return upstream_error(ErrorCode::connect_timeout, where + "the handshake took too long", Retry::yes);
    case ErrorCode::cancelled:
      co_return cancelled_error();
    default:
      // Nothing was sent on a connection that breaks in the handshake: the next one may do.
      co_return upstream_error(ErrorCode::connect_failed, where + "the connection broke. " + error.detail,
                               Retry::yes);
  }
}

std::string stamp_of(const std::string& path) {
  struct stat status{};
  if (path.empty() || ::stat(path.c_str(), &status) != 0) {
    return "-";
  }
  return std::to_string(status.st_mtim.tv_sec) + "." + std::to_string(status.st_mtim.tv_nsec) + "." +
         std::to_string(status.st_ino) + "." + std::to_string(status.st_size);
}

// Whether another try may do: nobody was there, or the connection broke while it was made.
bool may_pass(const Error& error) noexcept {
  return error.code == ErrorCode::connect_failed;
}

}  // namespace

Result<void> UpstreamTls::read_files() {
  // The stamp first: a file that changes in between is read again the next time.
  stamp = stamp_of(ca_file) + " " + stamp_of(certificate_file) + " " + stamp_of(private_key_file);
  Result<std::shared_ptr<const net::TlsClientContext>> made = make_context(*this);
  if (made.has_error()) {
    return std::move(made).error();
  }
  context = std::move(*made);
  return {};
}

TlsSettings make_tls_settings(UpstreamTls files) {
  TlsSettings settings;
  settings.stamp = files.stamp;
  if (files.stamp.empty()) {
    settings.stamp = stamp_of(files.ca_file) + " " + stamp_of(files.certificate_file) + " " +
                     stamp_of(files.private_key_file);
  }
  settings.context = files.context;
  settings.files = std::move(files);
  return settings;
}

bool same_tls(const TlsSettings& left, const TlsSettings& right) noexcept {
  return left.files.ca_file == right.files.ca_file &&
         left.files.certificate_file == right.files.certificate_file &&
         left.files.private_key_file == right.files.private_key_file && left.stamp == right.stamp;
}

net::Awaitable<StreamResult> connect(ConnectorShared& shared, ConnectTarget& target, ConnectLimits limits) {
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
    if (stream.has_value() && target.origin.scheme == Origin::Scheme::https) {
      stream = co_await secure(shared, target, std::move(*stream), window, limits.cancel);
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
