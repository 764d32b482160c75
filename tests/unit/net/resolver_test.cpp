// Names against a DNS server of the test's own.
#include "sluice/net/resolver.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <mutex>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <gtest/gtest.h>

namespace sluice::net {
namespace {

using namespace std::chrono_literals;

// Answers over UDP as it is told to.
class DnsServer {
 public:
  struct Record {
    std::vector<std::string> a{};
    std::vector<std::string> aaaa{};
    std::uint32_t ttl = 60;
    int code = 0;                         // RCODE
    std::chrono::milliseconds a_delay{};  // before the answer
    std::chrono::milliseconds aaaa_delay{};
    bool silent = false;
    std::string alias{};  // a CNAME first, with `alias_ttl`
    std::uint32_t alias_ttl = 60;
  };

  DnsServer() {
    socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(where);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&where), size), 0);
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&where), &size);
    port_ = ntohs(where.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;
  ~DnsServer() {
    stop_ = true;
    thread_.join();
    ::close(socket_);
  }
  void set(const std::string& name, Record record) {
    const std::lock_guard lock(mutex_);
    records_[name] = std::move(record);
  }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] int queries() const noexcept { return queries_; }

 private:
  static void put16(std::string& out, unsigned value) {
    out += static_cast<char>(value >> 8U);
    out += static_cast<char>(value & 0xffU);
  }
  static void put32(std::string& out, std::uint32_t value) {
    put16(out, value >> 16U);
    put16(out, value & 0xffffU);
  }
  static std::string wire_name(const std::string& name) {
    std::string out;
    std::size_t at = 0;
    while (at < name.size()) {
      const std::size_t dot = std::min(name.find('.', at), name.size());
      out += static_cast<char>(dot - at);
      out += name.substr(at, dot - at);
      at = dot + 1;
    }
    return out + '\0';
  }
  struct Pending {
    std::chrono::steady_clock::time_point due;
    std::string bytes;
    sockaddr_in to;
  };
  void serve() {
    while (!stop_) {
      pollfd waiting{socket_, POLLIN, 0};
      ::poll(&waiting, 1, 5);
      const auto now = std::chrono::steady_clock::now();
      std::erase_if(pending_, [&](const Pending& each) {
        if (each.due > now) {
          return false;
        }
        ::sendto(socket_, each.bytes.data(), each.bytes.size(), 0,
                 reinterpret_cast<const sockaddr*>(&each.to), sizeof(each.to));
        return true;
      });
      if ((waiting.revents & POLLIN) == 0) {
        continue;
      }
      char query[512];
      sockaddr_in from{};
      socklen_t size = sizeof(from);
      const ssize_t got =
          ::recvfrom(socket_, query, sizeof(query), 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (got > 12) {
        ++queries_;
        answer(std::string(query, static_cast<std::size_t>(got)), from);
      }
    }
  }
  void answer(const std::string& query, const sockaddr_in& from) {
    std::string name;
    std::size_t at = 12;
    while (query[at] != 0) {
      const auto length = static_cast<std::size_t>(static_cast<unsigned char>(query[at]));
      name += (name.empty() ? "" : ".") + query.substr(at + 1, length);
      at += length + 1;
    }
    const std::string question = query.substr(12, at + 5 - 12);
    const int type = static_cast<unsigned char>(query[at + 2]);
    Record record;
    {
      const std::lock_guard lock(mutex_);
      const auto known = records_.find(name);
      if (known == records_.end()) {
        record.code = 3;
      } else {
        record = known->second;
      }
    }
    if (record.silent) {
      return;
    }
    const bool v6 = type == 28;
    const std::vector<std::string>& addresses = v6 ? record.aaaa : record.a;
    std::string out = query.substr(0, 2);
    put16(out, 0x8180U | static_cast<unsigned>(record.code));
    put16(out, 1);
    put16(out, static_cast<unsigned>(addresses.size() + (record.alias.empty() ? 0 : 1)));
    put16(out, 0);
    put16(out, 0);
    out += question;
    std::string owner = name;
    if (!record.alias.empty()) {
      const std::string target = wire_name(record.alias);
      out += wire_name(owner);
      put16(out, 5);
      put16(out, 1);
      put32(out, record.alias_ttl);
      put16(out, static_cast<unsigned>(target.size()));
      out += target;
      owner = record.alias;
    }
    for (const std::string& address : addresses) {
      out += wire_name(owner);
      put16(out, v6 ? 28 : 1);
      put16(out, 1);
      put32(out, record.ttl);
      put16(out, v6 ? 16 : 4);
      char bytes[16];
      ::inet_pton(v6 ? AF_INET6 : AF_INET, address.c_str(), bytes);
      out.append(bytes, v6 ? 16 : 4);
    }
    const auto delay = v6 ? record.aaaa_delay : record.a_delay;
    pending_.push_back({std::chrono::steady_clock::now() + delay, out, from});
  }

  int socket_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stop_ = false;
  std::atomic<int> queries_ = 0;
  std::mutex mutex_;
  std::map<std::string, Record> records_;
  std::vector<Pending> pending_;
  std::thread thread_;
};

