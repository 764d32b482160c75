/// Versions of the libraries that only this layer includes, as linked: for `sluice version`.
#pragma once

#include <string_view>

namespace sluice::net {

std::string_view openssl_version() noexcept;
std::string_view cares_version() noexcept;

}  // namespace sluice::net
