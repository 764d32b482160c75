#include "sluice/net/ip_set.hpp"

#include <gtest/gtest.h>

namespace sluice::net {
namespace {

IpAddress address(const char* text) {
  return boost::asio::ip::make_address(text);
}

TEST(IpSet, ContainsWhatItsNetworksHold) {
  IpSet set;
  EXPECT_TRUE(set.empty());
  for (const char* text : {"10.0.0.0/8", "192.0.2.7", "2001:db8::/33", "::1", "198.51.100.128/25"}) {
    EXPECT_TRUE(set.add(text)) << text;
  }
  EXPECT_FALSE(set.empty());
  for (const char* text : {"10.0.0.1", "10.255.255.255", "192.0.2.7", "2001:db8:7fff::1", "::1",
                           "::ffff:10.1.2.3", "198.51.100.128"}) {
    EXPECT_TRUE(set.contains(address(text))) << text;
  }
  for (const char* text :
       {"11.0.0.0", "192.0.2.8", "2001:db8:8000::1", "::2", "::a01:203", "198.51.100.127"}) {
    EXPECT_FALSE(set.contains(address(text))) << text;
  }
}

TEST(IpSet, EverythingAndMappedNetworks) {
  IpSet set;
  ASSERT_TRUE(set.add("0.0.0.0/0"));
  EXPECT_TRUE(set.contains(address("203.0.113.9")));
  EXPECT_FALSE(set.contains(address("2001:db8::1")));
  IpSet mapped;
  ASSERT_TRUE(mapped.add("::ffff:10.0.0.0/104"));
  EXPECT_TRUE(mapped.contains(address("10.9.9.9")));
  EXPECT_FALSE(mapped.contains(address("11.9.9.9")));
}

TEST(IpSet, RefusesWhatIsNoNetwork) {
  for (const char* text : {"", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.1/8", "10.0.0.0/8x", "host",
                           "::1/129", "2001:db8::1/64", "10.0.0", "fe80::1%1", " 10.0.0.1"}) {
    IpSet set;
    const Result<void> added = set.add(text);
    ASSERT_FALSE(added) << text;
    EXPECT_EQ(added.error().source, ErrorSource::config);
    EXPECT_NE(added.error().detail.find(std::string("'") + text + "'"), std::string::npos);
    EXPECT_TRUE(set.empty());
  }
}

TEST(IpSet, KnowsInternalAddresses) {
  for (const char* text : {"127.0.0.1",        "10.1.2.3",          "172.16.0.1",   "172.31.255.255",
                           "192.168.0.1",      "169.254.169.254",   "100.64.0.1",   "0.0.0.0",
                           "224.0.0.1",        "255.255.255.255",   "::",           "::1",
                           "fe80::1",          "fd00::1",           "fc00::1",      "ff02::1",
                           "::ffff:127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:0a00:0001::1",
                           "::127.0.0.1",      "2001:0:7f00:1::",   "fec0::1"}) {
    EXPECT_TRUE(is_internal_address(address(text))) << text;
  }
  for (const char* text : {"8.8.8.8", "172.32.0.1", "100.128.0.1", "11.0.0.1", "2a02:6b8::1",
                           "64:ff9b::8.8.8.8", "2002:0808:0808::1", "::ffff:8.8.8.8", "192.0.1.1"}) {
    EXPECT_FALSE(is_internal_address(address(text))) << text;
  }
}

}  // namespace
}  // namespace sluice::net
