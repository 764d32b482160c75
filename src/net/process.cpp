#include "sluice/net/process.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "sluice/net/timer_wheel.hpp"

#include "landlock.hpp"
#include "output_lines.hpp"
#include "private_tmp.hpp"
#include "process_family.hpp"

namespace sluice::net {
namespace {

constexpr int first_handed = 3;

/// Closes at the end of its scope.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int descriptor) noexcept : descriptor_(descriptor) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { reset(); }
  void reset(int descriptor = -1) noexcept {
    if (descriptor_ >= 0) {
      ::close(descriptor_);
    }
    descriptor_ = descriptor;
  }
  [[nodiscard]] int get() const noexcept { return descriptor_; }
  int release() noexcept { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_ = -1;
};

Error system_error(const std::string& what, int code) {
  Error error = internal_error(what + ": " + std::strerror(code));
  error.code = ErrorCode::io;
  return error;
}

/// What the child does before it becomes its program; said over a pipe when it fails.
enum class Step : int { session, temporary, descriptors, directory, privileges, sandbox, program };
struct Failure {
  Step step;
  int code;
};

/// Everything that the child needs, made before the fork: between fork and exec it must not allocate.
struct Launch {
  const char* program = nullptr;
  char* const* arguments = nullptr;
  char* const* environment = nullptr;
  const char* directory = nullptr;
  const int* handed = nullptr;  ///< standard input, output, error, then the rest; all above the targets
  int handed_count = 0;
  const PrivateTmp* private_tmp = nullptr;
  int ruleset = -1;
  int report = -1;
  pid_t parent = 0;
};

[[noreturn]] void fail(const Launch& launch, Step step) noexcept {
  const Failure failure{step, errno};
  static_cast<void>(!::write(launch.report, &failure, sizeof(failure)));
  ::_exit(127);
}

/// Of root's capabilities a program keeps those of the owner of all files; none to trace, mount or load.
void drop_capabilities() noexcept {
  constexpr std::uint64_t kept = (1ULL << CAP_CHOWN) | (1ULL << CAP_DAC_OVERRIDE) | (1ULL << CAP_FOWNER) |
                                 (1ULL << CAP_FSETID) | (1ULL << CAP_NET_BIND_SERVICE);
  for (unsigned capability = 0; capability < 64; ++capability) {
    if (((kept >> capability) & 1U) == 0 && ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
      return;  // not root, or beyond the last one
    }
  }
}

[[noreturn]] void become(const Launch& launch) noexcept {
  if (::setsid() < 0) {
    fail(launch, Step::session);
  }
  if (launch.private_tmp != nullptr && !enter_private_tmp(*launch.private_tmp)) {
    fail(launch, Step::temporary);
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != launch.parent) {
    ::_exit(127);  // it died before that
  }
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction usual = {};
    usual.sa_handler = SIG_DFL;
    ::sigaction(number, &usual, nullptr);
  }
  for (int index = 0; index < launch.handed_count; ++index) {
    if (::dup2(launch.handed[index], index) < 0) {
      fail(launch, Step::descriptors);
    }
  }
  // The report goes away with exec, as everything else.
  if (::close_range(static_cast<unsigned>(launch.handed_count), ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
    fail(launch, Step::descriptors);
  }
  if (::chdir(launch.directory) != 0) {
    fail(launch, Step::directory);
  }
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  drop_capabilities();
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    fail(launch, Step::privileges);
  }
  if (launch.ruleset >= 0 && !enforce_landlock(launch.ruleset)) {
    fail(launch, Step::sandbox);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(launch.program, launch.arguments, launch.environment);
  fail(launch, Step::program);
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (std::string& text : texts) {
    out.push_back(text.data());
  }
  out.push_back(nullptr);
  return out;
}

Error launch_error(const Failure& failure, const ProcessOptions& options, const std::string& program) {
  const std::string reason = std::strerror(failure.code);
  switch (failure.step) {
    case Step::directory:
      return config_error("the directory " + options.directory + " cannot be entered: " + reason);
    case Step::program:
      return config_error(program + " cannot be run: " + reason);
    case Step::sandbox:
      return system_error("Landlock refuses", failure.code);
    case Step::temporary:
      return system_error("a process cannot have a /tmp of its own", failure.code);
    case Step::session:
    case Step::descriptors:
    case Step::privileges:
      break;
  }
  return system_error("a process cannot be prepared", failure.code);
}

class Child final : public ChildProcess {
 public:
  Child(Worker& worker, const ProcessOptions& options, ProcessEvents events)
      : worker_(worker),
        events_(std::move(events)),
        exit_(worker.executor()),
        pipes_{Pipe(worker, options), Pipe(worker, options)},
        kill_timer_(worker.wheel(), &Child::on_kill_time, this) {}
  ~Child() override;

