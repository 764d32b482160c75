/// JSON with bounds: the one way in and out (nlohmann/json has no depth limit and throws on bad UTF-8).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "sluice/base/result.hpp"

namespace sluice {

using Json = nlohmann::json;
/// Keeps the order of keys: what people read (explain, lists).
using OrderedJson = nlohmann::ordered_json;

struct JsonLimits {
  std::size_t max_bytes = std::size_t{16} << 20U;
  std::size_t max_depth = 128;
};

/// RFC 8259, UTF-8 only. Errors carry ErrorCode::invalid or too_large, with line and column in `detail`.
Result<Json> parse_json(std::string_view text, const JsonLimits& limits = {});
/// Never throws: ill-formed UTF-8 becomes U+FFFD. `indent` < 0: one line.
std::string dump_json(const Json& value, int indent = -1);
std::string dump_json(const OrderedJson& value, int indent = -1);

}  // namespace sluice
