/// The daemon: control thread, workers, listeners, signals, reload, drain. daemon.md, "Operation".
#pragma once

#include <functional>

#include "sluice/base/diagnostics.hpp"
#include "sluice/gateway/integration.hpp"
#include "sluice/server/config.hpp"

namespace sluice::server {

struct DaemonOptions {
  /// Makes the configuration, at the start and at each reload.
  std::function<Config(Diagnostics& diagnostics)> configure;
  gateway::CompileMode mode = gateway::CompileMode::configured;
};

/// Runs until a signal ends it; returns the exit code: 0 after a drain, 1 when it could not start (every
/// mistake is on stderr then). The calling thread becomes the control thread; call it once, before any other
/// thread is started.
int run_daemon(const DaemonOptions& options);

}  // namespace sluice::server