class ResolverTest : public ::testing::Test {
 protected:
  ResolverTest() {
    settings.servers = dns.address();
    settings.hosts_file = "";
    settings.resolv_conf = "/dev/null";
  }
  Resolver& resolver() {
    if (!resolver_) {
      resolver_ = std::make_unique<Resolver>(worker, settings);
    }
    return *resolver_;
  }
  template <class Condition>
  void wait_for(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + 15s;
    while (!condition() && std::chrono::steady_clock::now() < end) {
      worker.context().restart();
      worker.context().run_one_for(20ms);
    }
    ASSERT_TRUE(condition());
  }
  static Awaitable<void> go(Resolver& resolver, std::string name, Duration time, CancelToken* cancel,
                            std::vector<Result<Addresses>>& results) {
    results.push_back(co_await resolver.resolve(name, std::chrono::steady_clock::now() + time, cancel));
  }
  void start(const std::string& name, Duration time = 10s, CancelToken* cancel = nullptr) {
    asio::co_spawn(worker.context(), go(resolver(), name, time, cancel, results), asio::detached);
  }
  Result<Addresses> resolve(const std::string& name, Duration time = 10s, CancelToken* cancel = nullptr) {
    results.clear();
    start(name, time, cancel);
    wait_for([this] { return !results.empty(); });
    return results.at(0);
  }
  static std::string text(const Result<Addresses>& result) {
    if (result.has_error()) {
      return std::string(slug_of(result.error().code));
    }
    std::string out;
    for (const IpAddress& address : **result) {
      out += (out.empty() ? "" : " ") + address.to_string();
    }
    return out;
  }

  DnsServer dns;
  Worker worker{0};
  ResolverSettings settings;
  std::unique_ptr<Resolver> resolver_;
  std::vector<Result<Addresses>> results;
};

TEST_F(ResolverTest, WithoutALookup) {
  EXPECT_EQ(text(resolve("192.0.2.7")), "192.0.2.7");
  EXPECT_EQ(text(resolve("2001:db8::1")), "2001:db8::1");
  EXPECT_EQ(text(resolve("localhost")), "::1 127.0.0.1");
  EXPECT_EQ(text(resolve("LocalHost")), "::1 127.0.0.1");
  EXPECT_EQ(text(resolve("shop.localhost")), "::1 127.0.0.1");
  EXPECT_EQ(dns.queries(), 0);
}

TEST_F(ResolverTest, BothFamiliesAlternate) {
  dns.set("two.example", {.a = {"192.0.2.1", "192.0.2.2", "192.0.2.3"}, .aaaa = {"2001:db8::1"}});
  EXPECT_EQ(text(resolve("Two.Example")), "2001:db8::1 192.0.2.1 192.0.2.2 192.0.2.3");
  dns.set("four.example", {.a = {"192.0.2.1"}});
  EXPECT_EQ(text(resolve("four.example")), "192.0.2.1");
  dns.set("six.example", {.aaaa = {"2001:db8::6"}});
  EXPECT_EQ(text(resolve("six.example")), "2001:db8::6");
}

