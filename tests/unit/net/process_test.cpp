#include "sluice/net/process.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/output_lines.hpp"

namespace sluice::net {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// One shell script and what came of it.
class Process : public testing::Test {
 public:
  ~Process() override { fs::remove_all(folder_); }

 protected:
  Process() {
    std::string pattern = (fs::temp_directory_path() / "sluice-process-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    options_.directory = folder_;
    options_.environment = base_environment(folder_, folder_);
  }

  Result<void> start(const std::string& script) {
    options_.arguments = {"/bin/sh", "-c", script};
    return start();
  }
  Result<void> start() {
    ProcessEvents events;
    events.line = [this](OutputStream stream, std::string_view line) {
      (stream == OutputStream::standard_output ? out_ : err_).emplace_back(line);
    };
    events.exited = [this](const ExitStatus& status) { status_ = status; };
    auto started = ChildProcess::start(worker_, options_, std::move(events));
    if (started.has_error()) {
      return started.error();
    }
    child_ = std::move(started.value());
    return {};
  }
  bool run_until(const std::function<bool()>& done) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done() && std::chrono::steady_clock::now() < until) {
      worker_.context().restart();
      worker_.context().run_one_for(std::chrono::milliseconds(50));
    }
    return done();
  }
  bool run_to_end() {
    return run_until([this] { return status_.has_value(); });
  }
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }

  Worker worker_{0};
  std::string folder_;
  ProcessOptions options_;
  std::unique_ptr<ChildProcess> child_;
  std::vector<std::string> out_;
  std::vector<std::string> err_;
  std::optional<ExitStatus> status_;
};

TEST_F(Process, SpeaksAndEnds) {
  ASSERT_TRUE(start("echo one; echo two >&2; printf three; exit 7"));
  ASSERT_TRUE(run_to_end());
  EXPECT_THAT(out_, ElementsAre("one", "three"));
  EXPECT_THAT(err_, ElementsAre("two"));
  EXPECT_EQ(status_->text(), "exit code 7");
  EXPECT_EQ(child_->resident_bytes(), 0U);
}

TEST_F(Process, InheritsNothing) {
  ::setenv("SLUICE_TEST_SECRET", "of-the-daemon", 1);
  const int open_one = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  options_.environment.emplace_back("MINE", "a b=c");
  ASSERT_TRUE(start("env; ls /proc/self/fd; pwd; ps -o sid= -p $$ 2>/dev/null; kill -l PIPE; trap"));
  ASSERT_TRUE(run_to_end());
  ::close(open_one);
  ::unsetenv("SLUICE_TEST_SECRET");
  const std::string all = testing::PrintToString(out_);
  EXPECT_THAT(all, HasSubstr("MINE=a b=c"));
  EXPECT_THAT(all, HasSubstr("HOME=" + folder_));
  EXPECT_THAT(all, Not(HasSubstr("of-the-daemon")));
  // 3 is the folder that ls looks at.
  for (int descriptor = 4; descriptor < 100; ++descriptor) {
    EXPECT_EQ(std::count(out_.begin(), out_.end(), std::to_string(descriptor)), 0) << descriptor;
  }
}

TEST_F(Process, HandsDescriptorsOver) {
  std::array<int, 2> pair{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
  std::array<int, 2> other{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, other.data()), 0);
  options_.descriptors = {pair[1], other[1]};
  ASSERT_TRUE(start("echo first >&3; echo second >&4"));
  ::close(pair[1]);
  ::close(other[1]);
  ASSERT_TRUE(run_to_end());
  std::array<char, 16> got{};
  EXPECT_EQ(::read(pair[0], got.data(), got.size()), 6);
  EXPECT_EQ(std::string(got.data()), "first\n");
  EXPECT_EQ(::read(other[0], got.data(), got.size()), 7);
  EXPECT_EQ(std::string(got.data()), "second\n");
  EXPECT_EQ(::read(other[0], got.data(), got.size()), 0);
  ::close(pair[0]);
  ::close(other[0]);
}

TEST_F(Process, StandardInputIsWhatItIsGiven) {
  options_.standard_input = ::open(write("input", "from a file\n").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_TRUE(start("cat"));
  ::close(options_.standard_input);
  ASSERT_TRUE(run_to_end());
  EXPECT_THAT(out_, ElementsAre("from a file"));
}

TEST_F(Process, MistakesOfTheStart) {
  options_.arguments = {"no-such-program-of-sluice"};
  Result<void> started = start();
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().detail, HasSubstr("no-such-program-of-sluice is not in PATH"));
  EXPECT_EQ(started.error().code, ErrorCode::not_found);

  options_.arguments = {folder_ + "/absent"};
  started = start();
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().detail, HasSubstr("cannot be run: No such file"));

  options_.directory = folder_ + "/absent";
  started = start("true");
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().detail, HasSubstr("cannot be entered"));
}

