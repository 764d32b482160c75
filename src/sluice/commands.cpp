#include "commands.hpp"

#include <cstdio>

#include "sluice/base/json.hpp"
#include "sluice/server/config.hpp"
#include "sluice/server/load.hpp"
#include "sluice/server/report.hpp"
#include "sluice/server/version.hpp"
#include "sluice/spec/json_schema.hpp"

namespace sluice::cli {

namespace {

void print(const std::string& text) {
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stdout));
}

}  // namespace

void complain(const std::string& text) {
  const std::string line = "sluice: " + text + '\n';
  static_cast<void>(std::fwrite(line.data(), 1, line.size(), stderr));
}

bool parse_variables(const std::vector<std::string>& pairs,
                     std::vector<std::pair<std::string, std::string>>& out) {
  bool good = true;
  for (const std::string& pair : pairs) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      complain("--var \"" + pair + "\" is no NAME=VALUE; write --var environment=prod");
      good = false;
      continue;
    }
    out.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
  }
  return good;
}

int run_check(const CheckArguments& arguments) {
  bool usable = !arguments.mistaken;
  const auto format = server::parse_report_format(arguments.format);
  if (!format) {
    complain("--format \"" + arguments.format + "\" is not known; write text, json or sarif");
    usable = false;
  }
  if (!arguments.policy.empty()) {
    complain("--policy is not built in this version; leave it out");
    usable = false;
  }
  if (arguments.files.empty() && arguments.configs.empty()) {
    complain("check needs a FILE or --config FILE; see sluice check --help");
    usable = false;
  }
  server::CheckOptions options;
  std::vector<std::pair<std::string, std::string>> variables;
  usable = parse_variables(arguments.variables, variables) && usable;
  if (!usable) {
    return exit_usage;
  }
  options.files = arguments.files;
  options.configs = arguments.configs;
  options.variables.insert(variables.begin(), variables.end());
  std::vector<std::string> unreadable;
  Diagnostics diagnostics = server::check(options, unreadable);
  if (arguments.strict) {
    diagnostics.promote_warnings();
  }
  print(server::render_report(diagnostics, *format));
  for (const std::string& file : unreadable) {
    complain("cannot read " + file);
  }
  if (!unreadable.empty()) {
    return exit_usage;
  }
  return diagnostics.has_errors() ? exit_mistakes : exit_ok;
}

int run_schema(const std::string& which) {
  if (which == "config") {
    print(dump_json(server::config_schema(), 2) + '\n');
    return exit_ok;
  }
  if (which == "document") {
    print(spec::document_schema());
    return exit_ok;
  }
  complain("schema \"" + which + "\" is not known; write document or config");
  return exit_usage;
}

int run_version(const std::string& format) {
  if (format == "json") {
    OrderedJson libraries;
    for (const auto& [name, version] : server::library_versions()) {
      libraries[name] = version;
    }
    OrderedJson out;
    out["version"] = server::version_text();
    out["build"] = server::build_text();
    out["libraries"] = std::move(libraries);
    print(dump_json(out, 2) + '\n');
    return exit_ok;
  }
  if (format != "text") {
    complain("--format \"" + format + "\" is not known; write text or json");
    return exit_usage;
  }
  std::string text =
      "sluice " + std::string(server::version_text()) + "\nbuild: " + server::build_text() + '\n';
  for (const auto& [name, version] : server::library_versions()) {
    text += name + ' ' + version + '\n';
  }
  print(text);
  return exit_ok;
}

}  // namespace sluice::cli
