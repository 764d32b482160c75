#include "sluice/server/version.hpp"

#include <boost/version.hpp>
#include <nlohmann/json.hpp>
#include <spdlog/version.h>

#include "sluice/net/library_versions.hpp"

namespace sluice::server {

std::string_view version_text() noexcept {
  return SLUICE_VERSION;
}

std::string build_text() {
  return std::string(SLUICE_BUILD_TYPE) + ", " + __VERSION__;
}

std::vector<std::pair<std::string, std::string>> library_versions() {
  const auto dotted = [](int major, int minor, int patch) {
    return std::to_string(major) + '.' + std::to_string(minor) + '.' + std::to_string(patch);
  };
  return {
      {"Boost", dotted(BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100)},
      {"OpenSSL", std::string(net::openssl_version())},
      {"c-ares", std::string(net::cares_version())},
      {"nlohmann/json",
       dotted(NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH)},
      {"spdlog", dotted(SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH)},
      {"yaml-cpp", SLUICE_YAMLCPP_VERSION},
  };
}

}  // namespace sluice::server
