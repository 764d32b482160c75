/// What an integration is to the gateway: something compiled at load that answers an exchange. One folder a
/// type in layer `integrations`; the table of them is the server's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/folder.hpp"
#include "sluice/base/json.hpp"
#include "sluice/client/cloud/credentials.hpp"
#include "sluice/client/cloud/endpoints.hpp"
#include "sluice/client/http_client.hpp"
#include "sluice/functions/local.hpp"
#include "sluice/gateway/local_container.hpp"
#include "sluice/http/handler.hpp"
#include "sluice/parameters/values.hpp"
#include "sluice/spec/api.hpp"
#include "sluice/spec/object_reader.hpp"

namespace sluice::gateway {

enum class Profile : std::uint8_t { open, cloud };

/// Facts of an operation, fixed at load.
struct OperationInfo {
  std::string gateway_id;
  std::string path_template;
  std::string method;  ///< "" for any-method
  std::string operation_id;
  std::string integration_type;
  parameters::ParameterSet parameter_set{{}};
  Profile profile = Profile::open;
};

/// What a worker lends to integrations.
struct WorkerServices {
  client::HttpClient& http_client;
  client::cloud::Credentials& credentials = client::cloud::no_credentials();
  functions::LocalFunctions& local_functions = functions::no_local_functions();
  /// Those of the version that the request started on (LocalCall::table).
  const functions::LocalTable* local_table = nullptr;
};

/// One request on its way through its operation. Lives on the pipeline's frame.
struct Exchange {
  http::Request& request;
  http::RequestContext& context;
  const OperationInfo& operation;
  WorkerServices& services;
  parameters::Values values;
  Json authorizer = nullptr;           ///< requestContext.authorizer; null without authorization
  std::optional<SteadyTime> deadline;  ///< the gateway's `timeout`
  /// The body where a phase already read it whole (validation).
  std::optional<std::string> buffered_body;
};

/// Immutable after load, shared by workers. `run` may be called by many exchanges at once.
class Integration {
 public:
  Integration() = default;
  Integration(const Integration&) = delete;
  Integration& operator=(const Integration&) = delete;
  virtual ~Integration() = default;

  /// Whether run() looks at exchange.values; if not, they are not extracted.
  [[nodiscard]] virtual bool needs_values() const noexcept { return true; }
  /// An answer that is the same for every request, or nullptr: then run() is never called.
  [[nodiscard]] virtual std::shared_ptr<const http::RenderedResponse> constant() const noexcept {
    return nullptr;
  }
  /// An answer that this request chooses among those rendered at load (by Accept), without waiting and
  /// without values; nullptr: run() answers. Owned by the integration.
  [[nodiscard]] virtual const http::RenderedResponse* fixed_answer(const http::Request& /*request*/) const {
    return nullptr;
  }
  /// Errors become responses by http::problem.
  virtual net::Awaitable<Result<http::Response>> run(Exchange& exchange) const = 0;
  /// What run() would send or answer, for `explain`: {"request": {method, url, headers, body}} or
  /// {"response": …}; sends nothing. Secrets are masked by the caller.
  virtual Result<OrderedJson> explain(Exchange& exchange) const = 0;
};

/// A target that the configuration maps an id to.
struct MappedTarget {
  client::Url url;
  std::optional<Duration> timeout{};  ///< of a function's call, within the gateway's `timeout`
  std::string service_account{};      ///< whose token goes along; empty: the document's, where configured
};

/// A service account that the configuration names, and what it has.
struct ServiceAccount {
  std::string id;
  bool iam_token = false;
  bool static_key = false;
};

/// Who compiles: `check` knows no configuration, `serve --spec` calls no cloud, `serve --config` has
/// everything.
enum class CompileMode : std::uint8_t { lint, standalone, configured };

/// What the configuration contributes to compilation; the same for all gateways of a daemon.
struct Environment {
  CompileMode mode = CompileMode::lint;
  std::vector<std::pair<std::string, MappedTarget>> functions;   ///< id → URL
  std::vector<std::pair<std::string, MappedTarget>> containers;  ///< id → URL
  /// id → "nodejs src/index.handler": functions that the daemon runs itself (functions/local.hpp).
  std::vector<std::pair<std::string, std::string>> local_functions;
  std::vector<std::pair<std::string, std::shared_ptr<const Folder>>> buckets;  ///< name → folder
  std::vector<std::shared_ptr<LocalContainer>> local_containers;               ///< that the daemon runs
  std::vector<ServiceAccount> service_accounts;  ///< those that the configuration names
  client::cloud::Endpoints endpoints = client::cloud::Endpoints::standard();
  Duration presigned_lifetime = std::chrono::hours(1);   ///< limits.presigned_lifetime
  std::vector<std::string> security_profiles;            ///< ids that the configuration names
  bool http_allow_private = false;                       ///< http.allow_private
  Duration connect_timeout = std::chrono::seconds(5);    ///< limits.connect_timeout
  Duration read_timeout = std::chrono::minutes(5);       ///< limits.read_timeout
  std::size_t buffered_body = std::size_t{3'670'016};    ///< limits.event_body: bodies read whole
  std::size_t function_answer = std::size_t{3'670'016};  ///< limits.function_answer
  [[nodiscard]] const MappedTarget* function(std::string_view id) const noexcept;
  /// nullptr: not run here.
  [[nodiscard]] const std::string* local_function(std::string_view id) const noexcept;
  [[nodiscard]] const MappedTarget* container(std::string_view id) const noexcept;
  /// nullptr: no folder of that name.
  [[nodiscard]] std::shared_ptr<const Folder> bucket(std::string_view name) const noexcept;
  [[nodiscard]] std::shared_ptr<LocalContainer> local_container(std::string_view id) const noexcept;
  [[nodiscard]] const ServiceAccount* account(std::string_view id) const noexcept;
};

/// What an integration is compiled with.
struct BuildContext {
  const spec::Document& document;
  const spec::Api& api;
  const OperationInfo& operation;
  const Environment& environment;
  Diagnostics& diagnostics;
  /// Set by the type where a later step builds it, or an option needs what is not built: the operation then
  /// answers 501 not_built. The type has added the [not-built] warning.
  bool not_built = false;
};

/// A type's entry in the table. `build` reads the options from `node` (its `type` key is known already),
/// reports mistakes, and returns nullptr after an error or when not_built.
struct IntegrationType {
  std::string_view name;
  std::function<std::shared_ptr<const Integration>(BuildContext& context, const spec::Node& node)> build;
};

using IntegrationTable = std::vector<IntegrationType>;

}  // namespace sluice::gateway
