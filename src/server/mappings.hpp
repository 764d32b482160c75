/// Ids of the configuration beside the ids that documents name: a misspelled one maps nothing. Used by
/// load().
#pragma once

#include <set>
#include <string>

#include "sluice/base/diagnostics.hpp"
#include "sluice/server/config.hpp"
#include "sluice/spec/node.hpp"

namespace sluice::server {

/// What the documents of a configuration name.
struct NamedIds {
  std::set<std::string> functions;
  std::set<std::string> containers;
  std::set<std::string> buckets;

  /// Adds what stands in a document; its nodes are bounded by NodeLimits.
  void add(const spec::Node& root);
};

/// A warning for each function, container and bucket that no document names where one names another that is
/// nearly the same and is mapped nowhere. What merely is not used is no finding: triggers may use it.
void check_mappings(const Config& config, const NamedIds& named, Diagnostics& diagnostics);

}  // namespace sluice::server
