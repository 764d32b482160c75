#include "sluice/http/conditions.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <limits>

#include "sluice/base/codec.hpp"

namespace sluice::http {
namespace {

/// Takes a date apart from its front; every step says whether it fits.
class DateReader {
 public:
  explicit DateReader(std::string_view text) noexcept : text_(text) {}

  bool literal(std::string_view expected) noexcept {
    if (!text_.starts_with(expected)) {
      return false;
    }
    text_.remove_prefix(expected.size());
    return true;
  }
  bool number(std::size_t digits, int& out) noexcept {
    if (text_.size() < digits) {
      return false;
    }
    const std::string_view part = text_.substr(0, digits);
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), out);
    const bool fits = error == std::errc() && end == part.data() + part.size() && part.front() != '-';
    text_.remove_prefix(digits);
    return fits;
  }
  /// Any of the names; their index.
  template <std::size_t count>
  bool name(const std::array<std::string_view, count>& names, int& out) noexcept {
    for (std::size_t index = 0; index < count; ++index) {
      if (literal(names.at(index))) {
        out = static_cast<int>(index);
        return true;
      }
    }
    return false;
  }
  bool time(int& hour, int& minute, int& second) noexcept {
    return number(2, hour) && literal(":") && number(2, minute) && literal(":") && number(2, second);
  }
  [[nodiscard]] bool done() const noexcept { return text_.empty(); }

 private:
  std::string_view text_;
};

constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> long_days{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                    "Thursday", "Friday", "Saturday"};

struct Date {
  int year = 0;
  int month = 0;  ///< from 0
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
};

bool read_imf(std::string_view text, Date& date) noexcept {
  DateReader reader(text);
  int weekday = 0;
  return reader.name(days, weekday) && reader.literal(", ") && reader.number(2, date.day) &&
         reader.literal(" ") && reader.name(months, date.month) && reader.literal(" ") &&
         reader.number(4, date.year) && reader.literal(" ") &&
         reader.time(date.hour, date.minute, date.second) && reader.literal(" GMT") && reader.done();
}

bool read_rfc850(std::string_view text, int this_year, Date& date) noexcept {
  DateReader reader(text);
  int weekday = 0;
  if (!(reader.name(long_days, weekday) && reader.literal(", ") && reader.number(2, date.day) &&
        reader.literal("-") && reader.name(months, date.month) && reader.literal("-") &&
        reader.number(2, date.year) && reader.literal(" ") &&
        reader.time(date.hour, date.minute, date.second) && reader.literal(" GMT") && reader.done())) {
    return false;
  }
  constexpr int century = 100;
  constexpr int most_ahead = 50;
  date.year += this_year / century * century;
  if (date.year > this_year + most_ahead) {
    date.year -= century;
  }
  return true;
}

bool read_asctime(std::string_view text, Date& date) noexcept {
  DateReader reader(text);
  int weekday = 0;
  if (!(reader.name(days, weekday) && reader.literal(" ") && reader.name(months, date.month) &&
        reader.literal(" "))) {
    return false;
  }
  const bool day = reader.literal(" ") ? reader.number(1, date.day) : reader.number(2, date.day);
  return day && reader.literal(" ") && reader.time(date.hour, date.minute, date.second) &&
         reader.literal(" ") && reader.number(4, date.year) && reader.done();
}

/// Days since 1970-01-01 of the proleptic Gregorian calendar.
std::int64_t days_since_epoch(const Date& date) noexcept {
  using namespace std::chrono;
  const year_month_day day{year(date.year), month(static_cast<unsigned>(date.month) + 1),
                           std::chrono::day(static_cast<unsigned>(date.day))};
  return sys_days(day).time_since_epoch().count();
}

bool exists(const Date& date) noexcept {
  using namespace std::chrono;
  const year_month_day day{year(date.year), month(static_cast<unsigned>(date.month) + 1),
                           std::chrono::day(static_cast<unsigned>(date.day))};
  return day.ok() && date.hour < 24 && date.minute < 60 && date.second <= 60;
}

int year_of(std::int64_t seconds) noexcept {
  using namespace std::chrono;
  const sys_days day = floor<std::chrono::days>(sys_seconds(std::chrono::seconds(seconds)));
  return static_cast<int>(year_month_day(day).year());
}

/// The opaque tags of If-Match and If-None-Match, over all lines. `weak`: a weak comparison (RFC 9110 section
/// 8.8.3.2). A tag without quotes is taken, as S3 takes it.
bool lists(std::string_view list, std::string_view etag, bool weak) noexcept {
  const std::string_view bare =
      etag.size() >= 2 && etag.front() == '"' ? etag.substr(1, etag.size() - 2) : etag;
  while (!list.empty()) {
    const std::size_t start = list.find_first_not_of(" \t,");
    if (start == std::string_view::npos) {
      return false;
    }
    list.remove_prefix(start);
    bool is_weak = false;
    if (list.starts_with("W/")) {
      is_weak = true;
      list.remove_prefix(2);
    }
    std::string_view tag;
    if (list.starts_with('"')) {
      const std::size_t end = list.find('"', 1);
      if (end == std::string_view::npos) {
        return false;
      }
      tag = list.substr(1, end - 1);
      list.remove_prefix(end + 1);
    } else {
      tag = list.substr(0, list.find(','));
      list.remove_prefix(tag.size());
      tag = trim(tag);
    }
    if (tag == bare && (weak || !is_weak)) {
      return true;
    }
  }
  return false;
}

