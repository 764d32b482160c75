#include "gateway/request_origin.hpp"

#include <gtest/gtest.h>

namespace sluice::gateway {
namespace {

std::string client_of(bool trusted_peer, const std::vector<std::string>& fields,
                      std::string peer = "10.0.0.1") {
  net::IpSet trusted;
  EXPECT_TRUE(trusted.add("10.0.0.0/8"));
  EXPECT_TRUE(trusted.add("fd00::/8"));
  http::ConnectionInfo connection;
  connection.peer_address = std::move(peer);
  connection.peer_trusted = trusted_peer;
  http::Headers headers;
  for (const std::string& value : fields) {
    headers.add(http::FieldId::x_forwarded_for, value);
  }
  std::string out = "left over";
  find_client_address(out, headers, connection, trusted);
  return out;
}

TEST(ClientAddress, IsTheSocketsWithoutTrust) {
  EXPECT_EQ(client_of(false, {}, "192.0.2.9"), "192.0.2.9");
  EXPECT_EQ(client_of(false, {"198.51.100.1"}, "192.0.2.9"), "192.0.2.9");
  EXPECT_EQ(client_of(true, {}), "10.0.0.1");
  EXPECT_EQ(client_of(true, {}, "unix"), "unix");
}

TEST(ClientAddress, IsTheRightMostUntrustedEntry) {
  EXPECT_EQ(client_of(true, {"198.51.100.1"}), "198.51.100.1");
  EXPECT_EQ(client_of(true, {"198.51.100.66, 198.51.100.1, 10.1.1.1"}), "198.51.100.1");
  EXPECT_EQ(client_of(true, {"198.51.100.66", "198.51.100.1", "10.1.1.1, 10.1.1.2"}), "198.51.100.1");
  EXPECT_EQ(client_of(true, {"198.51.100.1"}, "unix"), "198.51.100.1");
}

TEST(ClientAddress, IsTheLeftMostWhenAllAreTrusted) {
  EXPECT_EQ(client_of(true, {"10.9.9.9, 10.1.1.1", "10.2.2.2"}), "10.9.9.9");
}

TEST(ClientAddress, TakesPortsBracketsAndIpv6) {
  EXPECT_EQ(client_of(true, {"198.51.100.1:4711"}), "198.51.100.1");
  EXPECT_EQ(client_of(true, {"[2001:DB8::1]:443, fd00::7"}), "2001:db8::1");
  EXPECT_EQ(client_of(true, {" 2001:db8::2 "}), "2001:db8::2");
}

TEST(ClientAddress, WhatIsNoAddressEndsTheSearch) {
  EXPECT_EQ(client_of(true, {"198.51.100.1, unknown"}), "10.0.0.1");
  EXPECT_EQ(client_of(true, {"198.51.100.1, _hidden, 10.3.3.3"}), "10.3.3.3");
  EXPECT_EQ(client_of(true, {"198.51.100.1, [::1"}), "10.0.0.1");
  EXPECT_EQ(client_of(true, {"198.51.100.1, ,"}), "198.51.100.1") << "empty elements do not count";
  EXPECT_EQ(client_of(true, {""}), "10.0.0.1");
}

TEST(Traceparent, ValidForms) {
  EXPECT_TRUE(is_valid_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
  EXPECT_TRUE(is_valid_traceparent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
  EXPECT_TRUE(is_valid_traceparent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes"));
}

TEST(Traceparent, InvalidForms) {
  for (const char* text : {"", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
                           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
                           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",
                           "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
                           "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                           "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                           "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                           "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                           "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                           "00-4bf92f3577b34da6a3ce929d0e0e473x-00f067aa0ba902b7-01",
                           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-zz"}) {
    EXPECT_FALSE(is_valid_traceparent(text)) << text;
  }
}

TEST(Traceparent, IsTakenOrMade) {
  const std::string good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  std::string out;
  http::Headers headers;
  find_traceparent(out, headers);
  EXPECT_TRUE(is_valid_traceparent(out)) << out;
  std::string other;
  find_traceparent(other, headers);
  EXPECT_NE(out, other);

  headers.add(http::FieldId::traceparent, good);
  headers.add(http::FieldId::tracestate, "vendor=1");
  find_traceparent(out, headers);
  EXPECT_EQ(out, good);
  EXPECT_TRUE(headers.contains(http::FieldId::tracestate));

  headers.add(http::FieldId::traceparent, good);
  find_traceparent(out, headers);
  EXPECT_NE(out, good) << "there twice";
  EXPECT_TRUE(is_valid_traceparent(out));
  EXPECT_FALSE(headers.contains(http::FieldId::tracestate));

  http::Headers malformed;
  malformed.add(http::FieldId::traceparent, "garbage");
  malformed.add(http::FieldId::tracestate, "vendor=1");
  find_traceparent(out, malformed);
  EXPECT_TRUE(is_valid_traceparent(out));
  EXPECT_FALSE(malformed.contains(http::FieldId::tracestate));
}

}  // namespace
}  // namespace sluice::gateway
