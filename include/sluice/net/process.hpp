/// Child processes that run the user's code: functions and containers. A child inherits nothing of the
/// daemon's: its environment is given whole, descriptors but those handed over are closed, signals are at
/// their defaults, it leads a session and group of its own, dies with the thread that started it, gains no
/// privileges, and, where the kernel has Landlock, reaches only the files that it is given. Whatever it has
/// started ends with it, in whatever session it is by then.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/base/clock.hpp"
#include "sluice/base/result.hpp"
#include "sluice/net/worker.hpp"

namespace sluice::net {

/// The files that a child may reach besides the system's (programs, libraries, certificates, /proc, /sys, a
/// few devices), which it may read and run. Symbolic links lead nowhere else.
struct Sandbox {
  bool enabled = false;             ///< false: whatever the daemon's user may reach
  std::vector<std::string> read;    ///< files and folders: read and run; what does not exist is left out
  std::vector<std::string> write;   ///< likewise, and changed
  std::vector<std::string> hidden;  ///< files below those folders that stay out of reach; the folders that
                                    ///< hold them can be listed, and nothing new can be made right in them
};

/// Landlock's version of this kernel; 0 without it (or switched off): then a Sandbox has no effect.
int landlock_version() noexcept;

/// "" where sandboxed children with a `temporary` folder find it on their /tmp, which is theirs alone; else
/// why they cannot: then they have it in TMPDIR only. The first call tries it.
const std::string& private_tmp_missing();

enum class OutputStream : std::uint8_t { standard_output, standard_error };

/// How a process ended.
struct ExitStatus {
  bool signalled = false;
  int number = 0;  ///< exit code or signal
  /// "exit code 1", "signal SIGKILL".
  [[nodiscard]] std::string text() const;
};

/// Makes this process the parent of descendants that lose theirs (PR_SET_CHILD_SUBREAPER): only so are those
/// found that left their group. Before the first child.
void adopt_orphans() noexcept;
/// Takes the status of such descendants that have ended; on SIGCHLD. From any thread.
void reap_orphans();
/// Held around what starts a child by other means than ChildProcess and waits for it (popen): it is nobody's
/// orphan.
class OwnChild {
 public:
  OwnChild();

 private:
  std::unique_lock<std::mutex> held_;
};

/// A child's environment.
using Variables = std::vector<std::pair<std::string, std::string>>;
/// Replaces the variable or adds it.
void set_variable(Variables& environment, std::string_view name, std::string value);

struct ProcessOptions {
  /// The first is the program: a path, or a name that is looked for in the environment's PATH.
  std::vector<std::string> arguments;
  /// The child's whole environment. base_environment() has what every program wants.
  Variables environment;
  std::string directory;  ///< working directory
  /// A folder that no other child has, in `environment` as TMPDIR; or empty. Sandboxed, the child has it on
  /// its /tmp and TMPDIR says that, where the system allows it (private_tmp_missing) and its directory is not
  /// /tmp itself.
  std::string temporary;
  /// Become 3, 4, … in the child; they stay the caller's here.
  std::vector<int> descriptors;
  /// Becomes standard input; -1: /dev/null. Stays the caller's.
  int standard_input = -1;
  Sandbox sandbox;
  std::size_t line_bytes = std::size_t{16} << 10U;  ///< the rest of a longer line is dropped
  std::size_t lines_per_second = 1000;              ///< of output, averaged; more are dropped and counted
};

/// PATH, HOME (`directory`), LANG (C.UTF-8), TMPDIR (`temporary`), and TZ where the daemon has one.
Variables base_environment(const std::string& directory, const std::string& temporary);
/// A program's path: `name` itself with a '/', else the first in `path` (PATH's form). Errors (not_found).
Result<std::string> find_program(const std::string& name, std::string_view path);
/// PATH of children: the daemon's own where it has one.
std::string program_path();

/// What is told of a child, on its worker's thread. Either may destroy the ChildProcess.
struct ProcessEvents {
  /// A line of output without its line feed; bytes as they came.
  std::function<void(OutputStream stream, std::string_view line)> line;
  /// Once; after what the process had written. All of its descendants have been killed, and it is reaped.
  std::function<void(const ExitStatus& status)> exited;
};

/// A running child. Belongs to its worker's thread, which must outlive it: the child is killed when the
/// thread ends. Destroyed while it runs, it is killed with its descendants and reaped.
class ChildProcess {
 public:
  /// Starts it; returns when the program runs. Errors (config): the program or the directory is not there or
  /// may not be used; (io): the system refuses. `detail` says which.
  static Result<std::unique_ptr<ChildProcess>> start(Worker& worker, const ProcessOptions& options,
                                                     ProcessEvents events);
  ChildProcess() = default;
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  virtual ~ChildProcess() = default;

  [[nodiscard]] virtual pid_t pid() const noexcept = 0;
  /// To the child and all of its group, SIGKILL to all of its descendants; nothing once it was reaped. From
  /// any thread.
  virtual void signal_group(int number) noexcept = 0;
  /// Its descendants at this moment, without itself; those that have lost their parent, too. None once it was
  /// reaped.
  [[nodiscard]] virtual std::vector<pid_t> descendants() const = 0;
  /// SIGTERM now, SIGKILL after `grace` unless it has ended by then.
  virtual void stop(Duration grace) = 0;
  /// Anonymous resident memory of the child and its descendants, bytes: what is its own, not files that it
  /// shares with others. 0 once it has ended.
  [[nodiscard]] virtual std::uint64_t resident_bytes() const = 0;
};

}  // namespace sluice::net
