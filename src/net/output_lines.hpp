/// Output of a process as lines, bounded in length and in number a second.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

#include "sluice/base/clock.hpp"

namespace sluice::net {

/// Single-threaded. Holds one line, and those that were not taken yet.
class OutputLines {
 public:
  OutputLines(std::size_t line_bytes, std::size_t lines_per_second)
      : line_bytes_(line_bytes),
        rate_(static_cast<double>(lines_per_second)),
        tokens_(static_cast<double>(lines_per_second)) {}

  void add(std::string_view bytes, SteadyTime now);
  /// No more bytes come: what stands without a line feed is a line, too.
  void end();
  /// The next line; false: none is complete.
  bool next(std::string& line);

 private:
  void take(std::string_view part);
  void complete();

  std::size_t line_bytes_;
  double rate_;
  double tokens_;
  SteadyTime filled_{};
  std::string line_;
  bool cut_ = false;
  bool open_ = false;  ///< bytes came since the last line feed
  std::size_t dropped_ = 0;
  std::deque<std::string> lines_;
};

}  // namespace sluice::net
