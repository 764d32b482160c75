/// Sets of addresses in CIDR notation, and the kinds of address that matter for safety.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/address.hpp>

#include "sluice/base/result.hpp"

namespace sluice::net {

using IpAddress = boost::asio::ip::address;

class IpSet {
 public:
  /// "10.0.0.0/8", "::1", "192.0.2.7". Errors (config): neither, or host bits set.
  Result<void> add(std::string_view cidr);
  /// IPv4-mapped IPv6 addresses count as IPv4.
  [[nodiscard]] bool contains(const IpAddress& address) const noexcept;
  [[nodiscard]] bool empty() const noexcept { return ranges_.empty(); }

 private:
  struct Range {
    IpAddress network;
    unsigned prefix;
  };
  std::vector<Range> ranges_;
};

/// Loopback, private (RFC 1918, fc00::/7), link-local, unspecified, CGNAT, multicast, and IPv4 inside IPv6
/// forms of these (mapped, 64:ff9b::/96, 6to4): what a host from a parameter may not reach.
bool is_internal_address(const IpAddress& address) noexcept;

}  // namespace sluice::net
