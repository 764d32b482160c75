#include "sluice/net/port_owner.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include <gtest/gtest.h>

namespace sluice::net {
namespace {

// As proc(5) shows them, on a machine whose numbers have their low byte first.
constexpr std::string_view tcp4 =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 "
    "0\n"
    "   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0 100 "
    "0\n"
    "   2: 0100007F:1F90 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000  1000        0 4713 1 0 100 "
    "0\n"
    "   3: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4714 1 0 100 "
    "0\n"
    "   4: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4715 1 0 100 "
    "0\n";

using Inodes = std::vector<std::uint64_t>;

TEST(ListeningInodes, OfOneAddressAndPort) {
  EXPECT_EQ(listening_inodes(tcp4, "0100007F", 8080), (Inodes{4711, 4715}));
  EXPECT_EQ(listening_inodes(tcp4, "00000000", 8080), (Inodes{4712}));
  EXPECT_EQ(listening_inodes(tcp4, "0100007F", 8081), (Inodes{4714}));
  EXPECT_EQ(listening_inodes(tcp4, "0100007F", 8082), Inodes{});
  EXPECT_EQ(listening_inodes(tcp4, "0200007F", 8080), Inodes{});
}

TEST(ListeningInodes, WhatIsNoLineIsPassedOver) {
  EXPECT_EQ(listening_inodes("", "0100007F", 8080), Inodes{});
  EXPECT_EQ(listening_inodes("\n\n \n", "0100007F", 8080), Inodes{});
  for (const std::string_view line :
       {"0: 0100007F:1F90", "0: 0100007F 0 0A", "0: 0100007F:1F90 0 0A", "0: 0100007F:1F90 0 0A 0 0 0 0 0",
        "0: 0100007F:1F90 0 0A 0 0 0 0 0 x", "0: 0100007F:11F90 0 0A 0 0 0 0 0 1",
        "0: 0100007F:1F9G 0 0A 0 0 0 0 0 1", "0: 0100007F: 0 0A 0 0 0 0 0 1",
        "0: 0100007F:1F90 0 0A 0 0 0 0 0 99999999999999999999999"}) {
    EXPECT_EQ(listening_inodes(line, "0100007F", 8080), Inodes{}) << line;
  }
  EXPECT_EQ(listening_inodes("0: 0100007F:1F90 0 0A 0 0 0 0 0 7", "0100007F", 8080), Inodes{7});
}

/// A listening socket on a port that the kernel picks.
class Listening {
 public:
  Listening(int family, bool any) : descriptor_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_storage address{};
    socklen_t size = sizeof(address);
    address.ss_family = static_cast<sa_family_t>(family);
    if (family == AF_INET6) {
      auto& v6 = reinterpret_cast<sockaddr_in6&>(address);
      v6.sin6_addr = any ? in6addr_any : in6addr_loopback;
      size = sizeof(v6);
    } else {
      auto& v4 = reinterpret_cast<sockaddr_in&>(address);
      v4.sin_addr.s_addr = htonl(any ? INADDR_ANY : INADDR_LOOPBACK);
      size = sizeof(v4);
    }
    ready_ = ::bind(descriptor_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
             ::listen(descriptor_, 1) == 0 &&
             ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    port_ = ntohs(family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                     : reinterpret_cast<sockaddr_in&>(address).sin_port);
  }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;
  ~Listening() { ::close(descriptor_); }
  [[nodiscard]] bool ready() const noexcept { return ready_; }
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

 private:
  int descriptor_;
  bool ready_ = false;
  std::uint16_t port_ = 0;
};

TEST(PortOwner, IsWhoHasTheSocket) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  std::uint16_t freed = 0;
  const pid_t other = ::fork();
  if (other == 0) {
    char byte = 0;
    ::close(ends[1]);
    ::_exit(static_cast<int>(::read(ends[0], &byte, 1)));
  }
  for (const int family : {AF_INET, AF_INET6}) {
    for (const bool any : {false, true}) {
      // Opened after the fork: the other process does not have it.
      const Listening socket(family, any);
      if (!socket.ready()) {
        ASSERT_EQ(family, AF_INET6) << "no socket";
        continue;  // no IPv6 here
      }
      const bool v6 = family == AF_INET6;
      EXPECT_EQ(owner_of_port(socket.port(), v6, {::getpid()}), PortOwner::theirs);
      EXPECT_EQ(owner_of_port(socket.port(), v6, {other, ::getpid()}), PortOwner::theirs);
      EXPECT_EQ(owner_of_port(socket.port(), v6, {other}), PortOwner::another);
      EXPECT_EQ(owner_of_port(socket.port(), v6, {}), PortOwner::another);
      if (v6 && any) {
        EXPECT_EQ(owner_of_port(socket.port(), false, {::getpid()}), PortOwner::theirs) << "both families";
      }
      freed = socket.port();
    }
  }
  EXPECT_EQ(owner_of_port(freed, false, {::getpid()}), PortOwner::nobody);
  ::close(ends[1]);
  ::close(ends[0]);
  ::waitpid(other, nullptr, 0);
}

}  // namespace
}  // namespace sluice::net
