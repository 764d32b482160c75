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

/// The same failure for callers, who need not know where on this machine the function lies: its message with
/// paths below `directory` told from there, without the stack.
std::string failure_for_callers(const Failure& failure, std::string_view directory);

}  // namespace sluice::functions::runtime
