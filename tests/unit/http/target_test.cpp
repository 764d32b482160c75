#include "sluice/http/target.hpp"

#include <gtest/gtest.h>

namespace sluice::http {
namespace {

TEST(CanonicalPath, IsUsedAgain) {
  CanonicalPath path;
  EXPECT_EQ(path.text(), "");
  EXPECT_EQ(path.size(), 0U);
  ASSERT_TRUE(path.assign("/a%20b/c").has_value());
  EXPECT_EQ(path.segment(0), "a b");
  ASSERT_TRUE(path.assign("/plain/x").has_value());
  EXPECT_EQ(path.text(), "/plain/x");
  EXPECT_EQ(path.size(), 2U);
  EXPECT_EQ(path.segment(1), "x");
  ASSERT_TRUE(path.assign("/%2e/a/../b").has_value());
  EXPECT_EQ(path.text(), "/b");
  ASSERT_TRUE(path.assign("/../b").has_error());
  EXPECT_EQ(path.text(), "");
  EXPECT_EQ(path.size(), 0U);
  ASSERT_TRUE(path.assign("/x").has_value());
  EXPECT_EQ(path.text(), "/x");
}

TEST(CanonicalPath, ErrorsAreTheClients) {
  const auto parsed = CanonicalPath::parse("/a\\b");
  ASSERT_TRUE(parsed.has_error());
  EXPECT_EQ(parsed.error().status, 400);
  EXPECT_EQ(parsed.error().source, ErrorSource::downstream);
  EXPECT_EQ(parsed.error().slug, "bad_path");
}

TEST(CanonicalPath, EndsBeforeTheQuery) {
  EXPECT_TRUE(CanonicalPath::parse("/a?b").has_error());
}

TEST(CanonicalPath, Joined) {
  const CanonicalPath path = *CanonicalPath::parse("/a/b%2Fc/d%20/");
  EXPECT_EQ(path.joined(0, path.size()), "a/b/c/d /");
  EXPECT_EQ(path.joined(1, 2), "b/c");
  EXPECT_EQ(path.joined(2, 4), "d /");
  EXPECT_EQ(path.joined(3, 4), "");
  EXPECT_EQ(path.joined(2, 2), "");
  EXPECT_EQ(path.joined(2, 99), "d /");
}

TEST(CanonicalPath, CopiesKeepTheirSegments) {
  const auto plain = *CanonicalPath::parse("/a/b");
  const auto encoded = *CanonicalPath::parse("/a%20/b");
  const CanonicalPath plain_copy = plain;
  CanonicalPath encoded_copy = encoded;
  const CanonicalPath moved = std::move(encoded_copy);
  EXPECT_EQ(plain_copy.segment(0), "a");
  EXPECT_EQ(moved.segment(0), "a ");
}

TEST(SplitTarget, OriginForm) {
  const Target target = *split_target("/a/b?c?d");
  EXPECT_EQ(target.path, "/a/b");
  EXPECT_EQ(target.query, "c?d");
  EXPECT_TRUE(target.has_query);
  EXPECT_FALSE(split_target("/a")->has_query);
  EXPECT_TRUE(split_target("/a?")->has_query);
  EXPECT_EQ(split_target("/a?")->query, "");
}

TEST(SplitTarget, AbsoluteForm) {
  const Target target = *split_target("HTTPS://A.example:81/b?c");
  EXPECT_EQ(target.scheme, "HTTPS");
  EXPECT_EQ(target.authority, "A.example:81");
  EXPECT_EQ(target.path, "/b");
  EXPECT_EQ(target.query, "c");
  EXPECT_EQ(split_target("http://a")->path, "/");
  EXPECT_EQ(split_target("http://a?b")->path, "/");
  EXPECT_EQ(split_target("http://a?b")->query, "b");
}

TEST(SplitTarget, Asterisk) {
  EXPECT_TRUE(split_target("*")->asterisk);
  EXPECT_FALSE(split_target("/*")->asterisk);
}

TEST(SplitTarget, Refuses) {
  for (const std::string_view text :
       {"", "a", "a:80", "/a b", "/a#b", "/a\x01", "/a\x7f", "/a\r\n", "http:/a", "http://", "http://u@a/",
        "ftp://a/", "://a", "?a", "**", "http://a:b/"}) {
    const auto target = split_target(text);
    ASSERT_TRUE(target.has_error()) << text;
    EXPECT_EQ(target.error().status, 400);
  }
}

TEST(Authority, Valid) {
  for (const std::string_view text : {"a", "A.b-c_d", "a.", "a:80", "a:", "a:0", "a:65535", "1.2.3.4:5",
                                      "[::1]", "[::1]:80", "[::ffff:1.2.3.4]", "[2001:DB8::]"}) {
    EXPECT_TRUE(is_valid_authority(text)) << text;
  }
  EXPECT_TRUE(is_valid_authority(std::string(255, 'a')));
}

TEST(Authority, Invalid) {
  for (const std::string_view text : {"",
                                      ":80",
                                      "a b",
                                      "a@b",
                                      "a/b",
                                      "a:b",
                                      "a:65536",
                                      "a:80:80",
                                      "a:99999999999999999999",
                                      ".",
                                      "..",
                                      ".a",
                                      "a..b",
                                      "[]",
                                      "[",
                                      "[::1",
                                      "[::1]a",
                                      "[::1]:x",
                                      "[fe80::1%1]",
                                      "::1",
                                      "a%41",
                                      "a,b",
                                      "a\\b",
                                      "*",
                                      "\xd0\xb0",
                                      "[::1]:65536",
                                      "[1.2.3.4]"}) {
    EXPECT_FALSE(is_valid_authority(text)) << text;
  }
  EXPECT_FALSE(is_valid_authority(std::string(256, 'a')));
  EXPECT_FALSE(is_valid_authority(std::string_view("[::1\0]", 6)));
  EXPECT_FALSE(is_valid_authority("[" + std::string(60, ':') + "]"));
}

TEST(Authority, Host) {
  EXPECT_EQ(host_of_authority("Example.COM.:8080"), "example.com");
  EXPECT_EQ(host_of_authority("a"), "a");
  EXPECT_EQ(host_of_authority("[::1]:80"), "[::1]");
  EXPECT_EQ(host_of_authority("[2001:DB8::A]"), "[2001:db8::a]");
  EXPECT_EQ(host_of_authority(""), "");
  EXPECT_EQ(host_of_authority("[::1"), "[::1");
}

TEST(Query, Pairs) {
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(parse_query(""), Pairs{});
  EXPECT_EQ(parse_query("a=1&b=2"), (Pairs{{"a", "1"}, {"b", "2"}}));
  EXPECT_EQ(parse_query("a=1&a=2"), (Pairs{{"a", "1"}, {"a", "2"}}));
  EXPECT_EQ(parse_query("a"), (Pairs{{"a", ""}}));
  EXPECT_EQ(parse_query("a="), (Pairs{{"a", ""}}));
  EXPECT_EQ(parse_query("=a"), (Pairs{{"", "a"}}));
  EXPECT_EQ(parse_query("&&a=b=c&"), (Pairs{{"a", "b=c"}}));
  EXPECT_EQ(parse_query("a+b=c%20d%2B&x=%zz%4"), (Pairs{{"a b", "c d+"}, {"x", "%zz%4"}}));
  EXPECT_EQ(parse_query("a;b=c"), (Pairs{{"a;b", "c"}}));
}

}  // namespace
}  // namespace sluice::http
