#include "output_lines.hpp"

#include <algorithm>
#include <chrono>

namespace sluice::net {

void OutputLines::take(std::string_view part) {
  open_ = true;
  const std::size_t room = line_bytes_ - std::min(line_.size(), line_bytes_);
  cut_ = cut_ || part.size() > room;
  line_.append(part.substr(0, room));
}

void OutputLines::complete() {
  if (tokens_ < 1) {
    ++dropped_;
  } else {
    tokens_ -= 1;
    if (dropped_ > 0) {
      lines_.push_back("(" + std::to_string(dropped_) + " lines were dropped: too many a second)");
      dropped_ = 0;
    }
    if (line_.ends_with('\r')) {
      line_.pop_back();
    }
    lines_.push_back(line_ + (cut_ ? " (cut)" : ""));
  }
  line_.clear();
  cut_ = false;
  open_ = false;
}

void OutputLines::add(std::string_view bytes, SteadyTime now) {
  if (filled_ != SteadyTime{} && now > filled_) {
    const double passed = std::chrono::duration<double>(now - filled_).count();
    tokens_ = std::min(rate_, tokens_ + passed * rate_);
  }
  filled_ = now;
  while (!bytes.empty()) {
    const std::size_t feed = bytes.find('\n');
    take(bytes.substr(0, feed));
    if (feed == std::string_view::npos) {
      return;
    }
    complete();
    bytes.remove_prefix(feed + 1);
  }
}

void OutputLines::end() {
  if (open_) {
    complete();
  }
  if (dropped_ > 0) {
    lines_.push_back("(" + std::to_string(dropped_) + " lines were dropped: too many a second)");
    dropped_ = 0;
  }
}

bool OutputLines::next(std::string& line) {
  if (lines_.empty()) {
    return false;
  }
  line = std::move(lines_.front());
  lines_.pop_front();
  return true;
}

}  // namespace sluice::net
