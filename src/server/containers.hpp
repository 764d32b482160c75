/// The containers that the daemon runs: starts them, waits until they listen, starts them again, replaces
/// them at a reload, ends them. docs/configuration.md, "containers".
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sluice/base/metrics.hpp"
#include "sluice/client/cloud/workload_tokens.hpp"
#include "sluice/gateway/local_container.hpp"
#include "sluice/net/worker.hpp"
#include "sluice/server/config.hpp"

namespace sluice::server {

/// What holds for all containers.
struct ContainerSettings {
  Duration start = std::chrono::seconds(30);  ///< limits.container_start
  Duration stop = std::chrono::seconds(10);   ///< limits.container_stop
  Duration drain = std::chrono::seconds(30);  ///< limits.drain_timeout
  std::vector<std::string> hidden;            ///< files that no container reads: the configuration's own
};

/// Belongs to the control thread.
class Containers {
 public:
  /// All three outlive it.
  Containers(net::Worker& control, MetricsRegistry& metrics, client::cloud::WorkloadTokens& tokens);
  Containers(const Containers&) = delete;
  Containers& operator=(const Containers&) = delete;
  ~Containers();

  /// What requests see of a container; the same for as long as somebody holds it. Documents are compiled with
  /// it before its process is started.
  std::shared_ptr<gateway::LocalContainer> handle(const std::string& id);
  /// What should run from now on. A container that did not change goes on; one that changed goes on until
  /// its successor listens; one that is gone ends when its requests have.
  void use(const std::vector<ContainerConfig>& containers, const ContainerSettings& settings);
  /// Ends all of them: SIGTERM, and SIGKILL after `settings.stop`. Requests are over by then.
  net::Awaitable<void> stop();
  /// SIGKILL, now.
  void kill() noexcept;

 private:
  class Runner;
  net::Worker& control_;
  MetricsRegistry& metrics_;
  client::cloud::WorkloadTokens& tokens_;
  std::map<std::string, std::weak_ptr<gateway::LocalContainer>> handles_;
  std::map<std::string, std::shared_ptr<Runner>> runners_;  ///< by id: those that should run
  std::vector<std::shared_ptr<Runner>> leaving_;            ///< replaced and removed ones, until they end
  bool told_landlock_ = false;
};

}  // namespace sluice::server
