/// Functions that run in worker processes of the daemon's own, as a worker thread sees them. events.md,
/// "Running functions here"; docs/worker-protocol.md.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/base/clock.hpp"
#include "sluice/base/result.hpp"
#include "sluice/net/awaitable.hpp"

namespace sluice::functions {

/// Which functions there are; immutable, made by LocalRuntime (runtime.hpp).
class LocalTable;

/// One invocation. The views stay valid until it has ended.
struct LocalCall {
  std::string_view function_id;
  std::string_view event;  ///< JSON text
  std::string_view request_id;
  std::optional<SteadyTime> deadline;  ///< the request's; the function's own `timeout` may end earlier
  /// The functions of the version of the configuration that the request started on; nullptr: those in force.
  const LocalTable* table = nullptr;
};

struct LocalAnswer {
  /// The user's code failed: `payload` is {errorMessage, errorType, stackTrace}. So is a process that could
  /// not start or ended before it answered.
  bool failed = false;
  std::string payload;  ///< JSON text, unchecked: what the code returned
};

/// Per worker thread; single-threaded.
class LocalFunctions {
 public:
  LocalFunctions() = default;
  LocalFunctions(const LocalFunctions&) = delete;
  LocalFunctions& operator=(const LocalFunctions&) = delete;
  virtual ~LocalFunctions() = default;

  /// Runs the function to its end, its deadline or its process's end, whatever its caller does meanwhile. An
  /// event that a process may have seen is never sent to another. Errors: overloaded (429: the queue is
  /// full), deadline (504), too_large (502: the answer), not_found (502: no such function).
  virtual net::Awaitable<Result<LocalAnswer>> invoke(const LocalCall& call) = 0;
  /// For calls from now on that name no table. What runs or waits stays with the table that it began with.
  virtual void use(std::shared_ptr<const LocalTable> table) = 0;
  /// Invocations that run or wait.
  [[nodiscard]] virtual std::size_t busy() const noexcept = 0;
};

/// Knows no function: for `serve --spec`, `explain` and tests. Lives forever, thread-safe.
LocalFunctions& no_local_functions();

}  // namespace sluice::functions
