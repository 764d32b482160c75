#include "sluice/base/digest.hpp"

#include <array>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "sluice/base/codec.hpp"

namespace sluice {

std::string sha256(std::string_view bytes) {
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  constexpr std::size_t block = 64;
  constexpr char inner_pad = 0x36;
  constexpr char outer_pad = 0x5c;
  std::string shortened;
  if (key.size() > block) {
    shortened = sha256(key);
    key = shortened;
  }
  std::array<char, block> inner{};
  std::array<char, block> outer{};
  for (std::size_t index = 0; index < block; ++index) {
    const char byte = index < key.size() ? key[index] : '\0';
    inner.at(index) = static_cast<char>(byte ^ inner_pad);
    outer.at(index) = static_cast<char>(byte ^ outer_pad);
  }
  std::string message(inner.data(), inner.size());
  message.append(bytes);
  std::string whole(outer.data(), outer.size());
  whole.append(sha256(message));
  std::string out = sha256(whole);
  OPENSSL_cleanse(inner.data(), inner.size());
  OPENSSL_cleanse(outer.data(), outer.size());
  OPENSSL_cleanse(message.data(), block);
  OPENSSL_cleanse(whole.data(), block);
  return out;
}

bool equal_in_constant_time(std::string_view left, std::string_view right) noexcept {
  return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

std::string sha256_hex(std::string_view bytes) {
  return hex_encode(sha256(bytes));
}

}  // namespace sluice
