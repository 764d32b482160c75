#include "sluice/net/ip_set.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace sluice::net {
namespace {

IpAddress unmapped(const IpAddress& address) noexcept {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6());
  }
  return address;
}

/// Whether the first `prefix` bits are equal.
template <class Bytes>
bool same_prefix(const Bytes& left, const Bytes& right, unsigned prefix) noexcept {
  const std::size_t whole = prefix / 8;
  if (!std::equal(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(whole), right.begin())) {
    return false;
  }
  const unsigned rest = prefix % 8;
  if (rest == 0) {
    return true;
  }
  const auto mask = static_cast<unsigned char>(0xFF00U >> rest);
  return (left[whole] & mask) == (right[whole] & mask);
}

template <class Bytes>
bool has_host_bits(const Bytes& bytes, unsigned prefix) noexcept {
  Bytes network{};
  for (unsigned bit = 0; bit < prefix; ++bit) {
    network[bit / 8] = static_cast<unsigned char>(network[bit / 8] | (bytes[bit / 8] & (0x80U >> (bit % 8))));
  }
  return network != bytes;
}

bool is_internal_v4(const boost::asio::ip::address_v4& address) noexcept {
  const std::uint32_t value = address.to_uint();
  const auto in = [value](std::uint32_t network, unsigned prefix) {
    return prefix == 0 || (value ^ network) >> (32 - prefix) == 0;
  };
  return in(0x00000000, 8)      // this network, unspecified
         || in(0x0A000000, 8)   // RFC 1918
         || in(0xAC100000, 12)  // RFC 1918
         || in(0xC0A80000, 16)  // RFC 1918
         || in(0x64400000, 10)  // RFC 6598, carrier-grade NAT
         || in(0x7F000000, 8)   // loopback
         || in(0xA9FE0000, 16)  // link-local, metadata
         || in(0xC0000000, 24)  // IETF protocol assignments
         || in(0xC6120000, 15)  // benchmarking
         || in(0xE0000000, 3);  // multicast, reserved, broadcast
}

}  // namespace

Result<void> IpSet::add(std::string_view cidr) {
  const std::size_t slash = cidr.find('/');
  const std::string text(cidr.substr(0, slash));
  boost::system::error_code error;
  const IpAddress address = boost::asio::ip::make_address(text, error);
  if (error || (address.is_v6() && address.to_v6().scope_id() != 0)) {
    return config_error("'" + std::string(cidr) +
                        "' is no address and no network; write 192.0.2.7, 10.0.0.0/8 or fd00::/8");
  }
  const unsigned bits = address.is_v4() ? 32 : 128;
  unsigned prefix = bits;
  if (slash != std::string_view::npos) {
    const std::string_view number = cidr.substr(slash + 1);
    const auto [end, code] = std::from_chars(number.data(), number.data() + number.size(), prefix);
    if (code != std::errc() || end != number.data() + number.size() || prefix > bits) {
      return config_error("'" + std::string(cidr) + "': the prefix length must be 0 to " +
                          std::to_string(bits));
    }
  }
  const bool host_bits = address.is_v4() ? has_host_bits(address.to_v4().to_bytes(), prefix)
                                         : has_host_bits(address.to_v6().to_bytes(), prefix);
  if (host_bits) {
    return config_error("'" + std::string(cidr) +
                        "' has bits set behind its prefix; write the network's address");
  }
  if (address.is_v6() && address.to_v6().is_v4_mapped() && prefix >= 96) {
    ranges_.push_back({unmapped(address), prefix - 96});
  } else {
    ranges_.push_back({address, prefix});
  }
  return {};
}

bool IpSet::contains(const IpAddress& address) const noexcept {
  const IpAddress plain = unmapped(address);
  return std::any_of(ranges_.begin(), ranges_.end(), [&plain](const Range& range) {
    if (plain.is_v4() != range.network.is_v4()) {
      return false;
    }
    return plain.is_v4()
               ? same_prefix(plain.to_v4().to_bytes(), range.network.to_v4().to_bytes(), range.prefix)
               : same_prefix(plain.to_v6().to_bytes(), range.network.to_v6().to_bytes(), range.prefix);
  });
}

bool is_internal_address(const IpAddress& address) noexcept {
  const IpAddress plain = unmapped(address);
  if (plain.is_v4()) {
    return is_internal_v4(plain.to_v4());
  }
  const boost::asio::ip::address_v6 v6 = plain.to_v6();
  const boost::asio::ip::address_v6::bytes_type bytes = v6.to_bytes();
  if (v6.is_unspecified() || v6.is_loopback() || v6.is_multicast() || v6.is_link_local() ||
      v6.is_site_local() || (bytes[0] & 0xFEU) == 0xFC) {
    return true;
  }
  const auto embedded = [&bytes](std::size_t at) {
    const boost::asio::ip::address_v4::bytes_type four{bytes.at(at), bytes.at(at + 1), bytes.at(at + 2),
                                                       bytes.at(at + 3)};
    return is_internal_v4(boost::asio::ip::address_v4(four));
  };
  constexpr std::array<unsigned char, 12> nat64{0x00, 0x64, 0xFF, 0x9B};
  if (std::equal(nat64.begin(), nat64.end(), bytes.begin())) {
    return embedded(12);
  }
  constexpr std::array<unsigned char, 6> local_nat64{0x00, 0x64, 0xFF, 0x9B, 0x00, 0x01};  // RFC 8215
  if (std::equal(local_nat64.begin(), local_nat64.end(), bytes.begin())) {
    return true;
  }
  constexpr std::array<unsigned char, 12> compatible{};  // ::a.b.c.d
  if (std::equal(compatible.begin(), compatible.end(), bytes.begin())) {
    return embedded(12);
  }
  if (bytes[0] == 0x20 && bytes[1] == 0x02) {  // 6to4
    return embedded(2);
  }
  if (bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] == 0 && bytes[3] == 0) {  // Teredo, client inverted
    const boost::asio::ip::address_v4::bytes_type four{
        static_cast<unsigned char>(~bytes[12]), static_cast<unsigned char>(~bytes[13]),
        static_cast<unsigned char>(~bytes[14]), static_cast<unsigned char>(~bytes[15])};
    return embedded(4) || is_internal_v4(boost::asio::ip::address_v4(four));
  }
  return false;
}

}  // namespace sluice::net
