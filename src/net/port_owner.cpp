#include "sluice/net/port_owner.hpp"

#include <dirent.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

namespace sluice::net {
namespace {

constexpr std::string_view blanks = " \t";

/// The next word of a line, or "".
std::string_view next_word(std::string_view& line) {
  const std::size_t start = std::min(line.find_first_not_of(blanks), line.size());
  const std::size_t end = std::min(line.find_first_of(blanks, start), line.size());
  const std::string_view word = line.substr(start, end - start);
  line.remove_prefix(end);
  return word;
}

template <typename Number>
std::optional<Number> number_of(std::string_view text, int base) {
  Number number = 0;
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto read = std::from_chars(begin, end, number, base);
  return read.ec == std::errc() && read.ptr == end ? std::optional(number) : std::nullopt;
}

/// As the kernel writes addresses there: words of four bytes, each a number of this machine's.
template <typename Address>
std::string in_table(const Address& address) {
  std::string text;
  std::array<char, 9> word{};
  for (std::size_t at = 0; at < sizeof(address); at += sizeof(std::uint32_t)) {
    std::uint32_t number = 0;
    std::memcpy(&number, reinterpret_cast<const char*>(&address) + at, sizeof(number));
    static_cast<void>(std::snprintf(word.data(), word.size(), "%08X", number));
    text += word.data();
  }
  return text;
}

std::optional<std::string> text_of(const char* file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    return std::nullopt;
  }
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

/// Whether the process has one of these sockets; nullopt where its descriptors cannot be seen.
std::optional<bool> holds(pid_t process, const std::vector<std::uint64_t>& inodes) {
  const std::string folder = "/proc/" + std::to_string(process) + "/fd";
  DIR* const open = ::opendir(folder.c_str());
  if (open == nullptr) {
    return errno == ENOENT ? std::optional(false) : std::nullopt;
  }
  bool found = false;
  bool readable = true;
  while (const dirent* entry = ::readdir(open)) {
    std::array<char, 64> target{};
    const ssize_t size = ::readlinkat(::dirfd(open), entry->d_name, target.data(), target.size());
    readable = readable && (size >= 0 || errno != EACCES);
    std::string_view text(target.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    constexpr std::string_view prefix = "socket:[";
    if (!text.starts_with(prefix) || !text.ends_with(']')) {
      continue;
    }
    text.remove_prefix(prefix.size());
    text.remove_suffix(1);
    const auto inode = number_of<std::uint64_t>(text, 10);
    found = found || (inode && std::find(inodes.begin(), inodes.end(), *inode) != inodes.end());
  }
  ::closedir(open);
  return found || readable ? std::optional(found) : std::nullopt;
}

/// Of the sockets that could take a connect, those of the most specific address do.
std::vector<std::uint64_t> who_answers(const std::optional<std::string>& tcp4,
                                       const std::optional<std::string>& tcp6, std::uint16_t port, bool v6) {
  in_addr loopback4{};
  loopback4.s_addr = htonl(INADDR_LOOPBACK);
  in6_addr mapped{};
  constexpr std::size_t mapped_prefix = 12;
  std::fill_n(mapped.s6_addr + mapped_prefix - 2, 2, std::uint8_t{0xFF});
  std::memcpy(mapped.s6_addr + mapped_prefix, &loopback4, sizeof(loopback4));
  std::vector<std::uint64_t> found;
  const auto look = [&](const std::optional<std::string>& table, const std::string& address) {
    if (found.empty() && table) {
      found = listening_inodes(*table, address, port);
    }
  };
  if (v6) {
    look(tcp6, in_table(in6addr_loopback));
  } else {
    look(tcp4, in_table(loopback4));
    look(tcp6, in_table(mapped));
    look(tcp4, in_table(in_addr{}));
  }
  look(tcp6, in_table(in6addr_any));
  return found;
}

}  // namespace

std::vector<std::uint64_t> listening_inodes(std::string_view table, std::string_view address,
                                            std::uint16_t port) {
  constexpr std::string_view listens = "0A";
  constexpr int between = 5;  // queues, timer, retransmits, user, timeout
  std::vector<std::uint64_t> inodes;
  while (!table.empty()) {
    std::string_view line = table.substr(0, table.find('\n'));
    table.remove_prefix(std::min(line.size() + 1, table.size()));
    next_word(line);
    const std::string_view local = next_word(line);
    next_word(line);
    const std::string_view state = next_word(line);
    const std::size_t colon = local.find(':');
    if (state != listens || colon == std::string_view::npos || local.substr(0, colon) != address ||
        number_of<std::uint16_t>(local.substr(colon + 1), 16) != port) {
      continue;
    }
    for (int word = 0; word < between; ++word) {
      next_word(line);
    }
    if (const auto inode = number_of<std::uint64_t>(next_word(line), 10)) {
      inodes.push_back(*inode);
    }
  }
  return inodes;
}

PortOwner owner_of_port(std::uint16_t port, bool v6, const std::vector<pid_t>& processes) {
  const std::optional<std::string> tcp4 = text_of("/proc/net/tcp");
  const std::optional<std::string> tcp6 = text_of("/proc/net/tcp6");
  if (!tcp4 && !tcp6) {
    return PortOwner::unknown;
  }
  const std::vector<std::uint64_t> inodes = who_answers(tcp4, tcp6, port, v6);
  if (inodes.empty()) {
    return PortOwner::nobody;
  }
  PortOwner owner = PortOwner::another;
  for (const pid_t process : processes) {
    const std::optional<bool> held = holds(process, inodes);
    if (held.value_or(false)) {
      return PortOwner::theirs;
    }
    if (!held) {
      owner = PortOwner::unknown;
    }
  }
  return owner;
}

}  // namespace sluice::net
