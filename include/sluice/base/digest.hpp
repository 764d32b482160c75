/// Digests of bytes, and comparing secrets. Pure and thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

/// FIPS 180-4; 32 bytes.
std::string sha256(std::string_view bytes);
/// The same as 64 lower-case hex digits.
std::string sha256_hex(std::string_view bytes);
/// RFC 2104 with SHA-256; 32 bytes.
std::string hmac_sha256(std::string_view key, std::string_view bytes);
/// Whether both are the same bytes, in a time that tells nothing but their lengths.
bool equal_in_constant_time(std::string_view left, std::string_view right) noexcept;

}  // namespace sluice