TEST_F(ResolverTest, KeptForItsTtl) {
  dns.set("short.example", {.a = {"192.0.2.1"}, .ttl = 1});
  EXPECT_EQ(text(resolve("short.example")), "192.0.2.1");
  const int asked = dns.queries();
  EXPECT_EQ(text(resolve("short.example")), "192.0.2.1");
  EXPECT_NE(resolver().find("short.example"), nullptr);
  EXPECT_EQ(dns.queries(), asked);
  dns.set("short.example", {.a = {"192.0.2.2"}, .ttl = 1});
  std::this_thread::sleep_for(1100ms);
  EXPECT_EQ(resolver().find("short.example"), nullptr);
  EXPECT_EQ(text(resolve("short.example")), "192.0.2.2");
  EXPECT_GT(dns.queries(), asked);
}

TEST_F(ResolverTest, TheTtlOfAnAliasCountsAndZeroIsNotKept) {
  dns.set("www.example", {.a = {"192.0.2.1"}, .ttl = 1000, .alias = "real.example", .alias_ttl = 0});
  EXPECT_EQ(text(resolve("www.example")), "192.0.2.1");
  EXPECT_EQ(resolver().find("www.example"), nullptr);
}

TEST_F(ResolverTest, TheLongestTtl) {
  settings.max_ttl = 100ms;
  dns.set("long.example", {.a = {"192.0.2.1"}, .ttl = 86400});
  EXPECT_EQ(text(resolve("long.example")), "192.0.2.1");
  std::this_thread::sleep_for(150ms);
  EXPECT_EQ(resolver().find("long.example"), nullptr);
}

TEST_F(ResolverTest, NoSuchNameIsKeptBriefly) {
  settings.negative_ttl = 300ms;
  const Result<Addresses> none = resolve("none.example");
  ASSERT_TRUE(none.has_error());
  EXPECT_EQ(none.error().code, ErrorCode::resolve_failed);
  EXPECT_EQ(none.error().source, ErrorSource::upstream);
  EXPECT_EQ(none.error().retry, Retry::yes);
  EXPECT_NE(none.error().detail.find("none.example"), std::string::npos);
  const int asked = dns.queries();
  EXPECT_EQ(text(resolve("none.example")), "resolve_failed");
  EXPECT_EQ(dns.queries(), asked);
  std::this_thread::sleep_for(350ms);
  dns.set("none.example", {.a = {"192.0.2.1"}});
  EXPECT_EQ(text(resolve("none.example")), "192.0.2.1");
}

TEST_F(ResolverTest, ServersThatFail) {
  settings.query_timeout = 100ms;
  settings.tries = 2;
  dns.set("broken.example", {.code = 2});
  EXPECT_EQ(text(resolve("broken.example")), "resolve_failed");
  dns.set("silent.example", {.silent = true});
  const auto start_time = std::chrono::steady_clock::now();
  EXPECT_EQ(text(resolve("silent.example")), "resolve_failed");
  EXPECT_GE(std::chrono::steady_clock::now() - start_time, 100ms);
  EXPECT_GE(resolver().counts().failures, 2U);
}

TEST_F(ResolverTest, BadNames) {
  for (const std::string& name :
       {std::string(300, 'a'), std::string("a..b"), std::string("a b"), std::string()}) {
    EXPECT_EQ(text(resolve(name)), "resolve_failed") << name;
  }
}

TEST_F(ResolverTest, OneLookupForAllWhoAsk) {
  dns.set("busy.example", {.a = {"192.0.2.1"}, .a_delay = 100ms, .aaaa_delay = 100ms});
  results.clear();
  for (int number = 0; number < 50; ++number) {
    start("busy.example");
  }
  wait_for([this] { return results.size() == 50; });
  for (const Result<Addresses>& each : results) {
    EXPECT_EQ(text(each), "192.0.2.1");
  }
  EXPECT_EQ(dns.queries(), 2);
  EXPECT_EQ(resolver().counts().lookups, 1U);
}

TEST_F(ResolverTest, AFamilyThatDoesNotAnswerIsNotWaitedForLong) {
  dns.set("half.example", {.a = {"192.0.2.1"}, .aaaa = {"2001:db8::1"}, .aaaa_delay = 600ms});
  const auto start_time = std::chrono::steady_clock::now();
  EXPECT_EQ(text(resolve("half.example")), "192.0.2.1");
  EXPECT_LT(std::chrono::steady_clock::now() - start_time, 400ms);
  // The late answer completes what is kept.
  wait_for([this] { return resolver().counts().pending == 0; });
  EXPECT_EQ(text(resolve("half.example")), "2001:db8::1 192.0.2.1");
}