/// Any line of that name: "*", or a list that holds the tag.
bool matches(const Headers& request, FieldId id, std::string_view etag, bool weak) noexcept {
  for (const Headers::Field field : request) {
    if (field.id == id && (trim(field.value) == "*" || lists(field.value, etag, weak))) {
      return true;
    }
  }
  return false;
}

/// RFC 9110 section 13.1.5: an ETag by strong comparison, or the very date, if that was a second ago at least
/// (so that nothing else can have it).
bool range_holds(std::string_view value, const Validators& validators, std::int64_t now) noexcept {
  value = trim(value);
  if (value.starts_with('"')) {
    return value == validators.etag;
  }
  if (value.starts_with("W/")) {
    return false;
  }
  const std::optional<std::int64_t> date = parse_http_date(value, now);
  return date && *date == validators.last_modified && *date < now;
}

bool read_position(std::string_view text, std::uint64_t& out) noexcept {
  if (text.empty() || !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return false;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error == std::errc::result_out_of_range) {
    out = std::numeric_limits<std::uint64_t>::max();  // beyond the end of anything
    return true;
  }
  return error == std::errc() && end == text.data() + text.size();
}

Selection select_range(std::string_view value, std::uint64_t size) noexcept {
  const Selection whole{Selection::Outcome::whole, 0, size};
  constexpr std::string_view unit = "bytes";
  value = trim(value);
  const std::size_t equals = value.find('=');
  if (equals == std::string_view::npos || !equals_ignore_case(trim(value.substr(0, equals)), unit)) {
    return whole;
  }
  const std::string_view spec = trim(value.substr(equals + 1));
  const std::size_t dash = spec.find('-');
  if (dash == std::string_view::npos) {
    return whole;
  }
  std::uint64_t first = 0;
  std::uint64_t last = std::numeric_limits<std::uint64_t>::max();
  const std::string_view from = trim(spec.substr(0, dash));
  const std::string_view to = trim(spec.substr(dash + 1));
  if (from.empty()) {
    std::uint64_t suffix = 0;
    if (!read_position(to, suffix)) {
      return whole;
    }
    if (suffix == 0 || size == 0) {
      return {Selection::Outcome::unsatisfiable, 0, 0};
    }
    suffix = std::min(suffix, size);
    return {Selection::Outcome::part, size - suffix, suffix};
  }
  if (!read_position(from, first) || (!to.empty() && !read_position(to, last)) || last < first) {
    return whole;
  }
  if (first >= size) {
    return {Selection::Outcome::unsatisfiable, 0, 0};
  }
  return {Selection::Outcome::part, first, std::min(last, size - 1) - first + 1};
}

}  // namespace

std::optional<std::int64_t> parse_http_date(std::string_view text, std::int64_t now) noexcept {
  Date date;
  if (!read_imf(text, date)) {
    date = {};
    if (!read_rfc850(text, year_of(now), date)) {
      date = {};
      if (!read_asctime(text, date)) {
        return std::nullopt;
      }
    }
  }
  if (!exists(date)) {
    return std::nullopt;
  }
  constexpr std::int64_t minute = 60;
  return ((days_since_epoch(date) * 24 + date.hour) * minute + date.minute) * minute + date.second;
}

bool names_current(const Headers& request, std::string_view etag) noexcept {
  return matches(request, FieldId::if_none_match, etag, true);
}

Selection select(const Headers& request, const Validators& validators, std::int64_t now) noexcept {
  using Outcome = Selection::Outcome;
  std::optional<std::string_view> range;
  std::optional<std::string_view> if_range;
  std::optional<std::string_view> modified_since;
  std::optional<std::string_view> unmodified_since;
  bool match = false;
  bool none_match = false;
  bool ranges_twice = false;
  for (const Headers::Field field : request) {
    switch (field.id) {
      case FieldId::range:
        ranges_twice = range.has_value();
        range = field.value;
        break;
      case FieldId::if_range:
        if_range = field.value;
        break;
      case FieldId::if_match:
        match = true;
        break;
      case FieldId::if_none_match:
        none_match = true;
        break;
      case FieldId::if_modified_since:
        modified_since = field.value;
        break;
      case FieldId::if_unmodified_since:
        unmodified_since = field.value;
        break;
      default:
        break;
    }
  }
  if (match) {
    if (!matches(request, FieldId::if_match, validators.etag, false)) {
      return {Outcome::precondition_failed, 0, 0};
    }
  } else if (unmodified_since) {
    const std::optional<std::int64_t> date = parse_http_date(*unmodified_since, now);
    if (date && validators.last_modified > *date) {
      return {Outcome::precondition_failed, 0, 0};
    }
  }
  if (none_match) {
    if (names_current(request, validators.etag)) {
      return {Outcome::not_modified, 0, 0};
    }
  } else if (modified_since) {
    const std::optional<std::int64_t> date = parse_http_date(*modified_since, now);
    if (date && validators.last_modified <= *date) {
      return {Outcome::not_modified, 0, 0};
    }
  }
  if (!range || ranges_twice || (if_range && !range_holds(*if_range, validators, now))) {
    return {Outcome::whole, 0, validators.size};
  }
  return select_range(*range, validators.size);
}

}  // namespace sluice::http
