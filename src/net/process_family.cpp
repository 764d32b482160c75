#include "process_family.hpp"

#include <dirent.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include <climits>

namespace sluice::net {
namespace {

/// Of /proc/PID/stat.
struct Status {
  char state = 'X';
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
  std::uint64_t started = 0;
  [[nodiscard]] bool ended() const noexcept { return state == 'Z' || state == 'X'; }
};

std::string process_file(pid_t pid, const char* name) {
  return "/proc/" + std::to_string(pid) + "/" + name;
}

std::optional<Status> status_of(pid_t pid) {
  std::ifstream file(process_file(pid, "stat"));
  std::string text;
  std::getline(file, text, '\0');
  // The program's name may hold anything.
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) {
    return std::nullopt;
  }
  std::istringstream fields(text.substr(name_end + 1));
  Status status;
  fields >> status.state >> status.parent >> status.group >> status.session;
  std::string skipped;
  constexpr int between = 15;  // fields 7 to 21
  for (int field = 0; field < between; ++field) {
    fields >> skipped;
  }
  fields >> status.started;
  return fields ? std::optional(status) : std::nullopt;
}

/// Children of all of a process's threads.
std::vector<pid_t> children_of(const std::string& process) {
  std::vector<pid_t> found;
  const std::string tasks = "/proc/" + process + "/task";
  DIR* const folder = ::opendir(tasks.c_str());
  if (folder == nullptr) {
    return found;
  }
  while (const dirent* entry = ::readdir(folder)) {
    if (entry->d_name[0] == '.') {
      continue;
    }
    std::ifstream children(tasks + "/" + entry->d_name + "/children");
    pid_t child = 0;
    while (children >> child) {
      found.push_back(child);
    }
  }
  ::closedir(folder);
  return found;
}

std::string link_of(const std::string& path) {
  std::array<char, PATH_MAX> target{};
  const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
  return size > 0 ? std::string(target.data(), static_cast<std::size_t>(size)) : std::string();
}

bool environment_has(pid_t pid, const std::string& entry) {
  std::ifstream file(process_file(pid, "environ"), std::ios::binary);
  std::string found;
  while (std::getline(file, found, '\0')) {
    if (found == entry) {
      return true;
    }
  }
  return false;
}

std::uint64_t own_memory(pid_t pid) {
  std::ifstream file(process_file(pid, "statm"));
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  std::uint64_t shared = 0;
  if (!(file >> total >> resident >> shared) || resident < shared) {
    return 0;
  }
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return (resident - shared) * page;
}

using Members = std::map<pid_t, Status>;

bool is_of(const Family& family, pid_t orphan, const Status& status, const Members& known) {
  const auto is_known = [&](pid_t number) { return number == family.leader || known.contains(number); };
  if (is_known(status.group) || is_known(status.session)) {
    return true;
  }
  if (!family.mount_namespace.empty()) {
    return mount_namespace_of(orphan) == family.mount_namespace;
  }
  return !family.temporary.empty() && environment_has(orphan, "TMPDIR=" + family.temporary);
}

/// Adds whom `pid` has started, and whom those have.
void descend(pid_t pid, Members& members) {
  for (const pid_t child : children_of(std::to_string(pid))) {
    if (members.contains(child)) {
      continue;
    }
    // Another process may have got the number meanwhile: then it has another parent.
    const std::optional<Status> status = status_of(child);
    if (status && (status->parent == pid || status->parent == ::getpid())) {
      members.emplace(child, *status);
      descend(child, members);
    }
  }
}

/// With Children::hold(). Adds to `members` who is not there yet.
void gather(const Family& family, const std::vector<pid_t>& orphans, Members& members) {
  descend(family.leader, members);
  // An orphan may be told by one that is found after it.
  for (bool more = true; more;) {
    more = false;
    for (const pid_t orphan : orphans) {
      const std::optional<Status> status = status_of(orphan);
      if (status && !members.contains(orphan) && is_of(family, orphan, *status, members)) {
        members.emplace(orphan, *status);
        descend(orphan, members);
        more = true;
      }
    }
  }
}

/// Only the process that was seen: its number may have become another's.
void kill_seen(pid_t pid, const Status& seen) {
  const auto handle = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (handle < 0) {
    return;
  }
  const std::optional<Status> now = status_of(pid);
  if (now && now->started == seen.started && !now->ended()) {
    static_cast<void>(::syscall(SYS_pidfd_send_signal, handle, SIGKILL, nullptr, 0));
  }
  ::close(handle);
}

}  // namespace

std::string mount_namespace_of(pid_t pid) {
  return link_of(process_file(pid, "ns/mnt"));
}

Children& Children::of_daemon() {
  static Children children;
  return children;
}

void Children::remove(pid_t pid) {
  const std::lock_guard lock(mutex_);
  std::erase(known_, pid);
}

std::vector<pid_t> Children::orphans() const {
  std::vector<pid_t> found = children_of("self");
  std::erase_if(found,
                [&](pid_t child) { return std::find(known_.begin(), known_.end(), child) != known_.end(); });
  return found;
}

void Children::reap_orphans() {
  const std::lock_guard lock(mutex_);
  for (const pid_t orphan : orphans()) {
    ::waitpid(orphan, nullptr, WNOHANG);
  }
}

std::vector<pid_t> Family::members() const {
  Members members;
  Children& children = Children::of_daemon();
  const auto held = children.hold();
  gather(*this, children.orphans(), members);
  std::vector<pid_t> pids;
  pids.reserve(members.size());
  for (const auto& [pid, status] : members) {
    pids.push_back(pid);
  }
  return pids;
}

void Family::kill() const {
  Members members;
  Children& children = Children::of_daemon();
  const auto held = children.hold();
  // Who has got SIGKILL starts nobody any more: a round that finds nobody new is the last.
  constexpr int most_rounds = 100;
  for (int round = 0; round < most_rounds; ++round) {
    Members now = members;
    gather(*this, children.orphans(), now);
    ::kill(-leader, SIGKILL);
    const bool news = now.size() > members.size();
    for (const auto& [pid, status] : now) {
      if (!members.contains(pid)) {
        kill_seen(pid, status);
      }
    }
    members = std::move(now);
    if (!news && round > 0) {
      return;
    }
  }
}

std::uint64_t Family::resident_bytes() const {
  std::uint64_t sum = own_memory(leader);
  for (const pid_t pid : members()) {
    sum += own_memory(pid);
  }
  return sum;
}

void adopt_orphans() noexcept {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

void reap_orphans() {
  Children::of_daemon().reap_orphans();
}

OwnChild::OwnChild() : held_(Children::of_daemon().hold()) {}

}  // namespace sluice::net
