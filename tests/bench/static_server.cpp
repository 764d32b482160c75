// The HTTP/1.1 server alone, with a handler that answers from memory: what a request costs below the gateway.
//
//   bench_static PORT [BODY_BYTES [CERTIFICATE KEY]]
#include <cstdlib>
#include <iostream>
#include <string>

#include "sluice/http/h1/server_connection.hpp"
#include "sluice/http/problem.hpp"
#include "sluice/net/listener.hpp"
#include "sluice/net/tls.hpp"

namespace {

using namespace sluice;

class StaticHandler final : public http::Handler {
 public:
  explicit StaticHandler(std::size_t size) {
    auto rendered = std::make_shared<http::RenderedResponse>();
    rendered->fields = "Content-Type: application/json\r\n";
    rendered->body = R"({"message": ")" + std::string(size, 'x') + "\"}";
    rendered_ = rendered;
  }
  net::Awaitable<http::Response> handle(http::Request& /*request*/,
                                        http::RequestContext& /*context*/) override {
    http::Response response;
    response.rendered = rendered_;
    co_return response;
  }
  http::Response refuse(const Error& error, http::RequestContext& context) override {
    return http::problem(error, context.request_id);
  }
  void finished(const http::Request& /*request*/, http::RequestContext& /*context*/) noexcept override {}

 private:
  std::shared_ptr<const http::RenderedResponse> rendered_;
};

struct Server {
  net::Worker worker{0};
  net::ConnectionLimit limit{20'000};
  net::AcceptStats stats;
  StaticHandler handler;
  http::ServerLimits limits;
  http::h1::ServerShared shared{worker, handler, &limits};
  std::shared_ptr<const net::TlsServerContext> tls;

  explicit Server(std::size_t size) : handler(size) {}
};

http::ConnectionInfo info_of(net::Endpoints endpoints) {
  http::ConnectionInfo info;
  info.peer_address = std::move(endpoints.peer_address);
  return info;
}

net::Awaitable<void> serve_tls(Server& server, std::unique_ptr<net::Stream> stream,
                               net::Endpoints endpoints) {
  Result<std::unique_ptr<net::Stream>> secure = co_await net::tls_accept(
      server.worker, std::move(stream), server.tls, server.limits.tls_handshake_timeout);
  if (secure) {
    co_await http::h1::serve_connection(server.shared, std::move(*secure), info_of(std::move(endpoints)),
                                        nullptr);
  }
}

void start(Server& server, std::unique_ptr<net::Stream> stream, net::Endpoints endpoints) {
  net::Awaitable<void> task = server.tls != nullptr
                                  ? serve_tls(server, std::move(stream), std::move(endpoints))
                                  : http::h1::serve_connection(server.shared, std::move(stream),
                                                               info_of(std::move(endpoints)), nullptr);
  net::asio::co_spawn(server.worker.executor(), std::move(task),
                      [&server](const std::exception_ptr& /*error*/) { server.limit.release(); });
}

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int index) { return argc > index ? std::string(argv[index]) : std::string(); };
  Server server(argc > 2 ? std::stoul(argument(2)) : 20);
  if (argc > 4) {
    net::TlsIdentity identity;
    auto certificate = net::TlsCertificate::load(argument(3), argument(4));
    if (!certificate) {
      std::cerr << certificate.error().detail << '\n';
      return 1;
    }
    identity.certificate = *certificate;
    server.tls = *net::TlsServerContext::make({identity});
  }
  net::ListenAddress address;
  address.address = "127.0.0.1";
  address.port = static_cast<std::uint16_t>(argc > 1 ? std::stoul(argument(1)) : 0);
  auto listener = net::Listener::open(address, 1);
  if (!listener) {
    std::cerr << listener.error().detail << '\n';
    return 1;
  }
  net::Acceptor acceptor(server.worker, (*listener)->take(0), server.limit, server.stats, {},
                         [&server](std::unique_ptr<net::Stream> stream, net::Endpoints endpoints) {
                           start(server, std::move(stream), std::move(endpoints));
                         });
  acceptor.start();
  std::cout << (*listener)->address().port << std::endl;
  server.worker.context().run();
}
