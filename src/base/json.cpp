#include "sluice/base/json.hpp"

namespace sluice {
namespace {

/// Nesting depth of the brackets outside strings; cheap, and enough to refuse what would exhaust the stack.
bool deeper_than(std::string_view text, std::size_t limit) noexcept {
  std::size_t depth = 0;
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char byte = text[at];
    if (quoted) {
      if (byte == '\\') {
        ++at;
      } else if (byte == '"') {
        quoted = false;
      }
    } else if (byte == '"') {
      quoted = true;
    } else if (byte == '{' || byte == '[') {
      if (++depth > limit) {
        return true;
      }
    } else if ((byte == '}' || byte == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

}  // namespace

Result<Json> parse_json(std::string_view text, const JsonLimits& limits) {
  Error error;
  error.source = ErrorSource::downstream;
  if (text.size() > limits.max_bytes) {
    error.code = ErrorCode::too_large;
    error.detail = "JSON text of " + std::to_string(text.size()) + " bytes, at most " +
                   std::to_string(limits.max_bytes) + " are read";
    return error;
  }
  if (deeper_than(text, limits.max_depth)) {
    error.code = ErrorCode::too_large;
    error.detail = "JSON text nested deeper than " + std::to_string(limits.max_depth) + " levels";
    return error;
  }
  // nlohmann takes a NUL for the end of the input, whatever follows; JSON has none anywhere.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    error.code = ErrorCode::invalid;
    error.detail = "a NUL byte at offset " + std::to_string(nul);
    return error;
  }
  try {
    return Json::parse(text);
  } catch (const Json::exception& failure) {
    error.code = ErrorCode::invalid;
    error.detail = failure.what();
    const std::size_t prefix = error.detail.find("] ");
    if (prefix != std::string::npos) {
      error.detail.erase(0, prefix + 2);
    }
    return error;
  }
}

std::string dump_json(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string dump_json(const OrderedJson& value, int indent) {
  return value.dump(indent, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace sluice
