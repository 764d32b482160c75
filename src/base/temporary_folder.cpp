#include "sluice/base/temporary_folder.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace sluice {

Result<TemporaryFolder> TemporaryFolder::create(std::string_view name) {
  std::error_code failed;
  const std::filesystem::path below = std::filesystem::temp_directory_path(failed);
  if (failed) {
    const char* variable = std::getenv("TMPDIR");
    return internal_error(
        "no folder for temporary files can be made: " + std::string(variable == nullptr ? "/tmp" : variable) +
        " is no folder (TMPDIR names another)");
  }
  std::string path = std::filesystem::absolute(below / (std::string(name) + "-XXXXXX"), failed).string();
  if (::mkdtemp(path.data()) == nullptr) {
    return internal_error("no folder for temporary files can be made at " + path + ": " +
                          std::strerror(errno) + " (TMPDIR names another place)");
  }
  return TemporaryFolder(std::move(path));
}

void TemporaryFolder::remove() noexcept {
  if (!path_.empty()) {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
    path_.clear();
  }
}

}  // namespace sluice
