/// From a configuration to what is served: documents compiled, certificates read; every mistake of all of
/// them at once. Shared by the start, the reload and `sluice check`.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sluice/base/diagnostics.hpp"
#include "sluice/base/metrics.hpp"
#include "sluice/gateway/gateway.hpp"
#include "sluice/net/tls.hpp"
#include "sluice/server/config.hpp"

namespace sluice::server {

/// All types of integration of this version.
const gateway::IntegrationTable& integration_table();

/// What requests see of the containers that the daemon runs, by id.
using ContainerHandles = std::function<std::shared_ptr<gateway::LocalContainer>(const std::string& id)>;

/// What the configuration contributes to compilation. Opens the folders of buckets and reports those that
/// cannot be used. Without `handles` (tools) local containers never run.
gateway::Environment make_environment(const Config& config, gateway::CompileMode mode,
                                      Diagnostics& diagnostics, const ContainerHandles& handles = {});
gateway::GatewaySettings make_gateway_settings(const Config& config, const GatewayConfig& gateway);
client::ClientSettings make_client_settings(const Config& config);
functions::RuntimeSettings make_runtime_settings(const Config& config);
std::vector<functions::FunctionSpec> make_function_specs(const Config& config);
client::cloud::StoreSettings make_store_settings(const Config& config);

/// Complete when the diagnostics have no error.
struct Loaded {
  Config config;
  std::shared_ptr<const gateway::Snapshot> snapshot;
  std::shared_ptr<const net::TlsServerContext> tls;  ///< nullptr: no certificates
  /// Name and end of each certificate, for the metrics.
  std::vector<std::pair<std::string, SystemTime>> certificates;
  std::vector<std::string> files;  ///< everything that was read, for `watch`
};

/// `metrics` may be nullptr (tools). `version` numbers the snapshot.
Loaded load(Config config, gateway::CompileMode mode, MetricsRegistry* metrics, std::uint64_t version,
            Diagnostics& diagnostics, const ContainerHandles& handles = {});

struct CheckOptions {
  std::vector<std::string> files;
  std::vector<std::string> configs;
  spec::VariableValues variables;
};

/// `sluice check`: documents know no configuration; a configuration is checked with all that it names.
/// `unreadable` gets the given files that cannot be read, with the reason.
Diagnostics check(const CheckOptions& options, std::vector<std::string>& unreadable);

}  // namespace sluice::server
