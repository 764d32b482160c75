#include <algorithm>
#include <cstdio>

#include "sluice/gateway/explain.hpp"
#include "sluice/gateway/gateway.hpp"
#include "sluice/gateway/route_table.hpp"
#include "sluice/server/load.hpp"
#include "sluice/server/report.hpp"

#include "commands.hpp"

namespace sluice::cli {

namespace {

void print(const std::string& text) {
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stdout));
}

bool check_format(const std::string& format) {
  if (format == "text" || format == "json") {
    return true;
  }
  complain("--format \"" + format + "\" is not known; write text or json");
  return false;
}

bool check_readable(const std::string& file) {
  if (file.empty()) {
    return false;  // that it is missing was told
  }
  const Result<std::string> text = spec::real_file_reader()(file);
  if (text.has_error()) {
    complain("cannot read " + file + ": " + text.error().detail);
  }
  return text.has_value();
}

/// Mistakes go to stderr; they do not keep a tool from looking at what is there.
void report(Diagnostics& diagnostics, bool warnings) {
  diagnostics.sort();
  Diagnostics shown;
  for (const Diagnostic& item : diagnostics.items()) {
    if (warnings || item.severity == Severity::error) {
      shown.add(item);
    }
  }
  const std::string text = server::render_report(shown, server::ReportFormat::text);
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stderr));
}

}  // namespace

int run_routes(const RoutesArguments& arguments) {
  std::vector<std::pair<std::string, std::string>> variables;
  bool usable = parse_variables(arguments.variables, variables);
  usable = check_format(arguments.format) && usable;
  usable = check_readable(arguments.file) && usable && !arguments.mistaken;
  if (!usable) {
    return exit_usage;
  }
  Diagnostics diagnostics;
  gateway::GatewaySettings settings;
  settings.id = "routes";
  settings.load.file = arguments.file;
  settings.load.variables.insert(variables.begin(), variables.end());
  const auto compiled = gateway::Gateway::compile(settings, gateway::Environment(),
                                                  server::integration_table(), nullptr, diagnostics);
  report(diagnostics, false);
  if (!compiled) {
    return exit_mistakes;
  }
  if (diagnostics.has_errors() && compiled->api().paths.empty()) {
    return exit_mistakes;
  }
  print(arguments.format == "json" ? dump_json(gateway::route_table_json(*compiled), 2) + '\n'
                                   : gateway::route_table_text(*compiled));
  return diagnostics.has_errors() ? exit_mistakes : exit_ok;
}

int run_explain(const ExplainArguments& arguments) {
  bool usable = !arguments.mistaken;
  gateway::ExplainRequest request;
  request.method = arguments.method;
  // Methods are case-sensitive; on a command line "get" is meant to be GET.
  std::string capitals = arguments.method;
  std::transform(capitals.begin(), capitals.end(), capitals.begin(),
                 [](char byte) { return byte >= 'a' && byte <= 'z' ? static_cast<char>(byte - 32) : byte; });
  if (http::parse_method(capitals) != http::Method::extension) {
    request.method = std::move(capitals);
  }
  request.url = arguments.url;
  for (const std::string& header : arguments.headers) {
    const std::size_t colon = header.find(':');
    if (colon == std::string::npos || colon == 0) {
      complain("-H \"" + header + "\" is no header; write -H 'Name: value'");
      usable = false;
      continue;
    }
    std::size_t value = colon + 1;
    while (value < header.size() && (header[value] == ' ' || header[value] == '\t')) {
      ++value;
    }
    request.headers.emplace_back(header.substr(0, colon), header.substr(value));
  }
  if (arguments.has_body) {
    request.body = arguments.body;
  }
  std::vector<std::pair<std::string, std::string>> variables;
  usable = parse_variables(arguments.variables, variables) && usable;
  usable = check_format(arguments.format) && usable;
  usable = check_readable(arguments.file) && usable;
  if (!arguments.config.empty()) {
    usable = check_readable(arguments.config) && usable;
  }
  if (!usable) {
    return exit_usage;
  }
  Diagnostics diagnostics;
  gateway::Environment environment;
  gateway::GatewaySettings settings;
  settings.id = "explain";
  if (!arguments.config.empty()) {
    const server::Config config = server::load_config(arguments.config, diagnostics);
    environment = server::make_environment(config, gateway::CompileMode::configured, diagnostics);
    for (const server::GatewayConfig& candidate : config.gateways) {
      if (candidate.spec == arguments.file || settings.id == "explain") {
        settings = server::make_gateway_settings(config, candidate);
      }
    }
  }
  settings.load.file = arguments.file;
  for (auto& [name, value] : variables) {
    settings.load.variables[name] = std::move(value);
  }
  const auto compiled =
      gateway::Gateway::compile(settings, environment, server::integration_table(), nullptr, diagnostics);
  report(diagnostics, false);
  if (!compiled) {
    return exit_mistakes;
  }
  const Result<OrderedJson> explanation = gateway::explain(*compiled, request);
  if (explanation.has_error()) {
    complain(explanation.error().message.empty() ? explanation.error().detail : explanation.error().message);
    return exit_usage;
  }
  print(arguments.format == "json" ? dump_json(explanation.value(), 2) + '\n'
                                   : gateway::explain_text(explanation.value()));
  const auto matched = explanation.value().find("matched");
  return matched != explanation.value().end() && matched->is_boolean() && matched->get<bool>()
             ? exit_ok
             : exit_mistakes;
}

}  // namespace sluice::cli
