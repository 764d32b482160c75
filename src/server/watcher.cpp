#include "watcher.hpp"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

namespace sluice::server {

namespace {

/// A save is several events, a checkout many of them: files must have been at rest for so long.
constexpr std::chrono::milliseconds settle_time{150};

std::string folder_of(const std::string& file) {
  const std::size_t slash = file.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : file.substr(0, slash);
}

}  // namespace

FileWatcher::FileWatcher(net::asio::io_context& context, std::function<void()> changed)
    : descriptor_(context.get_executor()), timer_(context.get_executor()), changed_(std::move(changed)) {}

FileWatcher::~FileWatcher() {
  stop();
}

FileWatcher::State FileWatcher::state_of(const std::string& file) {
  struct stat found{};
  if (::stat(file.c_str(), &found) != 0) {
    return {};
  }
  const auto nanoseconds = [](const timespec& time) {
    return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
  };
  return {true,
          found.st_dev,
          found.st_ino,
          found.st_size,
          nanoseconds(found.st_mtim),
          nanoseconds(found.st_ctim)};
}

Result<void> FileWatcher::watch(const std::vector<std::string>& files, SystemTime read_since) {
  if (!descriptor_.is_open()) {
    const int opened = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (opened < 0) {
      Error error = config_error(std::string("files cannot be watched: ") + std::strerror(errno));
      error.code = ErrorCode::io;
      return error;
    }
    descriptor_.assign(opened);
    wait();
  }
  files_.clear();
  std::set<std::string> wanted;
  for (const std::string& file : files) {
    files_.emplace(file, state_of(file));
    wanted.insert(folder_of(file));
  }
  for (auto folder = folders_.begin(); folder != folders_.end();) {
    if (wanted.contains(folder->first)) {
      ++folder;
    } else {
      ::inotify_rm_watch(descriptor_.native_handle(), folder->second);
      folder = folders_.erase(folder);
    }
  }
  // Not IN_MODIFY: a log in the same folder would be an event a line.
  constexpr std::uint32_t mask =
      IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB | IN_ONLYDIR;
  for (const std::string& folder : wanted) {
    // A folder that was replaced keeps its name, so each is asked for again; the kernel knows it by inode.
    const int watch = ::inotify_add_watch(descriptor_.native_handle(), folder.c_str(), mask);
    if (watch >= 0) {
      folders_[folder] = watch;
    }
  }
  // Changed while it was read: inotify was not looking yet, or what it told is attributed to the old set. The
  // kernel's clock for files lags by up to a tick.
  const std::int64_t since = std::chrono::nanoseconds(read_since.time_since_epoch()).count();
  changed_since_ = std::any_of(files_.begin(), files_.end(),
                               [&](const auto& file) { return file.second.changed > since; });
  if (changed_since_) {
    settle_soon();
  }
  return {};
}

void FileWatcher::stop() {
  boost::system::error_code ignored;
  timer_.cancel();
  settling_ = false;
  descriptor_.close(ignored);
  folders_.clear();
}

void FileWatcher::wait() {
  descriptor_.async_wait(net::asio::posix::descriptor_base::wait_read,
                         [this](const boost::system::error_code& failed) {
                           if (failed) {
                             return;
                           }
                           drain_events();
                           settle_soon();
                           wait();
                         });
}

void FileWatcher::settle_soon() {
  if (std::exchange(settling_, true)) {
    return;
  }
  timer_.expires_after(settle_time);
  timer_.async_wait([this](const boost::system::error_code& cancelled) {
    // Cancelled: the watcher may be gone.
    if (!cancelled) {
      settling_ = false;
      settle();
    }
  });
}

void FileWatcher::drain_events() {
  alignas(inotify_event) std::array<char, 4096> events{};
  // What is left over makes the next wait end at once.
  for (int reads = 0; reads < 64 && ::read(descriptor_.native_handle(), events.data(), events.size()) > 0;
       ++reads) {
  }
}

void FileWatcher::settle() {
  bool moving = false;
  for (auto& [file, known] : files_) {
    const State now = state_of(file);
    if (!(now == known)) {
      known = now;
      moving = true;
    }
  }
  changed_since_ = changed_since_ || moving;
  if (moving) {
    settle_soon();
  } else if (std::exchange(changed_since_, false)) {
    changed_();
  }
}

}  // namespace sluice::server
