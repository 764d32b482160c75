// The client against nginx over TLS, with certificates of the test's own.
#include <future>

#include "integration/client/servers.hpp"
#include "support/certificates.hpp"

namespace sluice::client::test {
namespace {

using testing_support::TestAuthority;
using testing_support::TestCertificate;

class OverTls : public ClientTest {
 protected:
  void SetUp() override {
    if (!Nginx::installed()) {
      GTEST_SKIP() << "nginx is not installed: apt-get install nginx";
    }
    port = free_port();
    ca_file = folder.write("ca.pem", authority.pem());
    const TestCertificate server = authority.issue({"localhost", "IP:127.0.0.1"});
    const TestCertificate other = authority.issue({"other.example"});
    const TestCertificate old = authority.issue({"localhost", "IP:127.0.0.1"}, 0, -2);
    const TestCertificate mine = authority.issue({"client.example"});
    folder.write("server.pem", server.certificate);
    folder.write("server.key", server.key);
    folder.write("other.pem", other.certificate);
    folder.write("other.key", other.key);
    folder.write("old.pem", old.certificate);
    folder.write("old.key", old.key);
    client_certificate = folder.write("mine.pem", mine.certificate);
    client_key = folder.write("mine.key", mine.key);
    folder.write("www/big.txt", std::string(std::size_t{1} << 20U, 'x'));
    other_port = free_port();
    old_port = free_port();
    mutual_port = free_port();
    nginx = std::make_unique<Nginx>(
        folder,
        block(port, "server", "") + block(other_port, "other", "") + block(old_port, "old", "") +
            block(mutual_port, "server", "ssl_verify_client on; ssl_client_certificate " + ca_file + ";"));
    ASSERT_TRUE(nginx->start_and_wait(port));
    trust({});
  }
  [[nodiscard]] std::string block(std::uint16_t where, const std::string& name,
                                  const std::string& more) const {
    return "server { listen 127.0.0.1:" + std::to_string(where) +
           " ssl; ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate " + folder.path() + "/" + name +
           ".pem; ssl_certificate_key " + folder.path() + "/" + name + ".key; " + more + " root " +
           folder.path() +
           "/www; location = /who { return 200 \"$ssl_protocol $ssl_server_name $ssl_client_s_dn\"; } }\n";
  }
  // All origins of the test with its CA.
  void trust(const UpstreamTls& more) {
    ClientSettings settings;
    for (const std::uint16_t each : {port, other_port, old_port, mutual_port}) {
      for (const char* host : {"127.0.0.1", "localhost"}) {
        UpstreamTls tls = more;
        tls.ca_file = ca_file;
        settings.upstreams.emplace_back(secure(each, host), tls);
      }
    }
    settings.connect_retry = 20s;  // a busy machine may start nginx slowly
    use(settings);
  }
  static Origin secure(std::uint16_t where, const char* host = "localhost") {
    Origin out = origin(where, host);
    out.scheme = Origin::Scheme::https;
    return out;
  }
  Result<Answer> ask(const Origin& where, const std::string& path = "/who") {
    ClientRequest request;
    request.origin = where;
    request.path_and_query = path;
    return call(std::move(request));
  }

