#include "sluice/base/folder.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "sluice/base/log.hpp"

namespace sluice {
namespace {

constexpr std::size_t most_key_bytes = 1024;
constexpr int open_flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

std::int64_t coarse_seconds() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return now.tv_sec;
}

/// The descriptor, or errno made negative.
int open_beneath(int root, const char* key) noexcept {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(open_flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  // EAGAIN: something was renamed meanwhile, and the kernel could not be sure.
  constexpr int tries = 8;
  for (int attempt = 0;; ++attempt) {
    const long opened = ::syscall(SYS_openat2, root, key, &how, sizeof(how));
    if (opened >= 0) {
      return static_cast<int>(opened);
    }
    const int reason = errno;
    if (reason != EINTR && (reason != EAGAIN || attempt == tries)) {
      return -reason;
    }
  }
}

bool kernel_confines() noexcept {
  static const bool confines = [] {
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    const FileDescriptor opened(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof(how))));
    return static_cast<bool>(opened);
  }();
  return confines;
}

/// Segments still to go, the next one last.
void push_segments(std::vector<std::string>& todo, std::string_view path) {
  const std::size_t before = todo.size();
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    if (end > 0) {
      todo.emplace_back(path.substr(0, end));
    }
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  std::reverse(todo.begin() + static_cast<std::ptrdiff_t>(before), todo.end());
}

