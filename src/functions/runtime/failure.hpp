/// What a function's failure says: the JSON that callers get, and what of it the log tells.
#pragma once

#include <string>
#include <string_view>

namespace sluice::functions::runtime {

/// {errorMessage, errorType}, as callers are told.
std::string failure_payload(std::string_view type, std::string_view message);

struct Failure {
  std::string message;
  std::string type;
  std::string stack;  ///< a call a line; at most 8 KiB, valid UTF-8
};
/// Of {errorMessage, errorType, stackTrace}; what is missing or of another type is empty. User code writes
/// it.
Failure read_failure(std::string_view payload);

}  // namespace sluice::functions::runtime