  TemporaryFolder folder;
  TestAuthority authority;
  std::string ca_file;
  std::string client_certificate;
  std::string client_key;
  std::uint16_t port = 0;
  std::uint16_t other_port = 0;
  std::uint16_t old_port = 0;
  std::uint16_t mutual_port = 0;
  std::unique_ptr<Nginx> nginx;
};

TEST_F(OverTls, VerifiedReusedAndLarge) {
  for (int round = 0; round < 10; ++round) {
    const Result<Answer> answer = ask(secure(port));
    ASSERT_TRUE(answer.has_value()) << answer.error().detail;
    EXPECT_EQ(answer->body, "TLSv1.3 localhost ");
  }
  const Result<Answer> large = ask(secure(port), "/big.txt");
  ASSERT_TRUE(large.has_value());
  EXPECT_FALSE(large->body_error.has_value());
  EXPECT_EQ(large->body.size(), std::size_t{1} << 20U);
  EXPECT_EQ(client->counts().opened, 1U);
  EXPECT_EQ(client->counts().idle, 1U);
  // By address there is no SNI.
  const Result<Answer> by_address = ask(secure(port, "127.0.0.1"));
  ASSERT_TRUE(by_address.has_value()) << by_address.error().detail;
  EXPECT_EQ(by_address->body, "TLSv1.3  ");
}

TEST_F(OverTls, WhatIsNotTrustedIsRefused) {
  const Result<Answer> other = ask(secure(other_port));
  ASSERT_TRUE(other.has_error());
  EXPECT_EQ(other.error().code, ErrorCode::tls_failed) << other.error().detail;
  const Result<Answer> old = ask(secure(old_port));
  ASSERT_TRUE(old.has_error());
  EXPECT_EQ(old.error().code, ErrorCode::tls_failed) << old.error().detail;
  EXPECT_NE(old.error().detail.find("expired"), std::string::npos) << old.error().detail;
  use({});
  const Result<Answer> unknown = ask(secure(port));
  ASSERT_TRUE(unknown.has_error());
  EXPECT_EQ(unknown.error().code, ErrorCode::tls_failed) << unknown.error().detail;
  EXPECT_EQ(client->counts().busy, 0U);
}

TEST_F(OverTls, ClientCertificates) {
  const Result<Answer> without = ask(secure(mutual_port));
  ASSERT_TRUE(without.has_value()) << without.error().detail;
  EXPECT_EQ(without->status, 400);
  UpstreamTls tls;
  tls.certificate_file = client_certificate;
  tls.private_key_file = client_key;
  trust(tls);
  const Result<Answer> with = ask(secure(mutual_port));
  ASSERT_TRUE(with.has_value()) << with.error().detail;
  EXPECT_EQ(with->status, 200);
  EXPECT_NE(with->body.find("client.example"), std::string::npos) << with->body;
}

TEST_F(OverTls, FilesThatCannotBeRead) {
  ClientSettings settings;
  UpstreamTls tls;
  tls.ca_file = folder.path() + "/missing.pem";
  settings.upstreams.emplace_back(secure(port), tls);
  use(settings);
  const Result<Answer> answer = ask(secure(port));
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::tls_failed);
  EXPECT_NE(answer.error().detail.find("missing.pem"), std::string::npos) << answer.error().detail;
}

TEST_F(OverTls, NewFilesMakeNewConnections) {
  ClientSettings settings;
  UpstreamTls tls;
  tls.ca_file = ca_file;
  settings.upstreams.emplace_back(secure(port), tls);
  use(settings);
  ASSERT_TRUE(ask(secure(port)).has_value());
  client->configure(settings);
  EXPECT_EQ(client->counts().idle, 1U);
  folder.write("ca.pem", TestAuthority("Another").pem());
  client->configure(settings);
  EXPECT_EQ(client->counts().idle, 0U);
  const Result<Answer> answer = ask(secure(port));
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::tls_failed);
}

TEST_F(OverTls, FilesThatWereReadCountUntilTheyAreReadAgain) {
  UpstreamTls tls;
  tls.ca_file = ca_file;
  ASSERT_TRUE(tls.read_files().has_value());
  folder.write("ca.pem", "no certificate");
  UpstreamTls later;
  later.ca_file = ca_file;
  EXPECT_EQ(later.read_files().error().code, ErrorCode::invalid);
  ClientSettings settings;
  settings.upstreams.emplace_back(secure(port), tls);
  use(settings);
  const Result<Answer> answer = ask(secure(port));
  ASSERT_TRUE(answer.has_value()) << answer.error().detail;
  // Read again and no different: connections stay.
  folder.write("ca.pem", authority.pem());
  ASSERT_TRUE(later.read_files().has_value());
  settings.upstreams.front().second = later;
  client->configure(settings);
  EXPECT_EQ(client->counts().idle, 0U);
  ASSERT_TRUE(ask(secure(port)).has_value());
  ASSERT_TRUE(later.read_files().has_value());
  settings.upstreams.front().second = later;
  client->configure(settings);
  EXPECT_EQ(client->counts().idle, 1U);
}

TEST_F(OverTls, AServerWithoutTlsIsNoTlsServer) {
  const std::uint16_t plain_port = free_port();
  TemporaryFolder plain_folder;
  Nginx plain(plain_folder, "server { listen 127.0.0.1:" + std::to_string(plain_port) + "; return 200; }\n");
  ASSERT_TRUE(plain.start_and_wait(plain_port));
  ClientSettings settings;
  settings.connect_retry = 100ms;
  use(settings);
  const Result<Answer> answer = ask(secure(plain_port));
  ASSERT_TRUE(answer.has_error());
  EXPECT_TRUE(answer.error().code == ErrorCode::tls_failed) << answer.error().detail;
}

TEST_F(OverTls, KilledBetweenTwoRequests) {
  ASSERT_TRUE(ask(secure(port)).has_value());
  nginx->kill();
  std::promise<void> answered;
  std::thread later([this, ended = answered.get_future()] {
    std::this_thread::sleep_for(300ms);
    nginx->start();
    ended.wait();  // a process ends with the thread that started it
  });
  const Result<Answer> answer = ask(secure(port));
  answered.set_value();
  later.join();
  ASSERT_TRUE(answer.has_value()) << answer.error().detail;
  EXPECT_EQ(answer->status, 200);
}

}  // namespace
}  // namespace sluice::client::test
