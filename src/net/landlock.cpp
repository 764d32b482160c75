#include "landlock.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <climits>

namespace sluice::net {
namespace {

// The kernel's interface (linux/landlock.h), written out: headers of Debian 12 know only its first half.
struct RulesetAttributes {
  std::uint64_t handled_files;
  std::uint64_t handled_network;
  std::uint64_t scoped;
};
struct [[gnu::packed]] PathAttributes {
  std::uint64_t allowed;
  std::int32_t parent;
};
constexpr int path_rule = 1;
constexpr unsigned ask_version = 1;

constexpr std::uint64_t execute = 1U << 0U;
constexpr std::uint64_t write_file = 1U << 1U;
constexpr std::uint64_t read_file = 1U << 2U;
constexpr std::uint64_t read_folder = 1U << 3U;
constexpr std::uint64_t change_folder = 0x1FF0U;    // remove and make whatever kind of entry
constexpr std::uint64_t refer = 1U << 13U;          // version 2: link and rename between folders
constexpr std::uint64_t truncate_file = 1U << 14U;  // version 3
constexpr std::uint64_t scope_abstract_sockets = 1U << 0U;
constexpr std::uint64_t scope_signals = 1U << 1U;  // version 6, both

constexpr std::uint64_t reading = execute | read_file | read_folder;
constexpr std::uint64_t of_files = execute | write_file | read_file | truncate_file;

constexpr std::array system_read{
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/proc", "/sys",
    // What resolvers, locales, dynamic linkers and TLS read; never /etc as a whole, where secrets lie.
    "/etc/alternatives", "/etc/ca-certificates", "/etc/gai.conf", "/etc/group", "/etc/host.conf",
    "/etc/hostname", "/etc/hosts", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
    "/etc/locale.alias", "/etc/localtime", "/etc/mime.types", "/etc/nsswitch.conf", "/etc/os-release",
    "/etc/passwd", "/etc/pki", "/etc/protocols", "/etc/python3", "/etc/python3.11", "/etc/resolv.conf",
    "/etc/services", "/etc/ssl/cert.pem", "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/timezone",
    "/run/systemd/resolve", "/run/resolvconf", "/dev/random", "/dev/urandom"};
constexpr std::array system_write{"/dev/null", "/dev/zero", "/dev/full", "/dev/tty"};

std::string real_path(const std::string& path) {
  std::array<char, PATH_MAX> resolved{};
  return ::realpath(path.c_str(), resolved.data()) == nullptr ? std::string() : std::string(resolved.data());
}

bool is_below(const std::string& path, const std::string& folder) {
  return path.starts_with(folder) &&
         (folder == "/" || path.size() == folder.size() || path[folder.size()] == '/');
}

class Rules {
 public:
  Rules(int ruleset, std::uint64_t handled, const std::vector<std::string>& hidden)
      : ruleset_(ruleset), handled_(handled) {
    for (const std::string& path : hidden) {
      if (std::string real = real_path(path); !real.empty()) {
        hidden_.push_back(std::move(real));
      }
    }
  }

  /// The tree at `path`, without what is hidden.
  void allow(const std::string& path, std::uint64_t access) {
    if (const std::string real = real_path(path); !real.empty()) {
      walk(real, access);
    }
  }

 private:
  void walk(const std::string& path, std::uint64_t access) {
    bool holds_hidden = false;
    for (const std::string& hidden : hidden_) {
      if (hidden == path) {
        return;
      }
      holds_hidden = holds_hidden || is_below(hidden, path);
    }
    if (!holds_hidden) {
      add(path, access);
      return;
    }
    add(path, read_folder);
    DIR* folder = ::opendir(path.c_str());
    if (folder == nullptr) {
      return;
    }
    while (const dirent* entry = ::readdir(folder)) {
      const std::string name = entry->d_name;
      if (name == "." || name == "..") {
        continue;
      }
      const std::string child = (path == "/" ? "" : path) + "/" + name;
      struct stat found{};
      // The target of a link within the tree has a rule of its own.
      if (::lstat(child.c_str(), &found) == 0 && (S_ISREG(found.st_mode) || S_ISDIR(found.st_mode))) {
        walk(child, access);
      }
    }
    ::closedir(folder);
  }

  void add(const std::string& path, std::uint64_t access) {
    const int descriptor = ::open(path.c_str(), O_PATH | O_CLOEXEC);
    if (descriptor < 0) {
      return;
    }
    struct stat found{};
    if (::fstat(descriptor, &found) == 0) {
      if (!S_ISDIR(found.st_mode)) {
        access &= of_files;
      }
      const PathAttributes rule{access & handled_, descriptor};
      static_cast<void>(::syscall(SYS_landlock_add_rule, ruleset_, path_rule, &rule, 0));
    }
    ::close(descriptor);
  }

  int ruleset_;
  std::uint64_t handled_;
  std::vector<std::string> hidden_;
};

}  // namespace

int landlock_version() noexcept {
  static const int version = [] {
    const long found = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, ask_version);
    return found < 0 ? 0 : static_cast<int>(found);
  }();
  return version;
}

Result<int> make_landlock_ruleset(const Sandbox& sandbox) {
  const int version = landlock_version();
  if (!sandbox.enabled || version == 0) {
    return -1;
  }
  RulesetAttributes attributes{};
  attributes.handled_files = reading | write_file | change_folder;
  if (version >= 2) {
    attributes.handled_files |= refer;
  }
  if (version >= 3) {
    attributes.handled_files |= truncate_file;
  }
  if (version >= 6) {
    attributes.scoped = scope_abstract_sockets | scope_signals;
  }
  const auto ruleset =
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0));
  if (ruleset < 0) {
    Error error = internal_error(std::string("Landlock refuses a rule set: ") + std::strerror(errno));
    error.code = ErrorCode::io;
    return error;
  }
  const std::uint64_t everything = attributes.handled_files;
  Rules system(ruleset, everything, {});
  for (const char* path : system_read) {
    system.allow(path, reading);
  }
  for (const char* path : system_write) {
    system.allow(path, read_file | write_file);
  }
  Rules given(ruleset, everything, sandbox.hidden);
  for (const std::string& path : sandbox.read) {
    given.allow(path, reading);
  }
  for (const std::string& path : sandbox.write) {
    given.allow(path, everything);
  }
  return ruleset;
}

bool enforce_landlock(int ruleset) noexcept {
  return ::syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
}

}  // namespace sluice::net
