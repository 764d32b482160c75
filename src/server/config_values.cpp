#include "sluice/server/config_values.hpp"

#include <array>
#include <charconv>
#include <cmath>

namespace sluice::server {

namespace {

struct UnitName {
  std::string_view name;
  double factor;
};

constexpr std::array duration_units{UnitName{"ms", 1e6}, UnitName{"s", 1e9}, UnitName{"m", 60e9},
                                    UnitName{"h", 3600e9}};
constexpr std::array size_units{UnitName{"B", 1.0}, UnitName{"KiB", 1024.0}, UnitName{"MiB", 1048576.0},
                                UnitName{"GiB", 1073741824.0}};

struct Quantity {
  double number = 0;
  std::string_view unit;
};

/// Digits with an optional fraction, then the rest; nullopt where it begins with no digit.
std::optional<Quantity> split_quantity(std::string_view text) {
  std::size_t end = 0;
  bool point = false;
  while (end < text.size() && ((text[end] >= '0' && text[end] <= '9') || (text[end] == '.' && !point))) {
    point = point || text[end] == '.';
    ++end;
  }
  if (end == 0 || text[0] == '.' || text[end - 1] == '.') {
    return std::nullopt;
  }
  Quantity quantity;
  const char* const start = text.data();
  const char* const stop = start + end;
  const auto parsed = std::from_chars(start, stop, quantity.number);
  if (parsed.ec != std::errc{} || parsed.ptr != stop) {
    return std::nullopt;
  }
  quantity.unit = text.substr(end);
  return quantity;
}

template <std::size_t N>
std::optional<double> scaled(const Quantity& quantity, const std::array<UnitName, N>& units) {
  for (const UnitName& unit : units) {
    if (unit.name == quantity.unit) {
      return quantity.number * unit.factor;
    }
  }
  return std::nullopt;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  const std::optional<Quantity> quantity = split_quantity(text);
  if (!quantity) {
    return config_error("is no duration: write a number with ms, s, m or h, such as 500ms, 3s, 5m or 1h");
  }
  if (quantity->unit.empty()) {
    return config_error("has no unit: write " + std::string(text) + "ms, " + std::string(text) + "s, " +
                        std::string(text) + "m or " + std::string(text) + "h");
  }
  const std::optional<double> nanoseconds = scaled(*quantity, duration_units);
  if (!nanoseconds) {
    return config_error("has an unknown unit: durations are written with ms, s, m or h, such as 500ms or 3s");
  }
  if (*nanoseconds > 10'000.0 * 3600e9) {
    return config_error("is too long: at most 10000h");
  }
  return Duration(static_cast<Duration::rep>(std::llround(*nanoseconds)));
}

Result<std::uint64_t> parse_size(std::string_view text) {
  const std::optional<Quantity> quantity = split_quantity(text);
  if (!quantity) {
    return config_error("is no size: write a number with KiB or MiB, such as 64KiB or 2.5MiB");
  }
  if (quantity->unit.empty()) {
    return config_error("has no unit: write " + std::string(text) + "KiB or " + std::string(text) +
                        "MiB (or " + std::string(text) + "B for bytes)");
  }
  const std::optional<double> bytes = scaled(*quantity, size_units);
  if (!bytes) {
    return config_error(
        "has an unknown unit: sizes are written with B, KiB, MiB or GiB, such as 64KiB or 1MiB");
  }
  if (*bytes > 1e15) {
    return config_error("is too large");
  }
  return static_cast<std::uint64_t>(std::llround(*bytes));
}

std::string format_duration(Duration duration) {
  const auto nanoseconds = static_cast<std::uint64_t>(duration.count());
  constexpr std::uint64_t millisecond = 1'000'000;
  constexpr std::uint64_t second = 1'000 * millisecond;
  if (nanoseconds % (3600 * second) == 0 && nanoseconds != 0) {
    return std::to_string(nanoseconds / (3600 * second)) + "h";
  }
  if (nanoseconds % (60 * second) == 0 && nanoseconds != 0) {
    return std::to_string(nanoseconds / (60 * second)) + "m";
  }
  if (nanoseconds % second == 0) {
    return std::to_string(nanoseconds / second) + "s";
  }
  return std::to_string(nanoseconds / millisecond) + "ms";
}

std::string format_size(std::uint64_t bytes) {
  constexpr std::uint64_t kib = 1024;
  constexpr std::uint64_t mib = kib * kib;
  if (bytes == 0 || bytes % kib != 0) {
    return std::to_string(bytes) + "B";
  }
  if (bytes % mib == 0) {
    return std::to_string(bytes / mib) + "MiB";
  }
  if (bytes > mib && bytes % (mib / 2) == 0) {
    return std::to_string(bytes / mib) + ".5MiB";
  }
  return std::to_string(bytes / kib) + "KiB";
}

namespace {

Result<std::string> value_of(std::string_view kind, const std::string& name,
                             const ExpansionSources& sources) {
  if (kind == "env") {
    std::optional<std::string> value = sources.environment(name);
    if (!value) {
      return config_error("the environment variable " + name + " is not set");
    }
    return std::move(*value);
  }
  Result<std::string> content = sources.file(name);
  if (content.has_error()) {
    return config_error("the file " + name + " cannot be read: " + content.error().detail);
  }
  std::string value = std::move(content.value());
  if (value.ends_with('\n')) {
    value.pop_back();
    if (value.ends_with('\r')) {
      value.pop_back();
    }
  }
  return value;
}

}  // namespace

Result<std::string> expand_references(std::string_view text, const ExpansionSources& sources,
                                      std::vector<Expansion>* used) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t start = text.find("${", at);
    if (start == std::string_view::npos) {
      break;
    }
    const std::string_view rest = text.substr(start + 2);
    std::string_view kind;
    if (rest.starts_with("env:")) {
      kind = "env";
    } else if (rest.starts_with("file:")) {
      kind = "file";
    } else {
      out.append(text.substr(at, start + 2 - at));
      at = start + 2;
      continue;
    }
    out.append(text.substr(at, start - at));
    const std::size_t end = rest.find('}');
    if (end == std::string_view::npos) {
      return config_error("a ${" + std::string(kind) + ":…} reference is not closed; add the '}'");
    }
    const std::string name(rest.substr(kind.size() + 1, end - kind.size() - 1));
    if (name.empty()) {
      return config_error("a ${" + std::string(kind) + ":…} reference names nothing");
    }
    Result<std::string> value = value_of(kind, name, sources);
    if (value.has_error()) {
      return value.error();
    }
    if (used != nullptr) {
      used->push_back({"${" + std::string(kind) + ':' + name + '}', value.value()});
    }
    out += value.value();
    at = start + 2 + end + 1;
  }
  out.append(text.substr(at));
  return out;
}

}  // namespace sluice::server
