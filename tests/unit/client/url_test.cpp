#include <gtest/gtest.h>

#include "sluice/client/http_client.hpp"

namespace sluice::client {
namespace {

struct Good {
  const char* text;
  Origin::Scheme scheme;
  const char* host;
  int port;
  const char* authority;
  const char* path;
};

TEST(ParseUrl, Good) {
  using enum Origin::Scheme;
  const std::vector<Good> cases = {
      {"http://example.com", http, "example.com", 80, "example.com", "/"},
      {"http://example.com/", http, "example.com", 80, "example.com", "/"},
      {"HTTP://EXAMPLE.com:80/A?B=c", http, "example.com", 80, "example.com", "/A?B=c"},
      {"https://example.com", https, "example.com", 443, "example.com", "/"},
      {"https://example.com:80/x", https, "example.com", 80, "example.com:80", "/x"},
      {"http://example.com:443", http, "example.com", 443, "example.com:443", "/"},
      {"http://example.com:", http, "example.com", 80, "example.com", "/"},
      {"http://example.com.:8080/", http, "example.com", 8080, "example.com:8080", "/"},
      {"http://example.com?a=b", http, "example.com", 80, "example.com", "/?a=b"},
      {"http://127.0.0.1:9000/x", http, "127.0.0.1", 9000, "127.0.0.1:9000", "/x"},
      {"http://[::1]:9000/x", http, "::1", 9000, "[::1]:9000", "/x"},
      {"http://[0:0:0:0:0:0:0:1]/", http, "::1", 80, "[::1]", "/"},
      {"http://my_service:8080", http, "my_service", 8080, "my_service:8080", "/"},
      {"http://xn--e1afmkfd.xn--p1ai/", http, "xn--e1afmkfd.xn--p1ai", 80, "xn--e1afmkfd.xn--p1ai", "/"},
      {"http://h/{id}/%2F;a@b:c?x=/?", http, "h", 80, "h", "/{id}/%2F;a@b:c?x=/?"},
      {"unix:/run/app.sock", unix_socket, "/run/app.sock", 0, "localhost", "/"},
      {"unix:///run/app.sock", unix_socket, "/run/app.sock", 0, "localhost", "/"},
      {"UNIX:/run/a b.sock", unix_socket, "/run/a b.sock", 0, "localhost", "/"},
  };
  for (const Good& each : cases) {
    const Result<Url> url = parse_url(each.text);
    ASSERT_TRUE(url.has_value()) << each.text << ": " << url.error().detail;
    EXPECT_EQ(url->origin.scheme, each.scheme) << each.text;
    EXPECT_EQ(url->origin.host, each.host) << each.text;
    EXPECT_EQ(url->origin.port, each.port) << each.text;
    EXPECT_EQ(url->authority, each.authority) << each.text;
    EXPECT_EQ(url->path_and_query, each.path) << each.text;
  }
}

TEST(ParseUrl, Bad) {
  const std::string long_label(64, 'a');
  std::string long_host;
  for (int count = 0; count < 64; ++count) {
    long_host += "abc.";
  }
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "scheme is missing"},
      {"example.com/x", "scheme is missing"},
      {"/path", "scheme is missing"},
      {"ftp://example.com", "not supported"},
      {"javascript:alert(1)", "not supported"},
      {"http:example.com", "\"//\" is missing"},
      {"http:/example.com", "\"//\" is missing"},
      {"http://", "host is missing"},
      {"http:///path", "host is missing"},
      {"http://:80/", "host is missing"},
      {"http://./", "host is missing"},
      {"http://user@example.com/", "user information"},
      {"http://user:secret@example.com/", "user information"},
      {"http://example.com/#top", "fragment"},
      {"http://example.com/a b", "percent-encode"},
      {"http://example.com/a\r\nX: y", "percent-encode"},
      {"http://example.com/\xd0\xb9", "percent-encode"},
      {"http://\xd0\xb9.example/", "xn--"},
      {"http://ex%61mple.com/", "'%'"},
      {"http://exa mple.com/", "may not hold"},
      {"http://exa\\mple.com/", "may not hold"},
      {"http://a..b/", "empty or longer"},
      {"http://.a/", "empty or longer"},
      {"http://" + long_label + ".com/", "empty or longer"},
      {"http://" + long_host + "com/", "longer than 253"},
      {"http://-a.com/", "begins or ends"},
      {"http://a-/", "begins or ends"},
      {"http://127.1/", "IPv4"},
      {"http://2130706433/", "IPv4"},
      {"http://0x7f.0.0.1/", "IPv4"},
      {"http://0x7f000001/", "IPv4"},
      {"http://127.0.0.01/", "IPv4"},
      {"http://256.0.0.1/", "IPv4"},
      {"http://1.2.3.4.5/", "IPv4"},
      {"http://::1/", "brackets"},
      {"http://[::1/", "closing"},
      {"http://[::1]x/", "closing"},
      {"http://[fe80::1%25eth0]/", "'%'"},
      {"http://[127.0.0.1]/", "no IPv6"},
      {"http://[]/", "no IPv6"},
      {"http://a:0/", "port"},
      {"http://a:65536/", "port"},
      {"http://a:-1/", "port"},
      {"http://a:8x/", "port"},
      {"http://a:99999999999999999999/", "port"},
      {"unix:", "absolute path"},
      {"unix:relative.sock", "absolute path"},
      {"unix://run/app.sock", "absolute path"},
      {"unix:/", "absolute path"},
      {"unix:/a?b", "may not hold"},
      {"unix:/" + std::string(107, 'a'), "longer than 107"},
  };
  for (const auto& [text, part] : cases) {
    const Result<Url> url = parse_url(text);
    ASSERT_TRUE(url.has_error()) << text;
    EXPECT_EQ(url.error().code, ErrorCode::invalid) << text;
    EXPECT_EQ(url.error().source, ErrorSource::config) << text;
    EXPECT_NE(url.error().detail.find(part), std::string::npos) << text << ": " << url.error().detail;
    EXPECT_LT(url.error().detail.size(), 500U);
  }
}

TEST(ParseUrl, EqualOrigins) {
  EXPECT_EQ(parse_url("http://A:80/x")->origin, parse_url("http://a/y")->origin);
  EXPECT_EQ(parse_url("http://[::1]/")->origin, parse_url("http://[0::1]/")->origin);
  EXPECT_NE(parse_url("http://a/")->origin, parse_url("https://a:80/")->origin);
}

}  // namespace
}  // namespace sluice::client
