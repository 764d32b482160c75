#include "sluice/net/tls.hpp"

#include <filesystem>
#include <fstream>

#include <openssl/ssl.h>

#include "sluice/base/random.hpp"
#include "sluice/net/cancel.hpp"
#include "sluice/net/waiter.hpp"

#include "support/certificates.hpp"
#include "unit/net/run.hpp"

namespace sluice::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing_support::TestAuthority;
using testing_support::TestCertificate;

class TlsTest : public testing::Test {
 public:
  ~TlsTest() override { std::filesystem::remove_all(folder_); }

 protected:
  TlsTest() {
    folder_ = std::filesystem::temp_directory_path() / ("sluice-tls-" + make_uuid());
    std::filesystem::create_directories(folder_);
  }

  std::string file(const std::string& name, const std::string& text) {
    const std::filesystem::path path = folder_ / name;
    std::ofstream(path) << text;
    return path.string();
  }
  TlsIdentity identity(const std::vector<std::string>& names, int key_bits = 0) {
    const TestCertificate made = authority_.issue(names, key_bits);
    TlsIdentity out;
    out.domains = names;
    out.certificate = TlsCertificate::from_pem(made.certificate, made.key, names.front()).value();
    return out;
  }
  std::shared_ptr<const TlsServerContext> server(std::vector<TlsIdentity> identities) {
    return TlsServerContext::make(std::move(identities)).value();
  }
  std::shared_ptr<const TlsClientContext> client(bool with_ca = true) {
    TlsClientOptions options;
    options.ca_file = file("ca.pem", with_ca ? authority_.pem() : TestAuthority("Other CA").pem());
    return make_client_tls_context(options).value();
  }

  using Side = Result<std::unique_ptr<Stream>>;
  static Awaitable<void> accept(Worker& worker, std::unique_ptr<Stream> stream,
                                std::shared_ptr<const TlsServerContext> context, Duration timeout,
                                std::optional<Side>& out) {
    out = co_await tls_accept(worker, std::move(stream), std::move(context), timeout);
  }
  static Awaitable<void> connect(Worker& worker, std::unique_ptr<Stream> stream,
                                 std::shared_ptr<const TlsClientContext> context, std::string host,
                                 std::optional<Side>& out) {
    out = co_await tls_connect(worker, std::move(stream), std::move(context), std::move(host), seconds(5));
  }
  /// Both sides of a handshake.
  std::pair<std::optional<Side>, std::optional<Side>> handshake(
      std::shared_ptr<const TlsServerContext> server_context,
      std::shared_ptr<const TlsClientContext> client_context, const std::string& host) {
    auto [left, right] = make_memory_streams(worker_.executor());
    std::pair<std::optional<Side>, std::optional<Side>> out;
    asio::co_spawn(worker_.executor(),
                   accept(worker_, std::move(left), std::move(server_context), seconds(5), out.first),
                   asio::detached);
    asio::co_spawn(worker_.executor(),
                   connect(worker_, std::move(right), std::move(client_context), host, out.second),
                   asio::detached);
    const auto until = std::chrono::steady_clock::now() + seconds(10);
    while ((!out.first || !out.second) && std::chrono::steady_clock::now() < until) {
      worker_.context().restart();
      worker_.context().run_one_for(milliseconds(10));
    }
    EXPECT_TRUE(out.first && out.second);
    return out;
  }

  Worker worker_{0};
  TestAuthority authority_;
  std::filesystem::path folder_;
};

