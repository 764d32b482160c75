#include "functions/runtime/failure.hpp"

#include "sluice/base/codec.hpp"
#include "sluice/base/json.hpp"

namespace sluice::functions::runtime {
namespace {

constexpr std::size_t most_stack_bytes = 8192;

}  // namespace

std::string failure_payload(std::string_view type, std::string_view message) {
  return dump_json(Json{{"errorMessage", message}, {"errorType", type}});
}

Failure read_failure(std::string_view payload) {
  Failure failure;
  const Result<Json> parsed = parse_json(payload);
  if (parsed.has_error() || !parsed.value().is_object()) {
    return failure;
  }
  const auto text = [&](const char* key) {
    const auto found = parsed.value().find(key);
    return found != parsed.value().end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  failure.message = text("errorMessage");
  failure.type = text("errorType");
  const auto stack = parsed.value().find("stackTrace");
  if (stack == parsed.value().end() || !stack->is_array()) {
    return failure;
  }
  for (const Json& line : *stack) {
    if (line.is_string() && failure.stack.size() < most_stack_bytes) {
      failure.stack += (failure.stack.empty() ? "" : "\n") + line.get<std::string>();
    }
  }
  failure.stack = sanitize_utf8(std::string_view(failure.stack).substr(0, most_stack_bytes));
  return failure;
}

std::string failure_for_callers(const Failure& failure, std::string_view directory) {
  const std::string folder = std::string(directory) + "/";
  std::string message = failure.message;
  for (std::size_t at = 0; (at = message.find(folder, at)) != std::string::npos;) {
    message.erase(at, folder.size());
  }
  return failure_payload(failure.type, message);
}

}  // namespace sluice::functions::runtime
