/// How a worker process of a function is started: program, environment, sandbox.
#pragma once

#include <string>
#include <vector>

#include "sluice/functions/runtime.hpp"
#include "sluice/net/process.hpp"

namespace sluice::functions::runtime {

/// The shipped workers' source.
std::string_view worker_source(Language language) noexcept;

struct LaunchInput {
  const FunctionSpec& spec;
  const Handler& handler;
  const std::string& version;
  const std::string& interpreter;
  std::string temporary;         ///< a folder of the process's own
  std::string metadata_address;  ///< YC_METADATA_ADDR; empty: none
  std::size_t channels = 1;
};

/// Everything but the descriptors: 3 is the control channel, the others follow.
net::ProcessOptions launch_options(const LaunchInput& input);

/// Sources whose change restarts a function.
std::vector<std::string> source_files(const FunctionSpec& spec);

}  // namespace sluice::functions::runtime
