/// Time: a clock that tests can turn, and the formats of time that the wire and the logs use. All times are
/// UTC.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace sluice {

using SteadyTime = std::chrono::steady_clock::time_point;
using SystemTime = std::chrono::system_clock::time_point;
using Duration = std::chrono::nanoseconds;

/// Thread-safe. The real one is Clock::real().
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual SteadyTime steady() const = 0;
  [[nodiscard]] virtual SystemTime system() const = 0;
  static const Clock& real();
};

/// IMF-fixdate, RFC 9110 section 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT".
std::string format_http_date(SystemTime time);
/// RFC 3339 section 5.6, with any number of fraction digits (what is below a nanosecond is dropped) and any
/// offset; nullopt for anything else, and for years before 1970 or after 2200.
std::optional<SystemTime> parse_rfc3339(std::string_view text);
/// RFC 3339 with milliseconds: "2027-01-04T10:00:00.123Z".
std::string format_rfc3339(SystemTime time);
/// CLF, day not padded (events.md): "4/Jan/2027:10:00:00 +0000".
std::string format_clf(SystemTime time);

}  // namespace sluice
