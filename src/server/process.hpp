/// This process towards the operating system: open files, memory, start time.
#pragma once

#include <cstdint>

#include "sluice/base/clock.hpp"
#include "sluice/base/metrics.hpp"

namespace sluice::server {

/// Raises the soft limit of open files to the hard one; returns what it is then.
std::uint64_t raise_file_limit() noexcept;

/// Other processes of the same user, functions and containers among them, cannot read this one's memory and
/// environment. No core dumps then.
void hide_process() noexcept;

/// process_* gauges of Prometheus' convention and sluice_build_info.
void register_process_metrics(MetricsRegistry& registry);

}  // namespace sluice::server
