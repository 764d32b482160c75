#include "process.hpp"

#include <dirent.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>

#include "sluice/server/version.hpp"

namespace sluice::server {

namespace {

double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  file >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double virtual_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t total = 0;
  file >> total;
  return static_cast<double>(total) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double open_files() {
  DIR* folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) {
    return 0;
  }
  int count = 0;
  while (const dirent* entry = ::readdir(folder)) {
    count += entry->d_name[0] == '.' ? 0 : 1;
  }
  ::closedir(folder);
  return count - 1;  // the folder's own
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double file_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<double>(limit.rlim_cur);
}

}  // namespace

std::uint64_t raise_file_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return 1024;
  }
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) {
      limit = raised;
    }
  }
  return limit.rlim_cur;
}

void hide_process() noexcept {
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void register_process_metrics(MetricsRegistry& registry) {
  const auto now = std::chrono::duration<double>(Clock::real().system().time_since_epoch()).count();
  registry.gauge("process_start_time_seconds", "Start of the process, Unix time.", {}, {},
                 [now] { return now; });
  registry.gauge("process_resident_memory_bytes", "Resident memory.", {}, {}, resident_bytes);
  registry.gauge("process_virtual_memory_bytes", "Virtual memory.", {}, {}, virtual_bytes);
  registry.gauge("process_open_fds", "Open file descriptors.", {}, {}, open_files);
  registry.gauge("process_max_fds", "Limit of open file descriptors.", {}, {}, file_limit);
  registry.gauge("process_cpu_seconds_total", "User and system time.", {}, {}, cpu_seconds);
  registry.gauge("sluice_build_info", "1; version and build are the labels.", {"version", "build"},
                 {std::string(version_text()), build_text()}, [] { return 1.0; });
}

}  // namespace sluice::server