  Result<void> launch(const ProcessOptions& options);

  [[nodiscard]] pid_t pid() const noexcept override { return pid_; }
  void signal_group(int number) noexcept override {
    const std::lock_guard lock(mutex_);
    if (pid_ <= 0 || reaped_) {
      return;
    }
    if (number == SIGKILL) {
      family_.kill();
    } else {
      ::kill(-pid_, number);
    }
  }
  [[nodiscard]] std::vector<pid_t> descendants() const override {
    return reaped_ ? std::vector<pid_t>() : family_.members();
  }
  void stop(Duration grace) override {
    signal_group(SIGTERM);
    kill_timer_.arm(grace);
  }
  [[nodiscard]] std::uint64_t resident_bytes() const override {
    return reaped_ ? 0 : family_.resident_bytes();
  }

 private:
  struct Pipe {
    Pipe(Worker& worker, const ProcessOptions& options)
        : stream(worker.executor()), lines(options.line_bytes, options.lines_per_second) {}
    asio::posix::basic_stream_descriptor<Executor> stream;
    OutputLines lines;
  };

  static void on_kill_time(void* self) noexcept { static_cast<Child*>(self)->signal_group(SIGKILL); }
  /// Reads once; false at the end.
  bool read_output(OutputStream which);
  void wait_output(OutputStream which);
  void wait_exit();
  void finish();
  /// Kills what is left of the family and takes the status. False: it has not ended yet.
  bool reap(bool wait);
  [[nodiscard]] Pipe& pipe(OutputStream which) { return pipes_[static_cast<std::size_t>(which)]; }
  void tell(OutputStream which);

