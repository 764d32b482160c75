/// Reads configurations from memory.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "sluice/server/config.hpp"

namespace sluice::server {

/// A configuration "dir/sluice.yaml" with files beside it and an environment.
struct ConfigText {
  std::map<std::string, std::string> files{};
  std::map<std::string, std::string> environment{};
  Diagnostics diagnostics{};

  Config load(std::string_view text) {
    files["dir/sluice.yaml"] = text;
    ConfigSources sources;
    sources.reader = [this](const std::string& path) -> Result<std::string> {
      const auto found = files.find(path);
      if (found == files.end()) {
        return config_error("no such file");
      }
      return found->second;
    };
    sources.environment = [this](const std::string& name) -> std::optional<std::string> {
      const auto found = environment.find(name);
      return found == environment.end() ? std::nullopt : std::optional(found->second);
    };
    return load_config("dir/sluice.yaml", diagnostics, sources);
  }

  /// "line:rule" of each finding, sorted, one a line.
  [[nodiscard]] std::string rules() const {
    std::vector<std::string> found;
    for (const Diagnostic& item : diagnostics.items()) {
      found.push_back(std::to_string(item.place.line) + ':' + item.rule);
    }
    std::sort(found.begin(), found.end());
    std::string out;
    for (const std::string& item : found) {
      out += out.empty() ? item : ' ' + item;
    }
    return out;
  }

  [[nodiscard]] std::string text() const {
    std::string out;
    for (const Diagnostic& item : diagnostics.items()) {
      out += to_text(item) + '\n';
    }
    return out;
  }
};

}  // namespace sluice::server
