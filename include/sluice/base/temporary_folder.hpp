/// A folder of one's own for files that need not outlive their owner.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "sluice/base/result.hpp"

namespace sluice {

/// Owns a folder; removes it, with all that is in it, when it goes. Not thread-safe.
class TemporaryFolder {
 public:
  /// None; path() is empty.
  TemporaryFolder() = default;
  /// A new folder below $TMPDIR (else /tmp) that its owner alone may enter; its name begins with `name`.
  /// Errors (internal): it cannot be made; `detail` names the place and the reason.
  static Result<TemporaryFolder> create(std::string_view name);
  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryFolder& operator=(TemporaryFolder&& other) noexcept {
    if (this != &other) {
      remove();
      path_ = std::exchange(other.path_, {});
    }
    return *this;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { remove(); }

  /// Absolute.
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// Now instead of later. What cannot be removed stays.
  void remove() noexcept;

 private:
  explicit TemporaryFolder(std::string path) noexcept : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace sluice
