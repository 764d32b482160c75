/// Digests of bytes. Pure and thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

/// FIPS 180-4; 32 bytes.
std::string sha256(std::string_view bytes);
/// The same as 64 lower-case hex digits.
std::string sha256_hex(std::string_view bytes);

}  // namespace sluice
