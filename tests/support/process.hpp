/// Other people's servers in tests: started on a port that the kernel picks, awaited, stopped with the test.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace sluice::testing_support {

/// A port of 127.0.0.1 (or ::1) that nobody listens on. Another program may take it before the server does:
/// start the server at once, and look at its output when it does not come up.
inline std::uint16_t free_port(bool v6 = false) {
  sockaddr_storage where{};
  socklen_t size = v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  if (v6) {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&where);
    in6->sin6_family = AF_INET6;
    in6->sin6_addr = in6addr_loopback;
  } else {
    auto* in4 = reinterpret_cast<sockaddr_in*>(&where);
    in4->sin_family = AF_INET;
    in4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  const int descriptor = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::uint16_t port = 0;
  if (::bind(descriptor, reinterpret_cast<sockaddr*>(&where), size) == 0 &&
      ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&where), &size) == 0) {
    port = ntohs(v6 ? reinterpret_cast<sockaddr_in6*>(&where)->sin6_port
                    : reinterpret_cast<sockaddr_in*>(&where)->sin_port);
  }
  ::close(descriptor);
  return port;
}

/// Whether somebody accepts connections there now.
inline bool accepts(std::uint16_t port) {
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  where.sin_port = htons(port);
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool connected = ::connect(descriptor, reinterpret_cast<sockaddr*>(&where), sizeof(where)) == 0;
  ::close(descriptor);
  return connected;
}

/// The program's path; empty where it is not installed.
inline std::string find_program(const std::string& name) {
  for (const char* folder :
       {"/usr/local/bin/", "/usr/bin/", "/bin/", "/usr/local/sbin/", "/usr/sbin/", "/sbin/"}) {
    if (::access((folder + name).c_str(), X_OK) == 0) {
      return folder + name;
    }
  }
  return {};
}

/// A folder of its own that goes with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sluice-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data()) == nullptr ? std::string() : pattern;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// Writes a file in it and returns its path.
  std::string write(const std::string& name, const std::string& content) const {
    const std::string file = path_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(file).parent_path());
    std::ofstream(file, std::ios::binary) << content;
    return file;
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream file(path_ + "/" + name, std::ios::binary);
    std::ostringstream out;
    out << file.rdbuf();
    return out.str();
  }

 private:
  std::string path_;
};

struct ProcessOptions {
  std::string directory;                           ///< to run in; empty: this one's
  std::map<std::string, std::string> environment;  ///< added to this process's own
};

/// A program that runs as long as the object (and no longer than the thread that made it). What it writes is
/// kept.
class Process {
 public:
  explicit Process(std::vector<std::string> arguments, const ProcessOptions& options = {}) {
    int pipe_ends[2] = {-1, -1};
    if (::pipe2(pipe_ends, O_CLOEXEC) != 0) {
      return;
    }
    std::vector<char*> argv;
    for (std::string& each : arguments) {
      argv.push_back(each.data());
    }
    argv.push_back(nullptr);
    std::vector<std::string> variables;
    for (char** each = environ; *each != nullptr; ++each) {
      variables.emplace_back(*each);
    }
    for (const auto& [name, value] : options.environment) {
      variables.push_back(name + "=" + value);
    }
    std::vector<char*> envp;
    for (std::string& each : variables) {
      envp.push_back(each.data());
    }
    envp.push_back(nullptr);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
      // Only calls that are safe after a fork.
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) {
        ::_exit(127);
      }
      ::dup2(pipe_ends[1], STDOUT_FILENO);
      ::dup2(pipe_ends[1], STDERR_FILENO);
      if (!options.directory.empty() && ::chdir(options.directory.c_str()) != 0) {
        ::_exit(126);
      }
      ::execve(argv[0], argv.data(), envp.data());
      ::_exit(127);
    }
    ::close(pipe_ends[1]);
    output_end_ = pipe_ends[0];
    reader_ = std::thread([this] { read_output(); });
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    stop();
    if (reader_.joinable()) {
      reader_.join();
    }
    if (output_end_ >= 0) {
      ::close(output_end_);
    }
  }

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  [[nodiscard]] bool running() {
    if (pid_ > 0 && ::waitpid(pid_, &status_, WNOHANG) == pid_) {
      pid_ = -1;
    }
    return pid_ > 0;
  }
  void send_signal(int number) const {
    if (pid_ > 0) {
      ::kill(pid_, number);
    }
  }
  /// Until it ends: the exit code, or minus the signal. -1000 when it has not ended in time.
  int wait(std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (running()) {
      if (std::chrono::steady_clock::now() > end) {
        return -1000;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return WIFSIGNALED(status_) ? -WTERMSIG(status_) : WEXITSTATUS(status_);
  }
  /// SIGTERM, and SIGKILL where that is not enough.
  void stop() {
    if (!running()) {
      return;
    }
    send_signal(SIGTERM);
    if (wait(std::chrono::seconds(5)) == -1000) {
      kill();
    }
  }
  /// SIGKILL, now.
  void kill() {
    if (running()) {
      send_signal(SIGKILL);
      wait();
    }
  }
  /// True once it accepts connections on that port of 127.0.0.1; false when it ended or took too long.
  bool wait_until_accepts(std::uint16_t port, std::chrono::milliseconds limit = std::chrono::seconds(30)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (running() && std::chrono::steady_clock::now() < end) {
      if (accepts(port)) {
        return true;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  /// What it has written so far, both streams.
  [[nodiscard]] std::string output() {
    const std::lock_guard lock(mutex_);
    return output_;
  }

 private:
  void read_output() {
    // The pipe may outlive the program in a child of it, so do not wait for its end alone.
    for (int quiet = 0; quiet < 2;) {
      pollfd waiting{output_end_, POLLIN, 0};
      if (::poll(&waiting, 1, 50) == 0) {
        quiet += pid_ < 0 ? 1 : 0;
        continue;
      }
      char block[4096];
      const ssize_t got = ::read(output_end_, block, sizeof(block));
      if (got <= 0) {
        return;
      }
      const std::lock_guard lock(mutex_);
      output_.append(block, static_cast<std::size_t>(got));
    }
  }

  std::atomic<pid_t> pid_ = -1;
  int status_ = 0;
  int output_end_ = -1;
  std::mutex mutex_;
  std::string output_;
  std::thread reader_;
};

}  // namespace sluice::testing_support
