#include "sluice/http/headers.hpp"

#include <gtest/gtest.h>

namespace sluice::http {
namespace {

TEST(FieldIds, EveryNameFindsItsNumber) {
  for (int value = 1; value <= static_cast<int>(FieldId::x_request_id); ++value) {
    const auto id = static_cast<FieldId>(value);
    std::string name(field_name(id));
    ASSERT_FALSE(name.empty());
    EXPECT_EQ(field_id(name), id) << name;
    for (char& byte : name) {
      byte = static_cast<char>(byte >= 'a' && byte <= 'z' ? byte - 0x20 : byte);
    }
    EXPECT_EQ(field_id(name), id) << name;
    for (char& byte : name) {
      byte = static_cast<char>(byte >= 'A' && byte <= 'Z' ? byte + 0x20 : byte);
    }
    EXPECT_EQ(field_id(name), id) << name;
    // A bit of case elsewhere than in a letter makes another name.
    for (std::size_t at = 0; at < name.size(); ++at) {
      std::string other = name;
      other[at] = static_cast<char>(other[at] ^ (other[at] == '-' ? 0x20 : 0x01));
      EXPECT_NE(field_id(other), id) << name << " at " << at;
    }
    EXPECT_NE(field_id(name + "x"), id);
    EXPECT_NE(field_id(name.substr(1)), id);
  }
  EXPECT_EQ(field_id(""), FieldId::unknown);
  EXPECT_EQ(field_id("X-Anything"), FieldId::unknown);
  EXPECT_EQ(field_name(FieldId::unknown), "");
}

TEST(Headers, KeepsOrderAndRepetition) {
  Headers headers;
  EXPECT_TRUE(headers.empty());
  headers.add("Set-Cookie", "a=1");
  headers.add("X-Odd", "1");
  headers.add(FieldId::set_cookie, "b=2");
  headers.add("x-odd", "2");
  ASSERT_EQ(headers.size(), 4U);
  EXPECT_EQ(headers[0].name, "Set-Cookie");
  EXPECT_EQ(headers[0].id, FieldId::set_cookie);
  EXPECT_EQ(headers[2].name, "Set-Cookie");
  EXPECT_EQ(headers[2].value, "b=2");
  EXPECT_EQ(*headers.get("SET-COOKIE"), "a=1");
  EXPECT_EQ(*headers.get(FieldId::set_cookie), "a=1");
  EXPECT_EQ(*headers.get("X-ODD"), "1");
  EXPECT_FALSE(headers.get("other"));
  EXPECT_FALSE(headers.get(FieldId::host));
  EXPECT_EQ(headers.count(FieldId::set_cookie), 2U);
  EXPECT_EQ(headers.joined("X-Odd"), "1, 2");
  EXPECT_EQ(headers.joined("none"), "");
  std::string names;
  for (const Headers::Field field : headers) {
    names.append(field.name).append(";");
  }
  EXPECT_EQ(names, "Set-Cookie;X-Odd;Set-Cookie;x-odd;");
}

TEST(Headers, JoinsCookiesWithSemicolons) {
  Headers headers;
  headers.add("Cookie", "a=1");
  headers.add("cookie", "b=2");
  EXPECT_EQ(headers.joined("Cookie"), "a=1; b=2");
}

TEST(Headers, SetReplacesInPlace) {
  Headers headers;
  headers.add("A", "1");
  headers.add("X", "1");
  headers.add("Host", "a");
  headers.add("x", "2");
  headers.add("Host", "b");
  headers.set("X", "3");
  headers.set(FieldId::host, "c");
  ASSERT_EQ(headers.size(), 3U);
  EXPECT_EQ(headers[1].value, "3");
  EXPECT_EQ(headers[2].value, "c");
  headers.set("Y", "4");
  headers.set("Date", "5");
  EXPECT_EQ(headers[3].value, "4");
  EXPECT_EQ(*headers.get(FieldId::date), "5");
}

TEST(Headers, TakesItsOwnViews) {
  Headers headers;
  headers.add("X", std::string(300, 'a'));
  for (int count = 0; count < 20; ++count) {
    headers.add(headers[0].name, headers[0].value);
    headers.set("Y", headers[0].value);
  }
  for (const Headers::Field field : headers) {
    EXPECT_EQ(field.value, std::string(300, 'a'));
  }
}

TEST(Headers, Remove) {
  Headers headers;
  headers.add("X", "1");
  headers.add("Host", "a");
  headers.add("x", "2");
  headers.remove("X");
  EXPECT_EQ(headers.size(), 1U);
  headers.remove("host");
  EXPECT_TRUE(headers.empty());
  headers.add("Host", "a");
  headers.remove(FieldId::host);
  EXPECT_TRUE(headers.empty());
}

TEST(Headers, HopByHop) {
  Headers headers;
  for (const char* name :
       {"Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailer",
        "Transfer-Encoding", "Upgrade", "X-Named", "x-named", "X-Other", "Authorization", "Host"}) {
    headers.add(name, "v");
  }
  headers.add("Connection", "close, X-NAMED ,, Authorization");
  headers.add("connection", "host,keep-alive");
  headers.remove_hop_by_hop();
  std::string names;
  for (const Headers::Field field : headers) {
    names.append(field.name).append(";");
  }
  EXPECT_EQ(names, "X-Other;Authorization;Host;");
  headers.remove_hop_by_hop();
  EXPECT_EQ(headers.size(), 3U);
}

TEST(Headers, BlocksOfParsers) {
  const std::string block = "Host: a\r\nX:  y\r\n";
  Headers headers;
  headers.add("Old", "old");
  headers.clear();
  headers.add_range(FieldId::host, 0, 4, 6, 1);
  headers.add_range(FieldId::unknown, 9, 1, 13, 1);
  headers.set_block(block);
  EXPECT_EQ(*headers.get(FieldId::host), "a");
  EXPECT_EQ(*headers.get("x"), "y");
  headers.add("Z", "z");
  EXPECT_EQ(*headers.get("x"), "y");
  EXPECT_EQ(*headers.get("z"), "z");
}

TEST(Headers, CopiesAndMoves) {
  Headers headers;
  headers.reserve(4, 100);
  headers.add("A", "b");
  Headers copy = headers;
  headers.clear();
  EXPECT_EQ(*copy.get("a"), "b");
  const Headers moved = std::move(copy);
  EXPECT_EQ(*moved.get("a"), "b");
}

}  // namespace
}  // namespace sluice::http
