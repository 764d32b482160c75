/// What this program is: for `sluice version`, metrics and the admin page.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::server {

/// "0.1.0".
std::string_view version_text() noexcept;
/// Compiler and build type.
std::string build_text();
/// Name and version of each library, as linked.
std::vector<std::pair<std::string, std::string>> library_versions();

}  // namespace sluice::server
