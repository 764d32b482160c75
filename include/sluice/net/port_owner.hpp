/// Whose a listening TCP port is, by /proc (proc(5)): a port that was handed to a child may have been taken
/// by a stranger before the child came to it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string_view>
#include <vector>

namespace sluice::net {

enum class PortOwner : std::uint8_t {
  nobody,   ///< nothing listens there any more
  theirs,   ///< one of the processes asked about
  another,  ///< none of them
  unknown,  ///< /proc does not tell: it cannot be read, or not of all of them
};

/// Who answers connects to 127.0.0.1 (`v6`: ::1) at that port, as far as it is one of `processes`. Reads
/// /proc/net and the processes' descriptors: for the start of a process, not for a request.
PortOwner owner_of_port(std::uint16_t port, bool v6, const std::vector<pid_t>& processes);

/// Inodes of the sockets in the text of /proc/net/tcp or tcp6 that listen at that port on `address`, which is
/// written as there: hexadecimal, 8 or 32 digits. Lines that are none are passed over.
std::vector<std::uint64_t> listening_inodes(std::string_view table, std::string_view address,
                                            std::uint16_t port);

}  // namespace sluice::net
