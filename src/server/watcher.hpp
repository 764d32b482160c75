/// Tells when one of a set of files changes: inotify on their folders, so that editors' rename-and-replace
/// and the symbolic links of mounted volumes are seen as well; events are gathered for a moment, then the
/// files' own state decides whether anything happened.
///
/// Single-threaded: belongs to the control thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "sluice/base/clock.hpp"
#include "sluice/base/result.hpp"
#include "sluice/net/awaitable.hpp"

namespace sluice::server {

class FileWatcher {
 public:
  /// `changed` runs on the context's thread.
  FileWatcher(net::asio::io_context& context, std::function<void()> changed);
  FileWatcher(const FileWatcher&) = delete;
  FileWatcher& operator=(const FileWatcher&) = delete;
  ~FileWatcher();

  /// Replaces the set; what changed before `read_since` counts as seen. Errors (io): inotify is not to be
  /// had.
  Result<void> watch(const std::vector<std::string>& files, SystemTime read_since);
  void stop();

 private:
  struct State {
    bool exists = false;
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t modified = 0;
    std::int64_t changed = 0;  ///< the inode: content, name, owner, mode
    bool operator==(const State&) const = default;
  };
  static State state_of(const std::string& file);
  void wait();
  void drain_events();
  void settle();
  void settle_soon();

  net::asio::posix::basic_stream_descriptor<net::Executor> descriptor_;
  net::asio::basic_waitable_timer<std::chrono::steady_clock,
                                  net::asio::wait_traits<std::chrono::steady_clock>, net::Executor>
      timer_;
  std::function<void()> changed_;
  std::map<std::string, State> files_;
  std::map<std::string, int> folders_;
  bool changed_since_ = false;  ///< and not told yet
  bool settling_ = false;
};

}  // namespace sluice::server
