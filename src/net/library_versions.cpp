#include "sluice/net/library_versions.hpp"

#include <ares.h>
#include <openssl/crypto.h>

namespace sluice::net {

std::string_view openssl_version() noexcept {
  return OpenSSL_version(OPENSSL_VERSION_STRING);
}

std::string_view cares_version() noexcept {
  return ares_version(nullptr);
}

}  // namespace sluice::net