TEST_F(Process, TheWholeGroupIsKilled) {
  ASSERT_TRUE(start("sleep 1000 & echo $!; wait"));
  ASSERT_TRUE(run_until([this] { return !out_.empty(); }));
  const pid_t grandchild = std::stoi(out_[0]);
  ASSERT_EQ(::kill(grandchild, 0), 0);
  child_->signal_group(SIGKILL);
  ASSERT_TRUE(run_to_end());
  EXPECT_EQ(status_->text(), "signal SIGKILL");
  const auto gone = [&] {
    std::ifstream state("/proc/" + std::to_string(grandchild) + "/stat");
    std::string text;
    return !std::getline(state, text) || text.find(") Z ") != std::string::npos;
  };
  EXPECT_TRUE(run_until(gone));
}

TEST_F(Process, WhatTheLeaderLeavesBehindIsKilled) {
  ASSERT_TRUE(start("sleep 1000 & echo $!"));
  ASSERT_TRUE(run_to_end());
  EXPECT_EQ(status_->text(), "exit code 0");
  const pid_t grandchild = std::stoi(out_.at(0));
  EXPECT_TRUE(run_until([&] {
    std::ifstream state("/proc/" + std::to_string(grandchild) + "/stat");
    std::string text;
    return !std::getline(state, text) || text.find(") Z ") != std::string::npos;
  }));
}

/// What `pid` is doing; 'X': it is not there.
char state_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const std::size_t name_end = text.rfind(')');
  return name_end == std::string::npos ? 'X' : text.at(name_end + 2);
}

class Orphans : public Process {
 public:
  ~Orphans() override { ::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0); }

 protected:
  Orphans() { adopt_orphans(); }
  /// Starts a script that says, a line each, the numbers of what it has left behind.
  void start_family(const std::string& script, std::size_t members) {
    ASSERT_TRUE(start(script));
    ASSERT_TRUE(run_until([&] { return out_.size() == members || status_; }));
    for (const std::string& line : out_) {
      family_.push_back(std::stoi(line));
      ASSERT_NE(state_of(family_.back()), 'X');
    }
    ASSERT_EQ(family_.size(), members);
  }
  bool all_gone() {
    return run_until([&] {
      reap_orphans();
      return std::all_of(family_.begin(), family_.end(), [](pid_t pid) { return state_of(pid) == 'X'; });
    });
  }
  std::vector<pid_t> family_;
};

constexpr const char* leaves_its_session =
    "setsid sh -c 'echo $$; exec sleep 1000' & "                             // a child elsewhere
    "(setsid sh -c 'sleep 1000 & echo $!; echo $$; exec sleep 1000' &) ; ";  // nobody's child

TEST_F(Orphans, WhoLeftTheGroupIsKilledWithIt) {
  options_.temporary = folder_;
  start_family(std::string(leaves_its_session) + "exec sleep 1000", 3);
  EXPECT_THAT(child_->descendants(), testing::IsSupersetOf(family_));
  child_->signal_group(SIGKILL);
  EXPECT_TRUE(all_gone());
}

TEST_F(Orphans, WhoIsLeftBehindIsKilled) {
  options_.temporary = folder_;
  start_family(std::string(leaves_its_session) + "sleep 0.4; exit 3", 3);
  ASSERT_TRUE(run_to_end());
  EXPECT_TRUE(all_gone());
}

TEST_F(Orphans, WhoLeftItsGroupEndsWithTheObject) {
  options_.temporary = folder_;
  start_family(std::string(leaves_its_session) + "exec sleep 1000", 3);
  child_.reset();
  EXPECT_TRUE(all_gone());
}

TEST_F(Orphans, NobodyElseIsKilled) {
  options_.temporary = folder_ + "/one";
  start_family("(env TMPDIR=/elsewhere setsid sh -c 'echo $$; exec sleep 1000' &); sleep 0.4", 1);
  ASSERT_TRUE(run_to_end());
  // An orphan that cannot be told is left alone, and reaped when it ends.
  EXPECT_EQ(state_of(family_.front()), 'S');
  ::kill(family_.front(), SIGKILL);
  EXPECT_TRUE(all_gone());
}

TEST_F(Orphans, AStormOfForksEnds) {
  options_.temporary = folder_;
  options_.lines_per_second = 100000;
  options_.environment.emplace_back("N", "0");
  write("storm", "n=0; while [ $n -lt 2000 ]; do n=$((n+1)); (setsid sleep 1000 &); done; echo end");
  ASSERT_TRUE(start("for i in 1 2 3 4; do sh ./storm & done; wait"));
  ASSERT_TRUE(run_until([&] { return child_->descendants().size() > 50; }));
  child_->signal_group(SIGKILL);
  ASSERT_TRUE(run_to_end());
  EXPECT_TRUE(run_until([&] {
    reap_orphans();
    std::ifstream children("/proc/self/task/" + std::to_string(::getpid()) + "/children");
    return children.peek() == std::ifstream::traits_type::eof();
  }));
}

TEST_F(Process, StopIsGentleFirst) {
  ASSERT_TRUE(start("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done"));
  ASSERT_TRUE(run_until([this] { return !out_.empty(); }));
  child_->stop(std::chrono::seconds(10));
  ASSERT_TRUE(run_to_end());
  EXPECT_THAT(out_, ElementsAre("up", "bye"));
  EXPECT_EQ(status_->text(), "exit code 3");
}

