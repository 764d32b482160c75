#include "hosts_file.hpp"

#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "sluice/base/codec.hpp"

namespace sluice::net {

namespace {

constexpr Duration look_interval = std::chrono::seconds(1);
constexpr std::streamsize max_file = std::streamsize{4} << 20U;

std::string_view next_word(std::string_view& line) {
  const std::size_t begin = line.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) {
    line = {};
    return {};
  }
  const std::size_t end = line.find_first_of(" \t\r", begin);
  const std::string_view word = line.substr(begin, end == std::string_view::npos ? end : end - begin);
  line = end == std::string_view::npos ? std::string_view() : line.substr(end);
  return word;
}

}  // namespace

const std::vector<IpAddress>& HostsFile::find(const std::string& name, SteadyTime now) {
  static const std::vector<IpAddress> none;
  look(now);
  const auto at = names_.find(name);
  return at == names_.end() ? none : at->second;
}

void HostsFile::look(SteadyTime now) {
  if (path_.empty() || (looked_ != SteadyTime{} && now - looked_ < look_interval)) {
    return;
  }
  looked_ = now;
  struct stat status{};
  if (::stat(path_.c_str(), &status) != 0) {
    names_.clear();
    version_ = {};
    return;
  }
  const Version version{status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ino, status.st_size};
  if (version == version_) {
    return;
  }
  version_ = version;
  names_.clear();
  if (status.st_size > max_file) {
    return;
  }
  std::ifstream file(path_, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  parse(text);
}

void HostsFile::parse(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    line = line.substr(0, line.find('#'));
    const std::string_view first = next_word(line);
    boost::system::error_code failed;
    const IpAddress address = boost::asio::ip::make_address(std::string(first), failed);
    if (failed) {
      continue;
    }
    for (std::string_view name = next_word(line); !name.empty(); name = next_word(line)) {
      names_[to_lower(name)].push_back(address);
    }
  }
}

}  // namespace sluice::net