Awaitable<void> exchange(Stream& left, Stream& right, std::string text) {
  const std::array<asio::const_buffer, 3> parts{asio::buffer("ab", 2), asio::buffer(text),
                                                asio::buffer("yz", 2)};
  Waiter written;
  struct Writer {
    static Awaitable<void> run(Stream& stream, std::span<const asio::const_buffer> buffers, bool& ok) {
      const Result<void> result = co_await stream.write(buffers);
      ok = result.has_value();
      stream.shutdown();
    }
  };
  bool ok = false;
  asio::co_spawn(co_await asio::this_coro::executor, Writer::run(left, parts, ok), asio::detached);
  std::string got;
  std::vector<char> buffer(50'000);
  for (;;) {
    const Result<std::size_t> size = co_await right.read_some(asio::buffer(buffer));
    EXPECT_TRUE(size) << (size ? "" : size.error().detail);
    if (!size || *size == 0) {
      break;
    }
    got.append(buffer.data(), *size);
  }
  EXPECT_TRUE(ok);
  EXPECT_EQ(got.size(), text.size() + 4);
  EXPECT_TRUE(got == "ab" + text + "yz");
}

TEST_F(TlsTest, AgreesOnTls13AndCarriesBytesBothWays) {
  auto [left, right] = handshake(server({identity({"api.example"})}), client(), "api.example");
  ASSERT_TRUE(*left) << left->error().detail;
  ASSERT_TRUE(*right) << right->error().detail;
  const TlsInfo& info = *(**left)->tls();
  EXPECT_EQ(info.version, "TLSv1.3");
  EXPECT_EQ(info.alpn, "http/1.1");
  EXPECT_EQ(info.server_name, "api.example");
  EXPECT_EQ(info.certificate, "api.example");
  EXPECT_FALSE(info.cipher.empty());
  for (const std::size_t size : {0U, 10U, 16380U, 16384U, 200'000U, 3'000'000U}) {
    auto pair = handshake(server({identity({"api.example"})}), client(), "api.example");
    run_until_done(worker_.context(), exchange(***pair.first, ***pair.second, std::string(size, 's')));
    auto back = handshake(server({identity({"api.example"})}), client(), "api.example");
    run_until_done(worker_.context(), exchange(***back.second, ***back.first, std::string(size, 'c')));
  }
}

TEST_F(TlsTest, PicksTheCertificateByServerName) {
  const auto context = server({identity({"first.example"}), identity({"*.shop.example", "shop.example"}),
                               identity({"api.shop.example"}, 2048)});
  const std::vector<std::pair<std::string, std::string>> cases{{"first.example", "first.example"},
                                                               {"shop.example", "*.shop.example"},
                                                               {"a.shop.example", "*.shop.example"},
                                                               {"API.shop.example", "api.shop.example"},
                                                               {"a.b.shop.example", "first.example"},
                                                               {"other.example", "first.example"},
                                                               {"", "first.example"},
                                                               {".shop.example", "first.example"},
                                                               {"shop.example.", "*.shop.example"}};
  for (const auto& [name, expected] : cases) {
    EXPECT_EQ(context->find(name).name, expected) << name;
  }
  for (const std::string name : {"first.example", "x.shop.example", "api.shop.example"}) {
    auto [left, right] = handshake(context, client(), name);
    ASSERT_TRUE(*left && *right) << name;
    EXPECT_EQ((**left)->tls()->certificate, context->find(name).name);
  }
}

TEST_F(TlsTest, ClientsVerifyTheNameTheChainAndTheTime) {
  const auto context = server({identity({"api.example", "IP:127.0.0.1"})});
  EXPECT_TRUE(*handshake(context, client(), "127.0.0.1").second);
  const auto wrong_name = handshake(context, client(), "other.example");
  ASSERT_FALSE(*wrong_name.second);
  EXPECT_EQ(wrong_name.second->error().code, ErrorCode::tls_failed);
  EXPECT_EQ(wrong_name.second->error().source, ErrorSource::upstream);
  EXPECT_NE(wrong_name.second->error().detail.find("other.example"), std::string::npos);
  EXPECT_FALSE(*wrong_name.first);
  EXPECT_EQ(wrong_name.first->error().source, ErrorSource::downstream);
  EXPECT_FALSE(*handshake(context, client(), "127.0.0.2").second);
  EXPECT_FALSE(*handshake(context, client(false), "api.example").second);
  const TestCertificate old = authority_.issue({"old.example"}, 0, -1);
  TlsIdentity expired;
  expired.domains = {"old.example"};
  expired.certificate = TlsCertificate::from_pem(old.certificate, old.key, "old").value();
  EXPECT_LT(expired.certificate->not_after(), std::chrono::system_clock::now());
  const auto late = handshake(server({expired}), client(), "old.example");
  ASSERT_FALSE(*late.second);
  EXPECT_NE(late.second->error().detail.find("expired"), std::string::npos) << late.second->error().detail;
}

TEST_F(TlsTest, SessionsAreResumedAcrossContexts) {
  const auto id = identity({"api.example"});
  const auto client_context = client();
  for (int i = 0; i < 3; ++i) {
    auto [left, right] = handshake(server({id}), client_context, "api.example");
    ASSERT_TRUE(*left && *right);
    EXPECT_EQ((**left)->tls()->resumed, i > 0);
    EXPECT_EQ((**right)->tls()->resumed, i > 0);
    // The ticket travels with the first answer.
    run_until_done(worker_.context(), exchange(***left, ***right, "answer"));
  }
  const auto elsewhere = handshake(server({id}), client(), "api.example");
  EXPECT_FALSE((**elsewhere.first)->tls()->resumed);
}

TEST_F(TlsTest, LoadsFilesAndSaysWhatIsWrong) {
  const TestCertificate good = authority_.issue({"Api.Example", "*.api.example"});
  const TestCertificate other = authority_.issue({"other.example"});
  const std::string certificate = file("good.pem", good.certificate + authority_.pem());
  const std::string key = file("good.key", good.key);
  const auto loaded = TlsCertificate::load(certificate, key);
  ASSERT_TRUE(loaded) << loaded.error().detail;
  EXPECT_EQ((*loaded)->dns_names(), (std::vector<std::string>{"api.example", "*.api.example"}));
  EXPECT_GT((*loaded)->not_after(), std::chrono::system_clock::now());

  const auto failure = [](const std::string& certificate_file, const std::string& key_file) {
    const auto result = TlsCertificate::load(certificate_file, key_file);
    EXPECT_FALSE(result);
    EXPECT_EQ(result ? ErrorSource::internal : result.error().source, ErrorSource::config);
    return result ? std::string() : result.error().detail;
  };
  EXPECT_NE(failure("/nowhere/x.pem", key).find("certificate '/nowhere/x.pem' cannot be read: No such file"),
            std::string::npos);
  EXPECT_NE(failure(certificate, "/nowhere/x.key").find("private key '/nowhere/x.key' cannot be read"),
            std::string::npos);
  EXPECT_NE(failure(folder_.string(), key).find("is no file"), std::string::npos);
  EXPECT_NE(failure(file("text.pem", "hello"), key).find("no PEM certificate"), std::string::npos);
  EXPECT_NE(failure(certificate, file("text.key", "hello")).find("no PEM private key"), std::string::npos);
  EXPECT_NE(failure(certificate, file("other.key", other.key)).find("does not belong"), std::string::npos);
  std::string broken = good.certificate + authority_.pem();
  broken.replace(good.certificate.size() + 100, 4, "!!!!");
  EXPECT_NE(failure(file("broken.pem", broken), key).find("the chain's certificate 2 is broken"),
            std::string::npos);
  const std::string encrypted =
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
      "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAiR3LhMRVAH0AICCAAw\n"
      "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEECBVnGXUE1Tz6rCL1cIoCsYEgZAX\n"
      "-----END ENCRYPTED PRIVATE KEY-----\n";
  EXPECT_FALSE(failure(certificate, file("locked.key", encrypted)).empty());
}

TEST_F(TlsTest, WeakKeysAndEmptyContextsAreRefused) {
  EXPECT_FALSE(TlsServerContext::make({}));
  const TestCertificate weak = authority_.issue({"weak.example"}, 1024);
  TlsIdentity weak_identity;
  weak_identity.certificate = TlsCertificate::from_pem(weak.certificate, weak.key, "weak.pem").value();
  const auto made = TlsServerContext::make({weak_identity});
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().detail.find("'weak.pem' cannot be used: ee key too small"), std::string::npos)
      << made.error().detail;
}

TEST_F(TlsTest, WithoutDomainsTheCertificatesNamesCount) {
  const TestCertificate good = authority_.issue({"a.example", "b.example"});
  TlsIdentity id;
  id.certificate = TlsCertificate::from_pem(good.certificate, good.key, "x").value();
  const auto context = server({identity({"first.example"}), id});
  EXPECT_EQ(context->find("b.example").name, "a.example");
}

TEST_F(TlsTest, AStoreHandsOutWhatWasPutInLast) {
  TlsServerStore store;
  EXPECT_EQ(store.current(), nullptr);
  const auto first = server({identity({"a.example"})});
  store.replace(first);
  EXPECT_EQ(store.current(), first);
  store.replace(server({identity({"b.example"})}));
  EXPECT_NE(store.current(), first);
}

TEST_F(TlsTest, ASilentClientRunsIntoTheDeadline) {
  auto [left, right] = make_memory_streams(worker_.executor());
  std::optional<Side> side;
  run_until_done(worker_.context(),
                 accept(worker_, std::move(left), server({identity({"a.example"})}), milliseconds(50), side));
  ASSERT_TRUE(side && !*side);
  EXPECT_EQ(side->error().code, ErrorCode::read_timeout);
}

TEST_F(TlsTest, WhatIsNoTlsFails) {
  auto [left, right] = make_memory_streams(worker_.executor());
  const std::array<asio::const_buffer, 1> hello{asio::buffer("GET / HTTP/1.1\r\n\r\n", 18)};
  ASSERT_TRUE(right->try_write(hello));
  std::optional<Side> side;
  run_until_done(worker_.context(),
                 accept(worker_, std::move(left), server({identity({"a.example"})}), seconds(5), side));
  ASSERT_TRUE(side && !*side);
  EXPECT_EQ(side->error().code, ErrorCode::tls_failed);
  EXPECT_EQ(side->error().detail, "http request");
}

TEST_F(TlsTest, ABrokenHelloGetsAnAlert) {
  auto [left, right] = make_memory_streams(worker_.executor());
  const std::array<asio::const_buffer, 1> hello{asio::buffer("\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00", 10)};
  ASSERT_TRUE(right->try_write(hello));
  std::optional<Side> side;
  run_until_done(worker_.context(),
                 accept(worker_, std::move(left), server({identity({"a.example"})}), seconds(5), side));
  ASSERT_TRUE(side && !*side);
  EXPECT_EQ(side->error().code, ErrorCode::tls_failed);
  std::array<char, 100> buffer{};
  const auto alert = right->try_read(asio::buffer(buffer));
  ASSERT_TRUE(alert && *alert && **alert > 0);
  EXPECT_EQ(buffer[0], 21);
}

TEST_F(TlsTest, AClientThatGoesDuringTheHandshake) {
  auto [left, right] = make_memory_streams(worker_.executor());
  right->close();
  std::optional<Side> side;
  run_until_done(worker_.context(),
                 accept(worker_, std::move(left), server({identity({"a.example"})}), seconds(5), side));
  ASSERT_TRUE(side && !*side);
  EXPECT_EQ(side->error().code, ErrorCode::closed);
}

TEST_F(TlsTest, CuttingWithoutCloseNotifyIsAnError) {
  auto pair = handshake(server({identity({"a.example"})}), client(), "a.example");
  (**pair.second)->close();
  struct Read {
    static Awaitable<void> run(Stream& stream, ErrorCode& code) {
      std::array<char, 10> buffer{};
      const Result<std::size_t> got = co_await stream.read_some(asio::buffer(buffer));
      code = got ? ErrorCode::internal : got.error().code;
    }
  };
  ErrorCode code{};
  run_until_done(worker_.context(), Read::run(***pair.first, code));
  EXPECT_EQ(code, ErrorCode::closed);
}

TEST_F(TlsTest, BytesBehindTheBufferAreNotForgotten) {
  auto pair = handshake(server({identity({"a.example"})}), client(), "a.example");
  struct Steps {
    static Awaitable<void> run(Stream& server_side, Stream& client_side) {
      const std::string text = "0123456789";
      const std::array<asio::const_buffer, 1> part{asio::buffer(text)};
      const Result<void> written = co_await client_side.write(part);
      EXPECT_TRUE(written);
      std::string got;
      std::array<char, 3> buffer{};
      while (got.size() < text.size()) {
        const Result<void> ready =
            co_await server_side.wait_readable(got.empty() ? WaitMode::event : WaitMode::exact);
        EXPECT_TRUE(ready);
        const Result<std::optional<std::size_t>> size = server_side.try_read(asio::buffer(buffer));
        EXPECT_TRUE(size);
        if (!size) {
          break;
        }
        got.append(buffer.data(), size->value_or(0));
      }
      EXPECT_EQ(got, text);
    }
  };
  run_until_done(worker_.context(), Steps::run(***pair.first, ***pair.second));
}

TEST_F(TlsTest, ClientCertificatesAreCheckedAgainstTheirKeys) {
  const TestCertificate mine = authority_.issue({"client"});
  const TestCertificate other = authority_.issue({"other"});
  TlsClientOptions options;
  options.certificate_file = file("me.pem", mine.certificate);
  options.private_key_file = file("me.key", mine.key);
  EXPECT_TRUE(make_client_tls_context(options));
  options.private_key_file = file("other.key", other.key);
  EXPECT_FALSE(make_client_tls_context(options));
  TlsClientOptions no_ca;
  no_ca.ca_file = "/nowhere/ca.pem";
  const auto failed = make_client_tls_context(no_ca);
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().detail.find("/nowhere/ca.pem"), std::string::npos);
}

}  // namespace
}  // namespace sluice::net
