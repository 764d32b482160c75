/// Values of the configuration that YAML has no type for: durations, sizes, and `${env:NAME}`, `${file:PATH}`
/// references. daemon.md, "Configuration".
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/clock.hpp"
#include "sluice/base/result.hpp"

namespace sluice::server {

/// "500ms", "3s", "5m", "1h"; fractions are allowed ("1.5s"). Errors (config): a bare number, another unit, a
/// negative value, more than 10 000 h; `detail` says how to write it.
Result<Duration> parse_duration(std::string_view text);
/// "16KiB", "2.5MiB", "1GiB", "500B". Errors as of parse_duration.
Result<std::uint64_t> parse_size(std::string_view text);
/// The shortest exact spelling: "1500ms", "10s", "5m"; "64KiB", "500B".
std::string format_duration(Duration duration);
std::string format_size(std::uint64_t bytes);

/// What a reference in a string was replaced by, so that the value can be kept out of messages.
struct Expansion {
  std::string reference;  ///< "${env:TOKEN}"
  std::string value;
};

/// Where references get their values. Replaceable in tests.
struct ExpansionSources {
  /// nullopt: not set.
  std::function<std::optional<std::string>(const std::string& name)> environment;
  /// Content of a file; the path is as written, relative to the configuration's folder.
  std::function<Result<std::string>(const std::string& path)> file;
};

/// Replaces every reference. Text like "${other}" stays. `used` (may be nullptr) gets what was replaced.
/// Errors (config): an unset variable, an unreadable file (named, the content never), a missing '}'.
/// One final newline of a file's content is dropped.
Result<std::string> expand_references(std::string_view text, const ExpansionSources& sources,
                                      std::vector<Expansion>* used);

}  // namespace sluice::server
