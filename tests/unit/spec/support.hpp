/// Documents in memory for the tests of layer spec.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sluice/spec/api.hpp"

namespace sluice::spec::test {

using Files = std::map<std::string, std::string>;

/// Reads from a map, never from the disk.
inline FileReader memory_reader(Files files) {
  return [files = std::move(files)](const std::string& path) -> Result<std::string> {
    const auto found = files.find(path);
    if (found == files.end()) {
      Error error = config_error("No such file or directory");
      error.code = ErrorCode::not_found;
      return error;
    }
    return found->second;
  };
}

inline LoadOptions memory_options(Files files, std::string main = "api.yaml", VariableValues variables = {}) {
  LoadOptions options;
  options.file = std::move(main);
  options.reader = memory_reader(std::move(files));
  options.variables = std::move(variables);
  return options;
}

/// "line:column: error rule", sorted; the file stands before it where it is not the main one.
inline std::vector<std::string> summary(const Diagnostics& diagnostics,
                                        const std::string& main = "api.yaml") {
  std::vector<std::string> lines;
  for (const Diagnostic& item : diagnostics.items()) {
    lines.push_back((item.place.file == main ? "" : item.place.file + ":") + std::to_string(item.place.line) +
                    ":" + std::to_string(item.place.column) + ": " +
                    (item.severity == Severity::error ? "error " : "warning ") + item.rule);
  }
  return lines;
}

inline std::vector<std::string> texts(const Diagnostics& diagnostics) {
  std::vector<std::string> lines;
  for (const Diagnostic& item : diagnostics.items()) {
    lines.push_back(to_text(item));
  }
  return lines;
}

struct Loaded {
  std::shared_ptr<const Api> api;
  Diagnostics diagnostics;
};

inline Loaded load(Files files, VariableValues variables = {}) {
  Loaded loaded;
  loaded.api =
      load_api(memory_options(std::move(files), "api.yaml", std::move(variables)), loaded.diagnostics);
  return loaded;
}

inline Loaded load(std::string text, VariableValues variables = {}) {
  return load(Files{{"api.yaml", std::move(text)}}, std::move(variables));
}

/// What stands before `paths` in a document that is right.
inline const std::string& head() {
  static const std::string text = "openapi: 3.0.0\ninfo: {title: t, version: 1.0.0}\n";
  return text;
}

}  // namespace sluice::spec::test
