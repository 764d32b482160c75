/// Files below a folder, and nothing else: no key leads out of it, whatever it is made of and whatever links
/// stand there. What buckets on disk are served from.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "sluice/base/result.hpp"

namespace sluice {

/// Owns a file descriptor; closes it.
class FileDescriptor {
 public:
  explicit FileDescriptor(int value = -1) noexcept : value_(value) {}
  FileDescriptor(FileDescriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
      reset(std::exchange(other.value_, -1));
    }
    return *this;
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() { reset(); }

  [[nodiscard]] int get() const noexcept { return value_; }
  [[nodiscard]] explicit operator bool() const noexcept { return value_ >= 0; }
  void reset(int value = -1) noexcept;

 private:
  int value_;
};

/// A regular file that was opened for reading, and what fstat() says of it.
struct OpenFile {
  FileDescriptor descriptor;
  std::uint64_t size = 0;
  std::uint64_t inode = 0;
  timespec modified{};
  timespec changed{};  ///< of content or attributes; nobody can set it back
};

/// Thread-safe. The folder is found by its path again at least once a second and at every miss, so that one
/// that was replaced (made anew, a link that leads elsewhere now) is served without a reload.
class Folder {
 public:
  /// How a key is kept below the folder.
  enum class Way : std::uint8_t {
    automatic,  ///< the kernel's openat2() where it is there
    walk        ///< segment by segment, for kernels before 5.6 and filters that know no openat2()
  };

  /// Errors (config): no such folder, no folder, no permission; `detail` says which and what to do.
  static Result<std::shared_ptr<const Folder>> open(std::string path, Way way = Way::automatic);
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() = default;

  /// The regular file of that name: segments between '/', taken byte by byte. Symbolic links are followed
  /// while they stay below the folder. `worker` picks a lock of its own, so that workers do not wait for each
  /// other. Nothing but the disk itself makes it wait: FIFOs and devices are not read.
  ///
  /// Errors: not_found (status 404) for all that is no regular file below the folder; slug
  /// "object_forbidden" (403) where the system refuses to read it; overloaded (503) without a free
  /// descriptor; slug "bucket_unavailable" (502) where the folder itself is gone; io (502).
  [[nodiscard]] Result<OpenFile> open_file(std::string_view key, std::size_t worker) const;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  /// Whether a key can name a file at all: 1 to 1024 bytes, no NUL, segments that are neither empty nor "."
  /// nor "..".
  static bool is_plain_key(std::string_view key) noexcept;

 private:
  struct alignas(64) Slot {
    std::mutex mutex;
    FileDescriptor root;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t checked = 0;  ///< seconds of the monotonic clock
  };
  Folder(std::string path, Way way) : path_(std::move(path)), way_(way) {}
  /// Looks whether the path still leads to the slot's folder, and takes the one that it leads to; false when
  /// there is none. `changed`: it is another one.
  bool refresh(Slot& slot, std::int64_t now, bool& changed) const;
  int open_below(int root, const char* key) const;

  static constexpr std::size_t slots = 16;
  mutable std::array<Slot, slots> slots_;
  std::string path_;
  Way way_;
  mutable std::atomic<bool> gone_{false};  ///< told in the log
};

}  // namespace sluice
