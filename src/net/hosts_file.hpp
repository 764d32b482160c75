// The hosts file: hosts(5).
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sluice/base/clock.hpp"
#include "sluice/net/ip_set.hpp"

namespace sluice::net {

/// Reads the file when it changed since the last look; looks once a second at most. Lines that it cannot read
/// are skipped. Single-threaded.
class HostsFile {
 public:
  explicit HostsFile(std::string path) : path_(std::move(path)) {}
  /// The addresses of a lower-case name in the order of the file; empty where it is not there.
  [[nodiscard]] const std::vector<IpAddress>& find(const std::string& name, SteadyTime now);

 private:
  void look(SteadyTime now);
  void parse(std::string_view text);
  std::string path_;
  std::unordered_map<std::string, std::vector<IpAddress>> names_;
  SteadyTime looked_{};
  // What tells one version of the file from another.
  struct Version {
    long long seconds = 0;
    long nanoseconds = 0;
    unsigned long long inode = 0;
    long long size = -1;
    bool operator==(const Version&) const = default;
  };
  Version version_;
};

}  // namespace sluice::net
