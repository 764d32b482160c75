#include "systemd.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace sluice::server {

namespace {

/// The first descriptor of sd_listen_fds(3).
constexpr int first_inherited = 3;

std::string take_environment(const char* name) {
  const char* value = std::getenv(name);
  std::string copy = value == nullptr ? "" : value;
  ::unsetenv(name);
  return copy;
}

template <class Number>
std::optional<Number> to_number(const std::string& text) {
  Number value{};
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size() ? std::optional(value)
                                                                             : std::nullopt;
}

}  // namespace

ServiceManager::ServiceManager() : notify_socket_(take_environment("NOTIFY_SOCKET")) {
  const std::string interval = take_environment("WATCHDOG_USEC");
  const std::string watched = take_environment("WATCHDOG_PID");
  const std::string count = take_environment("LISTEN_FDS");
  const std::string target = take_environment("LISTEN_PID");
  std::string names = take_environment("LISTEN_FDNAMES");
  if (const auto usec = to_number<std::int64_t>(interval);
      usec && *usec > 0 && (watched.empty() || to_number<pid_t>(watched) == ::getpid())) {
    watchdog_ = std::chrono::microseconds(*usec) / 2;
  }
  const auto sockets = to_number<int>(count);
  if (!sockets || *sockets <= 0 || to_number<pid_t>(target) != ::getpid()) {
    return;
  }
  for (int index = 0; index < std::min(*sockets, 1024); ++index) {
    InheritedSocket inherited;
    inherited.descriptor = first_inherited + index;
    const std::size_t colon = names.find(':');
    inherited.name = names.substr(0, colon);
    names = colon == std::string::npos ? "" : names.substr(colon + 1);
    if (::fcntl(inherited.descriptor, F_SETFD, FD_CLOEXEC) == 0) {
      sockets_.push_back(std::move(inherited));
    }
  }
}

void ServiceManager::notify(std::string_view state) const {
  if (notify_socket_.empty() || notify_socket_.size() >= sizeof(sockaddr_un::sun_path)) {
    return;
  }
  const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) {
    return;
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, notify_socket_.data(), notify_socket_.size());
  if (address.sun_path[0] == '@') {
    address.sun_path[0] = '\0';  // the abstract name space
  }
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + notify_socket_.size());
  static_cast<void>(::sendto(descriptor, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                             reinterpret_cast<const sockaddr*>(&address), size));
  ::close(descriptor);
}

void ServiceManager::notify_reloading() const {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto usec = static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
  notify("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(usec));
}

}  // namespace sluice::server