/// What openat2() does with RESOLVE_BENEATH, by hand: every folder on the way is held open, so that ".." in a
/// link leads back to the one that was come from and never above the first. The descriptor,
/// or errno made negative.
int open_walking(int root, const char* key) {
  constexpr int most_links = 40;
  int links = 0;
  std::vector<std::string> todo;
  std::vector<FileDescriptor> way;
  push_segments(todo, key);
  while (!todo.empty()) {
    const std::string name = std::move(todo.back());
    todo.pop_back();
    if (name == ".") {
      continue;
    }
    if (name == "..") {
      if (way.empty()) {
        return -EXDEV;
      }
      way.pop_back();
      continue;
    }
    const int folder = way.empty() ? root : way.back().get();
    FileDescriptor found(::openat(folder, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat status{};
    if (!found || ::fstat(found.get(), &status) != 0) {
      return -errno;
    }
    if (S_ISLNK(status.st_mode)) {
      std::array<char, 4096> target{};
      const ssize_t size = ::readlinkat(found.get(), "", target.data(), target.size());
      if (size < 0) {
        return -errno;
      }
      if (size == 0 || static_cast<std::size_t>(size) == target.size() || target[0] == '/' ||
          ++links > most_links) {
        return -EXDEV;
      }
      push_segments(todo, {target.data(), static_cast<std::size_t>(size)});
    } else if (S_ISDIR(status.st_mode)) {
      way.push_back(std::move(found));
    } else if (!todo.empty() || !S_ISREG(status.st_mode)) {
      return -ENOTDIR;
    } else {
      const int opened = ::openat(folder, name.c_str(), open_flags | O_NOFOLLOW);
      return opened < 0 ? -errno : opened;
    }
  }
  return -EISDIR;
}

Error missing() {
  Error error;
  error.code = ErrorCode::not_found;
  error.source = ErrorSource::downstream;
  error.slug = "object_not_found";
  error.status = 404;
  return error;
}

Error failed_open(int reason, const std::string& folder, std::string_view key) {
  Error error;
  error.source = ErrorSource::upstream;
  error.detail = folder + "/" + std::string(key) + ": " + std::strerror(reason);
  switch (reason) {
    case EACCES:
    case EPERM:
      error.code = ErrorCode::not_found;
      error.slug = "object_forbidden";
      error.status = 403;
      return error;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      error.code = ErrorCode::overloaded;
      error.message = "Too many files are open";
      return error;
    case EIO:
    case ESTALE:
    case EAGAIN:
    case EOVERFLOW:
      error.code = ErrorCode::io;
      error.slug = "bucket_unreadable";
      error.message = "The object cannot be read";
      error.status = 502;
      return error;
    default:
      // ENOENT, ENOTDIR, ELOOP, EXDEV (out of the folder), ENAMETOOLONG, ENXIO and ENODEV (sockets and
      // devices): no object of that name.
      return missing();
  }
}

}  // namespace

void FileDescriptor::reset(int value) noexcept {
  if (value_ >= 0) {
    ::close(value_);
  }
  value_ = value;
}

bool Folder::is_plain_key(std::string_view key) noexcept {
  if (key.empty() || key.size() > most_key_bytes || key.find('\0') != std::string_view::npos) {
    return false;
  }
  for (std::size_t from = 0; from <= key.size();) {
    const std::size_t end = std::min(key.find('/', from), key.size());
    const std::string_view segment = key.substr(from, end - from);
    if (segment.empty() || segment == "." || segment == "..") {
      return false;
    }
    from = end + 1;
  }
  return true;
}

Result<std::shared_ptr<const Folder>> Folder::open(std::string path, Way way) {
  const auto refused = [&path](int reason) {
    std::string text = "the folder '" + path + "' cannot be used: ";
    switch (reason) {
      case ENOENT:
        return config_error(text + "there is none of that name; create it or correct the path");
      case ENOTDIR:
        return config_error(text + "it, or a part of its path, is no folder");
      case EACCES:
        return config_error(text + "the daemon's user may not enter it; mend its permissions (r-x)");
      default:
        return config_error(text + std::strerror(reason));
    }
  };
  const FileDescriptor opened(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // A folder that may be entered but not listed is good enough.
  if (!opened && errno != EACCES) {
    return refused(errno);
  }
  if (::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) != 0) {
    return refused(errno);
  }
  if (way == Way::automatic && !kernel_confines()) {
    way = Way::walk;
  }
  return std::shared_ptr<const Folder>(new Folder(std::move(path), way));
}

bool Folder::refresh(Slot& slot, std::int64_t now, bool& changed) const {
  struct stat status{};
  changed = false;
  int reason = ::stat(path_.c_str(), &status) == 0 ? 0 : errno;
  if (reason == 0 && !S_ISDIR(status.st_mode)) {
    reason = ENOTDIR;
  }
  if (reason == 0 && (!slot.root || slot.device != status.st_dev || slot.inode != status.st_ino)) {
    FileDescriptor root(::open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    reason = root && ::fstat(root.get(), &status) == 0 ? 0 : errno;
    if (reason == 0) {
      slot.root = std::move(root);
      slot.device = status.st_dev;
      slot.inode = status.st_ino;
      changed = true;
    }
  }
  if (reason != 0) {
    slot.root.reset();
    if (reason != EMFILE && reason != ENFILE && !gone_.exchange(true)) {
      log::error("the folder of a bucket is gone; its requests answer 502 until it is back",
                 {{"directory", path_}, {"reason", std::strerror(reason)}});
    }
    errno = reason;
    return false;
  }
  slot.checked = now;
  if (changed && gone_.exchange(false)) {
    log::info("the folder of a bucket is back", {{"directory", path_}});
  }
  return true;
}

/// The descriptor, or errno made negative.
int Folder::open_below(int root, const char* key) const {
  const int opened = way_ == Way::automatic ? open_beneath(root, key) : -EAGAIN;
  return opened == -EAGAIN ? open_walking(root, key) : opened;
}

Result<OpenFile> Folder::open_file(std::string_view key, std::size_t worker) const {
  if (!is_plain_key(key)) {
    return missing();
  }
  std::array<char, most_key_bytes + 1> name;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  std::memcpy(name.data(), key.data(), key.size());
  name[key.size()] = '\0';

  OpenFile file;
  int reason = 0;
  {
    Slot& slot = slots_[worker % slots];
    const std::lock_guard lock(slot.mutex);
    const std::int64_t now = coarse_seconds();
    bool changed = false;
    bool fresh = false;
    if (!slot.root || slot.checked != now) {
      fresh = true;
      if (!refresh(slot, now, changed)) {
        reason = errno;
      }
    }
    if (slot.root) {
      int opened = open_below(slot.root.get(), name.data());
      if ((opened == -ENOENT || opened == -ESTALE) && !fresh) {
        // Perhaps the folder was made anew meanwhile.
        if (refresh(slot, now, changed) && changed) {
          opened = open_below(slot.root.get(), name.data());
        }
      }
      file.descriptor.reset(opened);
      reason = -opened;
    }
    if (!slot.root) {
      if (reason == EMFILE || reason == ENFILE) {
        return failed_open(reason, path_, key);
      }
      Error error = upstream_error(ErrorCode::io, "the folder '" + path_ + "' is gone");
      error.slug = "bucket_unavailable";
      error.message = "The bucket is not available";
      error.status = 502;
      return error;
    }
  }
  if (!file.descriptor) {
    return failed_open(reason, path_, key);
  }
  struct stat status{};
  if (::fstat(file.descriptor.get(), &status) != 0) {
    return failed_open(errno, path_, key);
  }
  if (!S_ISREG(status.st_mode)) {
    return missing();
  }
  file.size = static_cast<std::uint64_t>(status.st_size);
  file.inode = status.st_ino;
  file.modified = status.st_mtim;
  file.changed = status.st_ctim;
  return file;
}

}  // namespace sluice
