/// The processes behind local functions: made, watched and ended on the control thread; used by all workers.
/// docs/worker-protocol.md tells what is spoken with them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/base/clock.hpp"
#include "sluice/base/metrics.hpp"
#include "sluice/base/result.hpp"
#include "sluice/client/cloud/credentials.hpp"
#include "sluice/client/cloud/workload_tokens.hpp"
#include "sluice/functions/local.hpp"
#include "sluice/net/worker.hpp"

namespace sluice::functions {

enum class Language : std::uint8_t { nodejs, python };

/// "nodejs", "python", and the cloud's names ("nodejs18", "python312"); nullopt: no runtime of ours.
std::optional<Language> parse_runtime(std::string_view name);

/// A function of the configuration.
struct FunctionSpec {
  std::string id;
  Language language = Language::nodejs;
  std::string handler;    ///< "index.handler", "src/bot.main"
  std::string directory;  ///< absolute
  std::vector<std::pair<std::string, std::string>> environment;
  std::optional<Duration> timeout;  ///< of one event's run; absent: the request's deadline
  std::uint64_t memory = std::uint64_t{256} << 20U;
  std::size_t processes = 4;  ///< at most so many at once
  std::string service_account;
  std::vector<std::string> hidden;  ///< files that its code must not read, below its directory
  bool operator==(const FunctionSpec&) const = default;
};

/// Where a handler is.
struct Handler {
  std::string file;      ///< absolute
  std::string function;  ///< what the file exports: "handler"
};
/// Errors (config, not_found): `detail` says what is wrong with the handler, or which files were looked for.
Result<Handler> resolve_handler(Language language, const std::string& directory, std::string_view handler);
/// The interpreter's path. Errors (not_found): it is not installed.
Result<std::string> find_interpreter(Language language);

struct RuntimeSettings {
  std::size_t queue = 1000;                           ///< limits.function_queue, a function
  std::size_t answer_bytes = std::size_t{3'670'016};  ///< limits.function_answer
  Duration start_timeout = std::chrono::seconds(30);  ///< limits.function_start
  bool operator==(const RuntimeSettings&) const = default;
};

/// Lives on the control thread, with everything but what is said otherwise.
class LocalRuntime {
 public:
  LocalRuntime() = default;
  LocalRuntime(const LocalRuntime&) = delete;
  LocalRuntime& operator=(const LocalRuntime&) = delete;
  virtual ~LocalRuntime() = default;

  /// `threads`: the workers that will call; `metrics` and `tokens` outlive the runtime.
  static std::unique_ptr<LocalRuntime> make(net::Worker& control, std::size_t threads,
                                            MetricsRegistry& metrics, client::cloud::WorkloadTokens& tokens);

  /// Makes a table of these functions. Those that did not change keep their processes; the processes of the
  /// others end when what runs in them has ended and nobody waits for them.
  virtual std::shared_ptr<const LocalTable> use(const std::vector<FunctionSpec>& functions,
                                                const RuntimeSettings& settings) = 0;
  /// The files whose change must restart a function (`watch`): sources below the directories of all
  /// functions, without node_modules and hidden folders.
  [[nodiscard]] virtual std::vector<std::string> files() const = 0;
  /// Restarts the functions whose files changed since their processes were started.
  virtual void restart_changed() = 0;
  /// Ends all processes; on the way out.
  virtual void stop() = 0;
};

/// A worker's view. `credentials` gives the tokens of `context.token`.
std::unique_ptr<LocalFunctions> make_local_functions(net::Worker& worker,
                                                     client::cloud::Credentials& credentials,
                                                     std::shared_ptr<const LocalTable> table);

}  // namespace sluice::functions
