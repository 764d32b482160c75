#include "sluice/net/listener.hpp"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "sluice/base/random.hpp"

#include "unit/net/run.hpp"

namespace sluice::net {
namespace {

using std::chrono::milliseconds;

class ListenerTest : public testing::Test {
 protected:
  ListenerTest() : path_((std::filesystem::temp_directory_path() / ("sluice-" + make_uuid())).string()) {}
  void TearDown() override { ::unlink(path_.c_str()); }

  Acceptor& accept_on(Listener& listener, std::size_t worker = 0) {
    acceptors_.push_back(
        std::make_unique<Acceptor>(worker_, listener.take(worker), limit_, stats_, "HTTP/1.1 503 \r\n\r\n",
                                   [this](std::unique_ptr<Stream> stream, Endpoints endpoints) {
                                     streams_.push_back(std::move(stream));
                                     endpoints_.push_back(std::move(endpoints));
                                   }));
    acceptors_.back()->start();
    return *acceptors_.back();
  }
  asio::ip::tcp::socket connect(const ListenAddress& address) {
    asio::ip::tcp::socket socket(outside_);
    socket.connect({asio::ip::make_address(address.address), address.port});
    return socket;
  }
  bool run_until(const std::function<bool()>& done) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (!done() && std::chrono::steady_clock::now() < until) {
      worker_.context().restart();
      worker_.context().run_one_for(milliseconds(10));
    }
    return done();
  }

  std::string path_;
  asio::io_context outside_;
  Worker worker_{0};
  ConnectionLimit limit_{100};
  AcceptStats stats_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<Endpoints> endpoints_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
};

TEST_F(ListenerTest, AcceptsOnIpv4AndIpv6) {
  for (const char* ip : {"127.0.0.1", "::1"}) {
    auto listener = Listener::open({.address = ip}, 1);
    ASSERT_TRUE(listener) << listener.error().detail;
    EXPECT_NE((*listener)->address().port, 0);
    accept_on(**listener);
    EXPECT_EQ((*listener)->take(0), -1);
    auto socket = connect((*listener)->address());
    ASSERT_TRUE(run_until([this] { return !endpoints_.empty(); }));
    EXPECT_EQ(endpoints_.back().peer_address, ip);
    EXPECT_EQ(endpoints_.back().peer_port, socket.local_endpoint().port());
    EXPECT_EQ(endpoints_.back().local_address, ip);
    EXPECT_EQ(endpoints_.back().local_port, (*listener)->address().port);
    endpoints_.clear();
  }
  EXPECT_EQ(stats_.accepted, 2U);
  EXPECT_EQ(limit_.count(), 2U);
}

TEST_F(ListenerTest, AWildcardTellsTheAddressThatWasReached) {
  auto listener = Listener::open({.address = "0.0.0.0"}, 1);
  ASSERT_TRUE(listener);
  accept_on(**listener);
  ListenAddress there = (*listener)->address();
  there.address = "127.0.0.2";
  auto socket = connect(there);
  ASSERT_TRUE(run_until([this] { return !endpoints_.empty(); }));
  EXPECT_EQ(endpoints_.back().local_address, "127.0.0.2");
}

TEST_F(ListenerTest, ASecondOneOnTheSameAddressIsRefused) {
  auto first = Listener::open({.address = "127.0.0.1"}, 3);
  ASSERT_TRUE(first);
  const auto second = Listener::open((*first)->address(), 3);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().source, ErrorSource::config);
  EXPECT_NE(second.error().detail.find("another process listens there already"), std::string::npos);
  const std::string text = to_text((*first)->address());
  EXPECT_NE(second.error().detail.find(text), std::string::npos);
}

TEST_F(ListenerTest, ThePortIsFreeAgainAtOnce) {
  ListenAddress address;
  {
    auto first = Listener::open({.address = "127.0.0.1"}, 1);
    ASSERT_TRUE(first);
    address = (*first)->address();
    accept_on(**first);
    auto socket = connect(address);
    ASSERT_TRUE(run_until([this] { return !streams_.empty(); }));
    streams_.clear();  // the server's end waits in TIME_WAIT
    acceptors_.clear();
  }
  EXPECT_TRUE(Listener::open(address, 2));
}

TEST_F(ListenerTest, SaysWhatIsWrongWithAnAddress) {
  const auto no_address = Listener::open({.address = "localhost"}, 1);
  ASSERT_FALSE(no_address);
  EXPECT_NE(no_address.error().detail.find("'localhost' is no IP address"), std::string::npos);
  const auto not_ours = Listener::open({.address = "192.0.2.1", .port = 8080}, 1);
  ASSERT_FALSE(not_ours);
  EXPECT_NE(not_ours.error().detail.find("no interface"), std::string::npos);
  const auto too_long = Listener::open({.unix_path = "/tmp/" + std::string(200, 'x')}, 1);
  ASSERT_FALSE(too_long);
  EXPECT_NE(too_long.error().detail.find("longer than 107"), std::string::npos);
}

int unix_client(const std::string& path) {
  const int client = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (client < 0) {
    return -1;
  }
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof(name.sun_path) - 1);
  if (::connect(client, reinterpret_cast<sockaddr*>(&name), sizeof(name)) != 0) {
    ::close(client);
    return -1;
  }
  return client;
}

