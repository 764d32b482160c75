/// Suggestions for misspelled names, within bounds: comparing costs, and a document may hold as many mistakes
/// as it has room for. Private to layer spec.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/diagnostics.hpp"

namespace sluice::spec {

/// Nobody reads the suggestions of the two hundredth message.
inline bool worth_suggesting(const Diagnostics& diagnostics) noexcept {
  constexpr std::size_t most = 200;
  return diagnostics.items().size() < most;
}

/// nearest_name() among the first 2 000 candidates; empty when there are too many messages already.
inline std::string_view suggest(const Diagnostics& diagnostics, std::string_view name,
                                const std::vector<std::string_view>& candidates) {
  constexpr std::size_t most = 2000;
  if (!worth_suggesting(diagnostics)) {
    return {};
  }
  if (candidates.size() <= most) {
    return nearest_name(name, candidates);
  }
  return nearest_name(name, {candidates.begin(), candidates.begin() + most});
}

/// "did you mean `name`?", or `otherwise` when there is none.
inline std::string did_you_mean(std::string_view near, std::string otherwise) {
  return near.empty() ? std::move(otherwise) : "did you mean `" + std::string(near) + "`?";
}

}  // namespace sluice::spec
