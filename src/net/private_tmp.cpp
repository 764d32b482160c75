#include "private_tmp.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "process_family.hpp"

namespace sluice::net {
namespace {

namespace fs = std::filesystem;

constexpr const char* tmp = "/tmp";
constexpr std::string_view below_tmp = "/tmp/";

bool write_whole(const char* file, const char* text, std::size_t size) noexcept {
  const int descriptor = ::open(file, O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return false;
  }
  const bool written = ::write(descriptor, text, size) == static_cast<ssize_t>(size);
  const int failed = errno;
  ::close(descriptor);
  errno = failed;
  return written;
}

/// The user and group stay who they are.
bool map_identity(const PrivateTmp& plan) noexcept {
  // /proc/self belongs to root as long as the process cannot be dumped. Nobody of this user can look into it
  // meanwhile but who could look at the daemon: it is in a user namespace of its own already.
  ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  constexpr const char* deny = "deny";
  const bool mapped = write_whole("/proc/self/setgroups", deny, std::strlen(deny)) &&
                      write_whole("/proc/self/uid_map", plan.user_map.data(), plan.user_map.size()) &&
                      write_whole("/proc/self/gid_map", plan.group_map.data(), plan.group_map.size());
  const int failed = errno;
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  errno = failed;
  return mapped;
}

PrivateTmp plan_of_user() {
  PrivateTmp plan;
  plan.user_namespace = ::geteuid() != 0;
  const std::string user = std::to_string(::geteuid());
  const std::string group = std::to_string(::getegid());
  plan.user_map = user + " " + user + " 1\n";
  plan.group_map = group + " " + group + " 1\n";
  return plan;
}

/// "" where a child can have a /tmp of its own, else what the system says.
std::string try_it() {
  std::error_code failed;
  if (fs::canonical(tmp, failed) != tmp || !fs::is_directory(tmp, failed)) {
    return "there is no folder /tmp";
  }
  PrivateTmp plan = plan_of_user();
  plan.source = tmp;
  plan.kept.push_back({tmp, tmp, true});
  auto held = Children::of_daemon().hold();
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(enter_private_tmp(plan) ? 0 : std::max(errno, 1));
  }
  int status = 0;
  pid_t ended = -1;
  do {
    ended = child < 0 ? child : ::waitpid(child, &status, 0);
  } while (ended < 0 && errno == EINTR && child > 0);
  if (ended < 0 || !WIFEXITED(status)) {
    return std::strerror(errno);
  }
  return WEXITSTATUS(status) == 0 ? std::string() : std::strerror(WEXITSTATUS(status));
}

bool is_below(const std::string& path, const std::string& folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

/// Makes a child's view of /tmp: whatever it needs there, at the same path. Landlock lets a child change all
/// that lies on its /tmp, so what it must not reach has no place there, and what it may only read is mounted
/// so.
class View {
 public:
  View(PrivateTmp& plan, const std::vector<std::string>& hidden) : plan_(plan) {
    std::error_code failed;
    for (const std::string& path : hidden) {
      if (const fs::path real = fs::canonical(path, failed); !failed) {
        hidden_.push_back(real.string());
      }
    }
  }

  /// `path` stays where it is. False: it cannot.
  bool keep(const std::string& path, bool read_only) {
    constexpr int most_links = 8;
    return keep(fs::path(path).lexically_normal(), read_only, most_links);
  }

 private:
  [[nodiscard]] bool is_kept(const std::string& path, bool read_only) const {
    return std::any_of(plan_.kept.begin(), plan_.kept.end(), [&](const PrivateTmp::Kept& entry) {
      return (entry.from == path || is_below(path, entry.from)) && (read_only || !entry.read_only);
    });
  }
  [[nodiscard]] fs::path place_of(const fs::path& path) const {
    return plan_.source / path.lexically_relative(tmp);
  }

  bool link(const fs::path& path) {
    std::error_code failed;
    const fs::path place = place_of(path);
    fs::create_directories(place.parent_path(), failed);
    if (!fs::exists(fs::symlink_status(place, failed))) {
      fs::create_symlink(fs::read_symlink(path, failed), place, failed);
    }
    return fs::is_symlink(fs::symlink_status(place, failed));
  }

  bool keep(const fs::path& path, bool read_only, int links) {
    const std::string text = path.string();
    if (!text.starts_with(below_tmp) || is_kept(text, read_only)) {
      return text != tmp && text != "/";
    }
    std::error_code failed;
    fs::path walked = tmp;
    for (auto part = std::next(path.begin(), 2); part != path.end(); ++part) {
      walked /= *part;
      const fs::file_status status = fs::symlink_status(walked, failed);
      if (!fs::exists(status)) {
        return true;  // what is not there needs no place
      }
      if (fs::is_symlink(status)) {
        if (!link(walked)) {
          return false;
        }
        fs::path rest = walked.parent_path() / fs::read_symlink(walked, failed);
        for (++part; part != path.end(); ++part) {
          rest /= *part;
        }
        return links > 0 && keep(rest.lexically_normal(), read_only, links - 1);
      }
    }
    return mount(path, read_only);
  }

  /// `path` has no link on its way.
  bool mount(const fs::path& path, bool read_only) {
    constexpr std::size_t most_mounts = 500;
    const std::string text = path.string();
    if (std::find(hidden_.begin(), hidden_.end(), text) != hidden_.end()) {
      return true;
    }
    std::error_code failed;
    const fs::path place = place_of(path);
    const bool folder = fs::is_directory(path, failed);
    fs::create_directories(folder ? place : place.parent_path(), failed);
    const bool holds_hidden = std::any_of(hidden_.begin(), hidden_.end(),
                                          [&](const std::string& hidden) { return is_below(hidden, text); });
    if (folder && holds_hidden) {
      for (const fs::directory_entry& entry : fs::directory_iterator(path, failed)) {
        const fs::file_status status = entry.symlink_status(failed);
        const bool done = fs::is_symlink(status) ? link(entry.path())
                          : fs::is_directory(status) || fs::is_regular_file(status)
                              ? mount(entry.path(), read_only)
                              : true;
        if (!done) {
          return false;
        }
      }
      return !failed;
    }
    if (!folder) {
      std::ofstream(place.string(), std::ios::app).flush();
    }
    if (!fs::exists(place, failed) || plan_.kept.size() >= most_mounts) {
      return false;
    }
    plan_.kept.push_back({text, place.string(), read_only});
    return true;
  }

  PrivateTmp& plan_;
  std::vector<std::string> hidden_;
};

bool make_read_only(const char* path) noexcept {
  // linux/mount.h and sys/mount.h do not go together in all versions.
  struct {
    std::uint64_t set = 1;  // MOUNT_ATTR_RDONLY
    std::uint64_t clear = 0;
    std::uint64_t propagation = 0;
    std::uint64_t user_namespace = 0;
  } attributes;
  constexpr unsigned with_all_below = 0x8000;  // AT_RECURSIVE
  return ::syscall(SYS_mount_setattr, AT_FDCWD, path, with_all_below, &attributes, sizeof(attributes)) == 0;
}

}  // namespace

const std::string& private_tmp_missing() {
  static const std::string why = try_it();
  return why;
}

std::optional<PrivateTmp> plan_private_tmp(const ProcessOptions& options) {
  if (!options.sandbox.enabled || options.temporary.empty() || !private_tmp_missing().empty()) {
    return std::nullopt;
  }
  PrivateTmp plan = plan_of_user();
  plan.source = options.temporary;
  // Folders before what lies in them.
  std::vector<std::pair<std::string, bool>> paths{{options.directory, false}};
  for (const std::string& path : options.sandbox.write) {
    paths.emplace_back(path, false);
  }
  for (const std::string& path : options.sandbox.read) {
    paths.emplace_back(path, true);
  }
  std::sort(paths.begin(), paths.end(), [](const auto& one, const auto& other) {
    return std::pair(one.first.size(), one.second) < std::pair(other.first.size(), other.second);
  });
  View view(plan, options.sandbox.hidden);
  for (const auto& [path, read_only] : paths) {
    if (path != options.temporary && !view.keep(path, read_only)) {
      return std::nullopt;
    }
  }
  return plan;
}

bool enter_private_tmp(const PrivateTmp& plan) noexcept {
  if (::unshare(CLONE_NEWNS | (plan.user_namespace ? CLONE_NEWUSER : 0)) != 0) {
    return false;
  }
  if (plan.user_namespace ? !map_identity(plan)
                          : ::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) {
    return false;
  }
  for (const PrivateTmp::Kept& kept : plan.kept) {
    if (::mount(kept.from.c_str(), kept.to.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0 ||
        (kept.read_only && !make_read_only(kept.to.c_str()))) {
      return false;
    }
  }
  return ::mount(plan.source.c_str(), tmp, nullptr, MS_BIND | MS_REC, nullptr) == 0;
}

}  // namespace sluice::net