TEST_F(ListenerTest, UnixSockets) {
  {
    auto listener = Listener::open({.unix_path = path_, .unix_mode = 0600}, 2);
    ASSERT_TRUE(listener) << listener.error().detail;
    struct stat about{};
    ASSERT_EQ(::stat(path_.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777U, 0600U);
    accept_on(**listener, 1);
    const int client = unix_client(path_);
    ASSERT_GE(client, 0);
    ASSERT_TRUE(run_until([this] { return !endpoints_.empty(); }));
    EXPECT_EQ(endpoints_.back().peer_address, "unix");
    EXPECT_EQ(to_text((*listener)->address()), "unix:" + path_);
    const auto second = Listener::open({.unix_path = path_}, 1);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().detail.find("another process listens"), std::string::npos);
    ::close(client);
  }
  EXPECT_NE(::access(path_.c_str(), F_OK), 0) << "the path stays behind";
}

TEST_F(ListenerTest, AStaleUnixSocketIsReplacedButNoFile) {
  {
    auto listener = Listener::open({.unix_path = path_}, 1);
    ASSERT_TRUE(listener);
    (*listener)->keep_path();
  }
  EXPECT_EQ(::access(path_.c_str(), F_OK), 0);
  {
    auto again = Listener::open({.unix_path = path_}, 1);
    EXPECT_TRUE(again) << again.error().detail;
  }
  std::ofstream(path_) << "precious";
  const auto file = Listener::open({.unix_path = path_}, 1);
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().detail.find("no socket is in the way"), std::string::npos);
  EXPECT_EQ(::access(path_.c_str(), F_OK), 0);
}

TEST_F(ListenerTest, AdoptsADescriptor) {
  const int inherited = ::socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_FALSE(Listener::adopt(inherited, 1));
  ASSERT_EQ(::listen(inherited, 10), 0);
  auto listener = Listener::adopt(inherited, 2);
  ASSERT_TRUE(listener) << listener.error().detail;
  EXPECT_EQ((*listener)->address().address, "0.0.0.0");
  EXPECT_NE((*listener)->address().port, 0);
  ::close(inherited);
  accept_on(**listener, 1);
  ListenAddress there = (*listener)->address();
  there.address = "127.0.0.1";
  auto socket = connect(there);
  EXPECT_TRUE(run_until([this] { return !endpoints_.empty(); }));
  EXPECT_FALSE(Listener::adopt(9999, 1));
}

TEST_F(ListenerTest, BeyondTheLimitConnectionsGet503) {
  ConnectionLimit one(1);
  EXPECT_TRUE(one.acquire());
  EXPECT_FALSE(one.acquire());
  EXPECT_EQ(one.count(), 1U);
  auto listener = Listener::open({.address = "127.0.0.1"}, 1);
  ASSERT_TRUE(listener);
  Acceptor acceptor(worker_, (*listener)->take(0), one, stats_, "HTTP/1.1 503 Service Unavailable\r\n\r\n",
                    [](const std::unique_ptr<Stream>&, const Endpoints&) { ADD_FAILURE(); });
  acceptor.start();
  auto socket = connect((*listener)->address());
  EXPECT_TRUE(run_until([this] { return stats_.refused == 1; }));
  std::string got(100, '\0');
  got.resize(socket.read_some(asio::buffer(got)));
  EXPECT_TRUE(got.starts_with("HTTP/1.1 503"));
  one.release();
  EXPECT_EQ(one.count(), 0U);
}

TEST_F(ListenerTest, TheDefaultLimitFitsTheDescriptors) {
  const ConnectionLimit limit;
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  EXPECT_LE(limit.most(), 10'000U);
  EXPECT_LE(static_cast<double>(limit.most()) * 2.2, static_cast<double>(files.rlim_cur));
}

TEST_F(ListenerTest, StopTakesWhatIsInTheQueue) {
  auto listener = Listener::open({.address = "127.0.0.1"}, 1);
  ASSERT_TRUE(listener);
  Acceptor& acceptor = accept_on(**listener);
  std::vector<asio::ip::tcp::socket> sockets;
  sockets.reserve(20);
  for (int i = 0; i < 20; ++i) {
    sockets.push_back(connect((*listener)->address()));
  }
  acceptor.stop();
  EXPECT_EQ(streams_.size(), 20U);
  boost::system::error_code refused;
  asio::ip::tcp::socket late(outside_);
  late.connect({asio::ip::make_address("127.0.0.1"), (*listener)->address().port}, refused);
  EXPECT_TRUE(refused);
  worker_.context().restart();
  worker_.context().poll();
}

TEST_F(ListenerTest, SeveralWorkersShareTheConnections) {
  auto listener = Listener::open({.address = "127.0.0.1"}, 3);
  ASSERT_TRUE(listener);
  accept_on(**listener, 0);
  accept_on(**listener, 1);
  accept_on(**listener, 2);
  std::vector<asio::ip::tcp::socket> sockets;
  sockets.reserve(60);
  for (int i = 0; i < 60; ++i) {
    sockets.push_back(connect((*listener)->address()));
  }
  EXPECT_TRUE(run_until([this] { return streams_.size() == 60; }));
}

TEST_F(ListenerTest, RunningOutOfDescriptorsIsWaitedOut) {
  auto listener = Listener::open({.address = "127.0.0.1"}, 1);
  ASSERT_TRUE(listener);
  accept_on(**listener);
  auto socket = connect((*listener)->address());
  ASSERT_TRUE(run_until([this] { return streams_.size() == 1; }));
  auto waiting = connect((*listener)->address());
  std::vector<int> hogs;
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const rlimit low{static_cast<rlim_t>(waiting.native_handle()) + 1, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &low);
  for (int hog = ::dup(0); hog >= 0; hog = ::dup(0)) {
    hogs.push_back(hog);
  }
  EXPECT_TRUE(run_until([this] { return stats_.errors >= 1; }));
  EXPECT_EQ(streams_.size(), 1U);
  for (const int hog : hogs) {
    ::close(hog);
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(run_until([this] { return streams_.size() == 2; }));
}

}  // namespace
}  // namespace sluice::net