TEST_F(ResolverTest, DeadlineAndCancellation) {
  dns.set("slow.example", {.a = {"192.0.2.1"}, .a_delay = 400ms, .aaaa_delay = 400ms});
  EXPECT_EQ(text(resolve("slow.example", 60ms)), "deadline");
  CancelToken token;
  Timer timer(
      worker.wheel(),
      [](void* context) noexcept { static_cast<CancelToken*>(context)->cancel(CancelReason::client_gone); },
      &token);
  timer.arm(40ms);
  EXPECT_EQ(text(resolve("slow.example", 5s, &token)), "cancelled");
  EXPECT_EQ(text(resolve("slow.example", 5s, &token)), "cancelled");
  // The lookup went on, and fills the cache.
  wait_for([this] { return resolver().find("slow.example") != nullptr; });
  EXPECT_EQ(resolver().counts().lookups, 1U);
}

TEST_F(ResolverTest, DestroyedWithALookupUnderWay) {
  dns.set("slow.example", {.a = {"192.0.2.1"}, .a_delay = 400ms});
  EXPECT_EQ(text(resolve("slow.example", 30ms)), "deadline");
  resolver_.reset();
  worker.context().restart();
  worker.context().run_for(20ms);
}

TEST_F(ResolverTest, Bounds) {
  settings.max_entries = 4;
  for (int number = 0; number < 10; ++number) {
    const std::string name = "h" + std::to_string(number) + ".example";
    dns.set(name, {.a = {"192.0.2.1"}});
    EXPECT_EQ(text(resolve(name)), "192.0.2.1");
    EXPECT_LE(resolver().counts().entries, 4U);
  }
  results.clear();
  for (int number = 0; number < 5; ++number) {
    const std::string name = "s" + std::to_string(number) + ".example";
    dns.set(name, {.a = {"192.0.2.1"}, .a_delay = 100ms, .aaaa_delay = 100ms});
    start(name);
  }
  wait_for([this] { return results.size() == 5; });
  EXPECT_EQ(std::count_if(results.begin(), results.end(),
                          [](const auto& each) { return text(each) == "overloaded"; }),
            1);
}

TEST_F(ResolverTest, TheHostsFile) {
  const std::string path = ::testing::TempDir() + "sluice-hosts-" + std::to_string(::getpid());
  std::ofstream(path)
      << "# comment\n192.0.2.9 nine.example nine # more\n2001:db8::9\tnine.example\nbroken line\n"
         "192.0.2.10 TEN.example";
  settings.hosts_file = path;
  EXPECT_EQ(text(resolve("NINE.example")), "2001:db8::9 192.0.2.9");
  EXPECT_EQ(text(resolve("nine")), "192.0.2.9");
  EXPECT_EQ(text(resolve("ten.example")), "192.0.2.10");
  EXPECT_EQ(dns.queries(), 0);
  std::ofstream(path) << "192.0.2.99 nine.example\n";
  std::this_thread::sleep_for(1050ms);
  EXPECT_EQ(text(resolve("nine.example")), "192.0.2.99");
  EXPECT_EQ(text(resolve("ten.example")), "resolve_failed");
  ::unlink(path.c_str());
  std::this_thread::sleep_for(1050ms);
  EXPECT_EQ(text(resolve("nine.example")), "resolve_failed");
}

TEST_F(ResolverTest, ClearCache) {
  dns.set("kept.example", {.a = {"192.0.2.1"}});
  EXPECT_EQ(text(resolve("kept.example")), "192.0.2.1");
  EXPECT_EQ(resolver().counts().entries, 1U);
  resolver().clear_cache();
  EXPECT_EQ(resolver().counts().entries, 0U);
}

TEST(InterleaveFamilies, KeepsTheOrderOfEach) {
  const auto parse = [](const std::vector<const char*>& texts) {
    std::vector<IpAddress> out;
    for (const char* each : texts) {
      out.push_back(boost::asio::ip::make_address(each));
    }
    return out;
  };
  EXPECT_EQ(interleave_families(parse({"192.0.2.1", "192.0.2.2", "::1", "::2", "::3"})),
            parse({"::1", "192.0.2.1", "::2", "192.0.2.2", "::3"}));
  EXPECT_TRUE(interleave_families({}).empty());
}

}  // namespace
}  // namespace sluice::net