  Worker& worker_;
  ProcessEvents events_;
  asio::posix::basic_stream_descriptor<Executor> exit_;
  std::array<Pipe, 2> pipes_;
  Timer kill_timer_;
  std::mutex mutex_;
  pid_t pid_ = -1;
  bool reaped_ = false;
  Family family_;
  ExitStatus status_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

Child::~Child() {
  *alive_ = false;
  if (pid_ > 0 && !reaped_) {
    signal_group(SIGKILL);
    // SIGKILL is quick, but for a process in uninterruptible sleep nobody should hang: init reaps it then.
    constexpr int looks = 1000;
    for (int look = 0; look < looks && !reap(false); ++look) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
}

Result<void> Child::launch(const ProcessOptions& options) {
  if (options.arguments.empty()) {
    return config_error("no program is named");
  }
  std::string_view path;
  for (const auto& [name, value] : options.environment) {
    path = name == "PATH" ? std::string_view(value) : path;
  }
  const Result<std::string> program = find_program(options.arguments.front(), path);
  if (program.has_error()) {
    return program.error();
  }
  const std::optional<PrivateTmp> private_tmp = plan_private_tmp(options);
  std::vector<std::string> arguments = options.arguments;
  std::vector<std::string> environment;
  environment.reserve(options.environment.size());
  for (const auto& [name, value] : options.environment) {
    const bool moved = private_tmp && name == "TMPDIR" && value == options.temporary;
    environment.push_back(name + "=" + (moved ? "/tmp" : value));
  }
  const std::vector<char*> argument_pointers = pointers(arguments);
  const std::vector<char*> environment_pointers = pointers(environment);

  Descriptor null;
  if (options.standard_input < 0) {
    null.reset(::open("/dev/null", O_RDWR | O_CLOEXEC));
  }
  std::array<std::array<int, 2>, 3> ends{};
  ends.fill({-1, -1});
  std::array<Descriptor, 3> read_ends;
  std::array<Descriptor, 3> write_ends;
  for (std::size_t index = 0; index < ends.size(); ++index) {
    if (::pipe2(ends[index].data(), O_CLOEXEC) != 0) {
      return system_error("no pipe", errno);
    }
    read_ends[index].reset(ends[index][0]);
    write_ends[index].reset(ends[index][1]);
  }
  // Sources above every target, so that one dup2 does not overwrite the source of the next.
  std::vector<int> wanted{options.standard_input < 0 ? null.get() : options.standard_input,
                          write_ends[0].get(), write_ends[1].get()};
  wanted.insert(wanted.end(), options.descriptors.begin(), options.descriptors.end());
  const int above = first_handed + static_cast<int>(options.descriptors.size());
  std::vector<Descriptor> sources(wanted.size());
  std::vector<int> handed;
  for (std::size_t index = 0; index < wanted.size(); ++index) {
    sources[index].reset(::fcntl(wanted[index], F_DUPFD_CLOEXEC, above));
    if (sources[index].get() < 0) {
      return system_error("no descriptor", errno);
    }
    handed.push_back(sources[index].get());
  }
  Descriptor report(::fcntl(write_ends[2].get(), F_DUPFD_CLOEXEC, above));
  write_ends[2].reset();
  const Result<int> ruleset = make_landlock_ruleset(options.sandbox);
  if (ruleset.has_error()) {
    return ruleset.error();
  }
  Descriptor rules;
  if (ruleset.value() >= 0) {
    rules.reset(::fcntl(ruleset.value(), F_DUPFD_CLOEXEC, above));
    ::close(ruleset.value());
  }

  Launch launch;
  launch.program = program.value().c_str();
  launch.arguments = argument_pointers.data();
  launch.environment = environment_pointers.data();
  launch.directory = options.directory.empty() ? "/" : options.directory.c_str();
  launch.handed = handed.data();
  launch.handed_count = static_cast<int>(handed.size());
  launch.private_tmp = private_tmp ? &*private_tmp : nullptr;
  launch.ruleset = rules.get();
  launch.report = report.get();
  launch.parent = ::getpid();
  {
    // A handler of the daemon's must not run in the child.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    auto held = Children::of_daemon().hold();
    const pid_t child = ::fork();
    if (child == 0) {
      become(launch);
    }
    const int failed = errno;
    if (child > 0) {
      Children::of_daemon().add(child);
    }
    held.unlock();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (child < 0) {
      return system_error("no new process", failed);
    }
    pid_ = child;
    family_.leader = child;
    family_.temporary = options.temporary;
  }
  write_ends[0].reset();
  write_ends[1].reset();
  report.reset();
  Failure failure{};
  ssize_t got = 0;
  do {
    got = ::read(read_ends[2].get(), &failure, sizeof(failure));
  } while (got < 0 && errno == EINTR);
  if (got != 0) {
    reap(true);
    return got == static_cast<ssize_t>(sizeof(failure)) ? launch_error(failure, options, program.value())
                                                        : system_error("a process did not start", EIO);
  }
  Descriptor ended(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (ended.get() < 0) {
    const int failed = errno;
    signal_group(SIGKILL);
    reap(true);
    return system_error("pidfd_open", failed);
  }
  if (private_tmp) {
    family_.mount_namespace = mount_namespace_of(pid_);
  }
  exit_.assign(ended.release());
  for (std::size_t index = 0; index < pipes_.size(); ++index) {
    ::fcntl(read_ends[index].get(), F_SETFL, O_NONBLOCK);
    pipes_[index].stream.assign(read_ends[index].release());
    wait_output(static_cast<OutputStream>(index));
  }
  wait_exit();
  return {};
}

bool Child::reap(bool wait) {
  const std::lock_guard lock(mutex_);
  if (reaped_) {
    return true;
  }
  siginfo_t info{};
  // Left as a zombie first: as long as it is one, nobody else can have the group's number.
  const int options = WEXITED | WNOWAIT | (wait ? 0 : WNOHANG);
  while (::waitid(P_PID, static_cast<id_t>(pid_), &info, options) != 0) {
    if (errno != EINTR) {
      reaped_ = true;  // somebody else has
      Children::of_daemon().remove(pid_);
      return true;
    }
  }
  if (info.si_pid == 0) {
    return false;
  }
  family_.kill();
  ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED);
  Children::of_daemon().remove(pid_);
  reaped_ = true;
  status_ = {info.si_code != CLD_EXITED, info.si_status};
  return true;
}

void Child::tell(OutputStream which) {
  const std::shared_ptr<bool> alive = alive_;
  std::string line;
  while (*alive && pipe(which).lines.next(line)) {
    if (events_.line) {
      events_.line(which, line);
    }
  }
}

bool Child::read_output(OutputStream which) {
  std::array<char, std::size_t{32} << 10U> block;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  Pipe& from = pipe(which);
  const ssize_t got = ::read(from.stream.native_handle(), block.data(), block.size());
  if (got > 0) {
    from.lines.add(std::string_view(block.data(), static_cast<std::size_t>(got)), worker_.wheel().now());
    return true;
  }
  return got < 0 && errno == EINTR;
}

void Child::wait_output(OutputStream which) {
  pipe(which).stream.async_wait(asio::posix::descriptor_base::wait_read,
                                [this, which, alive = alive_](const boost::system::error_code& failed) {
                                  if (!*alive || failed) {
                                    return;
                                  }
                                  const bool more = read_output(which);
                                  const bool would_block = !more && errno == EAGAIN;
                                  if (!more && !would_block) {
                                    pipe(which).lines.end();
                                  }
                                  tell(which);
                                  if (*alive && (more || would_block)) {
                                    wait_output(which);
                                  }
                                });
}

void Child::wait_exit() {
  exit_.async_wait(asio::posix::descriptor_base::wait_read,
                   [this, alive = alive_](const boost::system::error_code& failed) {
                     if (*alive && !failed) {
                       finish();
                     }
                   });
}

void Child::finish() {
  if (!reap(false)) {
    wait_exit();
    return;
  }
  kill_timer_.disarm();
  const std::shared_ptr<bool> alive = alive_;
  for (const OutputStream which : {OutputStream::standard_output, OutputStream::standard_error}) {
    if (!*alive) {
      return;
    }
    // What is in the pipe is its last word; who left its group and still holds the pipe is not waited for.
    constexpr int most_blocks = 256;
    for (int block = 0; block < most_blocks && pipe(which).stream.is_open() && read_output(which); ++block) {
    }
    pipe(which).lines.end();
    tell(which);
    if (*alive) {
      boost::system::error_code ignored;
      pipe(which).stream.close(ignored);
    }
  }
  if (*alive && events_.exited) {
    const ExitStatus status = status_;
    const auto exited = std::move(events_.exited);
    exited(status);
  }
}

}  // namespace

std::string ExitStatus::text() const {
  if (!signalled) {
    return "exit code " + std::to_string(number);
  }
  const char* const name = ::sigabbrev_np(number);
  return "signal " + (name == nullptr ? std::to_string(number) : "SIG" + std::string(name));
}

std::string program_path() {
  const char* const own = std::getenv("PATH");
  return own == nullptr || *own == '\0' ? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
                                        : own;
}

void set_variable(Variables& environment, std::string_view name, std::string value) {
  for (auto& [known, its_value] : environment) {
    if (known == name) {
      its_value = std::move(value);
      return;
    }
  }
  environment.emplace_back(name, std::move(value));
}

Variables base_environment(const std::string& directory, const std::string& temporary) {
  Variables out{{"PATH", program_path()}, {"HOME", directory}, {"LANG", "C.UTF-8"}, {"TMPDIR", temporary}};
  if (const char* const zone = std::getenv("TZ")) {
    out.emplace_back("TZ", zone);
  }
  return out;
}

Result<std::string> find_program(const std::string& name, std::string_view path) {
  const auto usable = [](const std::string& file) {
    struct stat found = {};
    return ::stat(file.c_str(), &found) == 0 && S_ISREG(found.st_mode) && ::access(file.c_str(), X_OK) == 0;
  };
  if (name.find('/') != std::string::npos) {
    return name;  // exec says what is wrong with it, from the child's directory
  }
  while (!path.empty() && !name.empty()) {
    const std::size_t colon = std::min(path.find(':'), path.size());
    std::string file = std::string(path.substr(0, colon)) + "/" + name;
    if (colon != 0 && usable(file)) {
      return file;
    }
    path.remove_prefix(std::min(colon + 1, path.size()));
  }
  Error error = config_error("the program " + name + " is not in PATH");
  error.code = ErrorCode::not_found;
  return error;
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(Worker& worker, const ProcessOptions& options,
                                                          ProcessEvents events) {
  auto child = std::make_unique<Child>(worker, options, std::move(events));
  if (const Result<void> launched = child->launch(options); launched.has_error()) {
    return launched.error();
  }
  return std::unique_ptr<ChildProcess>(std::move(child));
}

}  // namespace sluice::net