TEST_F(Process, StopInsists) {
  ASSERT_TRUE(start("trap '' TERM; echo up; while :; do sleep 0.05; done"));
  ASSERT_TRUE(run_until([this] { return !out_.empty(); }));
  child_->stop(std::chrono::milliseconds(100));
  ASSERT_TRUE(run_to_end());
  EXPECT_EQ(status_->text(), "signal SIGKILL");
}

TEST_F(Process, DestroyedWhileItRunsItIsGone) {
  ASSERT_TRUE(start("sleep 1000"));
  const pid_t pid = child_->pid();
  child_.reset();
  EXPECT_EQ(::kill(pid, 0), -1);
  EXPECT_FALSE(status_.has_value());
}

TEST_F(Process, ItsMemoryIsSeen) {
  ASSERT_TRUE(start("sleep 1000 & echo up; wait"));
  ASSERT_TRUE(run_until([this] { return !out_.empty(); }));
  EXPECT_GT(child_->resident_bytes(), 50'000U);
  EXPECT_LT(child_->resident_bytes(), std::uint64_t{50} << 20U);
}

TEST_F(Process, AFloodIsBounded) {
  options_.lines_per_second = 100;
  options_.line_bytes = 20;
  ASSERT_TRUE(start("yes 12345678901234567890123 | head -n 5000"));
  ASSERT_TRUE(run_to_end());
  ASSERT_GE(out_.size(), 100U);
  EXPECT_LT(out_.size(), 1500U);
  EXPECT_EQ(out_.front(), "12345678901234567890 (cut)");
  EXPECT_THAT(out_.back(), HasSubstr("lines were dropped"));
}

TEST_F(Process, TheSandboxHoldsFiles) {
  if (landlock_version() == 0) {
    GTEST_SKIP() << "this kernel has no Landlock";
  }
  fs::create_directories(folder_ + "/own/sub");
  write("secret", "outside\n");
  write("own/open", "inside\n");
  write("own/hidden.yaml", "configuration\n");
  write("own/sub/deep", "deep\n");
  fs::create_symlink("hidden.yaml", folder_ + "/own/link");
  options_.directory = folder_ + "/own";
  options_.sandbox = {
      .enabled = true, .read = {}, .write = {folder_ + "/own"}, .hidden = {folder_ + "/own/hidden.yaml"}};
  ASSERT_TRUE(start(
      "cat open sub/deep; cat ../secret hidden.yaml link /etc/shadow; echo new > sub/made; cat sub/made; "
      "echo no > made; ls /root; ln hidden.yaml sub/stolen; mv hidden.yaml sub/stolen; "
      "cat /proc/$PPID/environ; kill -0 $PPID; cat /proc/self/status > /dev/null && echo end"));
  ASSERT_TRUE(run_to_end());
  EXPECT_THAT(out_, ElementsAre("inside", "deep", "new", "end"));
  EXPECT_EQ(std::ifstream(folder_ + "/own/hidden.yaml").good(), true);
}

TEST_F(Process, TheSandboxReadsWhatMayOnlyBeRead) {
  if (landlock_version() == 0) {
    GTEST_SKIP() << "this kernel has no Landlock";
  }
  write("code", "text\n");
  options_.sandbox = {.enabled = true, .read = {folder_}, .write = {folder_ + "/absent"}, .hidden = {}};
  ASSERT_TRUE(start("cat code; echo more >> code; rm code; cat code"));
  ASSERT_TRUE(run_to_end());
  EXPECT_THAT(out_, ElementsAre("text", "text"));
}

TEST(OutputLines, LinesAreBounded) {
  OutputLines lines(8, 3);
  SteadyTime now{std::chrono::seconds(100)};
  std::string line;
  lines.add("one\r\ntw", now);
  ASSERT_TRUE(lines.next(line));
  EXPECT_EQ(line, "one");
  EXPECT_FALSE(lines.next(line));
  lines.add("o\n123456789\n\n4\n5\n", now);
  std::vector<std::string> all;
  while (lines.next(line)) {
    all.push_back(line);
  }
  EXPECT_THAT(all, ElementsAre("two", "12345678 (cut)"));
  lines.add("6\n", now + std::chrono::seconds(1));
  lines.add("7", now + std::chrono::seconds(1));
  lines.end();
  lines.end();
  all.clear();
  while (lines.next(line)) {
    all.push_back(line);
  }
  EXPECT_THAT(all, ElementsAre("(3 lines were dropped: too many a second)", "6", "7"));
}

TEST(FindProgram, LooksThroughThePath) {
  EXPECT_EQ(find_program("sh", "/nowhere:/bin").value(), "/bin/sh");
  EXPECT_EQ(find_program("./x", "").value(), "./x");
  EXPECT_FALSE(find_program("sh", "/nowhere::"));
  EXPECT_FALSE(find_program("", "/bin"));
}

}  // namespace
}  // namespace sluice::net
