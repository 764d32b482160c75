#include "sluice/base/clock.hpp"

#include <array>
#include <charconv>
#include <ctime>

#include <fmt/format.h>

namespace sluice {
namespace {

class RealClock final : public Clock {
 public:
  [[nodiscard]] SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
  [[nodiscard]] SystemTime system() const override { return std::chrono::system_clock::now(); }
};

constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

std::tm broken_down(SystemTime time) {
  const std::time_t seconds =
      std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(time));
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return parts;
}

constexpr int first_year = 1970;
constexpr int last_year = 2200;

/// The digits of `text` from `at` on, `count` of them, as a number in [min, max].
bool read_number(std::string_view text, std::size_t at, std::size_t count, int min, int max, int& out) {
  if (text.size() < at + count) {
    return false;
  }
  const char* const begin = text.data() + at;
  const auto parsed = std::from_chars(begin, begin + count, out);
  return parsed.ec == std::errc{} && parsed.ptr == begin + count && *begin != '-' && out >= min && out <= max;
}

/// "+03:00" as seconds to take away.
std::optional<std::chrono::seconds> read_offset(std::string_view text) {
  if (text == "Z" || text == "z") {
    return std::chrono::seconds(0);
  }
  int hours = 0;
  int minutes = 0;
  constexpr std::size_t size = 6;
  if (text.size() != size || (text[0] != '+' && text[0] != '-') || text[3] != ':' ||
      !read_number(text, 1, 2, 0, 23, hours) || !read_number(text, 4, 2, 0, 59, minutes)) {
    return std::nullopt;
  }
  const std::chrono::seconds offset = std::chrono::hours(hours) + std::chrono::minutes(minutes);
  return text[0] == '-' ? -offset : offset;
}

}  // namespace

const Clock& Clock::real() {
  static const RealClock clock;
  return clock;
}

std::string format_http_date(SystemTime time) {
  const std::tm parts = broken_down(time);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT",
                     days.at(static_cast<std::size_t>(parts.tm_wday)), parts.tm_mday,
                     months.at(static_cast<std::size_t>(parts.tm_mon)), parts.tm_year + 1900, parts.tm_hour,
                     parts.tm_min, parts.tm_sec);
}

std::optional<SystemTime> parse_rfc3339(std::string_view text) {
  int year = 0;
  int month = 0;
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  constexpr std::size_t date_time = 19;
  if (text.size() <= date_time || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') ||
      text[13] != ':' || text[16] != ':' || !read_number(text, 0, 4, first_year, last_year, year) ||
      !read_number(text, 5, 2, 1, 12, month) || !read_number(text, 8, 2, 1, 31, day) ||
      !read_number(text, 11, 2, 0, 23, hour) || !read_number(text, 14, 2, 0, 59, minute) ||
      !read_number(text, 17, 2, 0, 60, second)) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (!date.ok()) {
    return std::nullopt;
  }
  text.remove_prefix(date_time);
  std::chrono::nanoseconds fraction{0};
  if (text.front() == '.') {
    std::chrono::nanoseconds unit = std::chrono::milliseconds(100);
    std::size_t digits = 1;
    for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
      fraction += unit * (text[digits] - '0');
      unit /= 10;
    }
    if (digits == 1) {
      return std::nullopt;
    }
    text.remove_prefix(digits);
  }
  const std::optional<std::chrono::seconds> offset = read_offset(text);
  if (!offset) {
    return std::nullopt;
  }
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second) - *offset + std::chrono::duration_cast<SystemTime::duration>(fraction);
}

std::string format_rfc3339(SystemTime time) {
  const std::tm parts = broken_down(time);
  const auto since =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count() % 1000;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, since);
}

std::string format_clf(SystemTime time) {
  const std::tm parts = broken_down(time);
  return fmt::format("{}/{}/{}:{:02}:{:02}:{:02} +0000", parts.tm_mday,
                     months.at(static_cast<std::size_t>(parts.tm_mon)), parts.tm_year + 1900, parts.tm_hour,
                     parts.tm_min, parts.tm_sec);
}

}  // namespace sluice
