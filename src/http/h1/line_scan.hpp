/// The line structure of a head: CRLF only, no folded lines, lengths within limits. Runs before any grammar,
/// so that a verdict does not depend on how the bytes were split into reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace sluice::http::h1 {

enum class LineScan : std::uint8_t { line, end, need_more, bad_ending, folded, line_too_long, head_too_long };

struct LineLimits {
  std::size_t line_bytes;  ///< without CRLF
  std::size_t head_bytes;  ///< from `start`, the final CRLF included
};

/// Looks for the end of the line that starts at `line`; `searched` remembers how far it looked. On `line` and
/// `end` (the empty line) both are set to the next line's start. `start`: of the head.
inline LineScan scan_line(std::string_view data, std::size_t start, std::size_t& line, std::size_t& searched,
                          const LineLimits& limits) noexcept {
  const auto* feed =
      searched < data.size()
          ? static_cast<const char*>(std::memchr(data.data() + searched, '\n', data.size() - searched))
          : nullptr;
  const std::size_t stop = feed != nullptr ? static_cast<std::size_t>(feed - data.data()) : data.size();
  const bool ends_in_return = stop > line && data[stop - 1] == '\r';
  const std::size_t content = stop - line - (ends_in_return ? 1 : 0);
  const std::size_t taken = stop - start + (feed != nullptr ? 1 : 0);
  if (content > limits.line_bytes || taken > limits.head_bytes) {
    const bool line_first = line - start + limits.line_bytes < limits.head_bytes;
    return content > limits.line_bytes && line_first ? LineScan::line_too_long : LineScan::head_too_long;
  }
  if (stop > line && (data[line] == ' ' || data[line] == '\t')) {
    return LineScan::folded;
  }
  if (feed == nullptr) {
    searched = data.size();
    return LineScan::need_more;
  }
  if (!ends_in_return) {
    return LineScan::bad_ending;
  }
  line = searched = stop + 1;
  return content == 0 ? LineScan::end : LineScan::line;
}

}  // namespace sluice::http::h1
