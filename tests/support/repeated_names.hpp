// Names that stand twice in one object of a JSON text, which parsers take without a word.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "sluice/base/json.hpp"

namespace sluice::testing_support {

/// Empty for text that is no JSON, too.
inline std::vector<std::string> repeated_names(const std::string& text) {
  std::vector<std::string> repeated;
  std::vector<std::set<std::string>> names;
  const auto look = [&](int /*depth*/, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) {
      names.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      names.pop_back();
    } else if (event == Json::parse_event_t::key && !names.back().insert(value.get<std::string>()).second) {
      repeated.push_back(value.get<std::string>());
    }
    return true;
  };
  static_cast<void>(Json::parse(text, look, false));
  return repeated;
}

}  // namespace sluice::testing_support
