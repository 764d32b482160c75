/// The command line: options to arguments, nothing else. What the calls do stands in commands*.cpp.
#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "sluice/base/diagnostics.hpp"

#include "commands.hpp"

namespace {

using namespace sluice::cli;

/// Complains about every argument that no option or place took, with the option that may have been meant.
bool report_extras(const CLI::App& call) {
  const std::string help = call.get_parent() == nullptr ? "sluice" : "sluice " + call.get_name();
  const std::vector<std::string> extras = call.remaining();
  std::vector<std::string> names;
  for (const CLI::Option* option : call.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      names.push_back("--" + name);
    }
  }
  const std::vector<std::string_view> known(names.begin(), names.end());
  for (const std::string& extra : extras) {
    if (!extra.starts_with('-')) {
      complain("unexpected argument \"" + extra + "\"; see " + help + " --help");
      continue;
    }
    const std::string name = extra.substr(0, extra.find('='));
    const std::string_view nearest = sluice::nearest_name(name, known);
    complain(
        "unknown option " + name +
        (nearest.empty() ? "; see " + help + " --help" : "; did you mean " + std::string(nearest) + "?"));
  }
  return !extras.empty();
}

CLI::App* add_call(CLI::App& app, const std::string& name, const std::string& description,
                   const std::string& example) {
  CLI::App* call = app.add_subcommand(name, description);
  call->allow_extras();
  call->footer("Example:\n" + example);
  return call;
}

/// Recognised, so that scripts for a later version get a clear answer.
struct LaterCall {
  std::string_view name;
  std::string_view description;
  std::string_view example;
};
constexpr std::array later_calls{
    LaterCall{
        "queue", "look into a local queue (a later version)",
        "  sluice queue tail --config sluice.yaml https://message-queue.api.cloud.yandex.net/b1g/dj6/orders"},
    LaterCall{"stream", "look into a local stream (a later version)",
              "  sluice stream tail --config sluice.yaml /ru-central1/b1g/etn/clicks"},
    LaterCall{"table", "look into a local table (a later version)",
              "  sluice table scan --config sluice.yaml movie"},
    LaterCall{"diff", "compare two documents (a later version)", "  sluice diff old.yaml new.yaml"},
    LaterCall{"domains", "tell the state of each domain (a later version)",
              "  sluice domains --config sluice.yaml"},
};

constexpr std::string_view built_calls = "serve, check, routes, explain, schema or version";

/// Complains about what stands where a call's name belongs.
bool report_unknown_call(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* call : app.get_subcommands(nullptr)) {
    names.push_back(call->get_name());
  }
  const std::vector<std::string_view> known(names.begin(), names.end());
  const std::vector<std::string> extras = app.remaining();
  if (extras.empty() || extras.front().starts_with('-')) {
    return report_extras(app);
  }
  const std::string_view nearest = sluice::nearest_name(extras.front(), known);
  complain("there is no call \"" + extras.front() + "\"; " +
           (nearest.empty() ? "name one: " + std::string(built_calls) + "; see sluice --help"
                            : "did you mean sluice " + std::string(nearest) + "?"));
  return true;
}

/// CLI11 knows a vector option as greedy; ours take one value an occurrence.
CLI::Option* add_repeated(CLI::App& call, const std::string& name, std::vector<std::string>& values,
                          const std::string& description) {
  return call.add_option(name, values, description)->allow_extra_args(false);
}

constexpr std::string_view variable_help = "NAME=VALUE, a variable of the document; may be repeated";

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Sluice serves OpenAPI documents with x-yc-apigateway extensions."};
  app.name("sluice");
  app.footer(
      "Examples:\n  sluice serve --spec openapi.yaml\n  sluice check openapi.yaml\n"
      "Each call has its own --help.");
  app.require_subcommand(0, 1);
  app.allow_extras();
  bool print_version = false;
  app.add_flag("--version", print_version, "print the version");

  ServeArguments serve;
  CLI::App* serve_call =
      add_call(app, "serve", "run the daemon",
               "  sluice serve --config sluice.yaml\n"
               "  sluice serve --spec openapi.yaml --listen 127.0.0.1:8080 --var environment=dev --watch");
  serve_call->add_option("--config", serve.config, "the configuration (YAML)");
  serve_call->add_option("--spec", serve.spec, "one OpenAPI document, without a configuration");
  serve_call->add_option("--listen", serve.listen, "ADDRESS:PORT with --spec; default 127.0.0.1:8080");
  add_repeated(*serve_call, "--var", serve.variables, std::string(variable_help));
  serve_call->add_flag("--watch", serve.watch, "with --spec: reload when a file changes");

  CheckArguments check;
  CLI::App* check_call = add_call(app, "check", "find mistakes in documents and configurations",
                                  "  sluice check openapi.yaml\n"
                                  "  sluice check --strict --format sarif openapi.yaml > result.sarif\n"
                                  "  sluice check --config sluice.yaml");
  check_call->add_option("FILE", check.files, "OpenAPI documents");
  add_repeated(*check_call, "--config", check.configs, "a configuration, checked with all that it names");
  add_repeated(*check_call, "--var", check.variables, std::string(variable_help));
  check_call->add_option("--format", check.format, "text, json or sarif");
  check_call->add_flag("--strict", check.strict, "warnings are errors");
  check_call->add_option("--policy", check.policy, "a team's own assertions (a later version)");

  RoutesArguments routes;
  CLI::App* routes_call =
      add_call(app, "routes", "print the route table in match order", "  sluice routes openapi.yaml");
  routes_call->add_option("FILE", routes.file, "the OpenAPI document");
  add_repeated(*routes_call, "--var", routes.variables, std::string(variable_help));
  routes_call->add_option("--format", routes.format, "text or json");

  ExplainArguments explain;
  CLI::App* explain_call = add_call(
      app, "explain", "tell what would become of a request; sends nothing",
      "  sluice explain openapi.yaml GET /pets/7\n"
      "  sluice explain openapi.yaml POST 'https://api.example/orders?dry=1' -H 'Accept: text/plain' "
      "-d '{\"id\": 1}'");
  explain_call->add_option("FILE", explain.file, "the OpenAPI document");
  explain_call->add_option("METHOD", explain.method, "GET, POST, ...");
  explain_call->add_option("URL", explain.url, "a URL, or a path with its query");
  add_repeated(*explain_call, "-H,--header", explain.headers, "'Name: value'; may be repeated");
  CLI::Option* body = explain_call->add_option("-d,--data", explain.body, "the body");
  explain_call->add_option("--config", explain.config,
                           "a configuration whose functions, containers and variables count");
  add_repeated(*explain_call, "--var", explain.variables, std::string(variable_help));
  explain_call->add_option("--format", explain.format, "text or json");

  std::string schema;
  CLI::App* schema_call = add_call(app, "schema", "print a JSON Schema for editors",
                                   "  sluice schema config > sluice.schema.json");
  schema_call->add_option("WHICH", schema, "document or config");

  std::string version_format = "text";
  CLI::App* version_call =
      add_call(app, "version", "print version, build and library versions", "  sluice version");
  version_call->add_option("--format", version_format, "text or json");

  std::vector<CLI::App*> later;
  later.reserve(later_calls.size());
  for (const LaterCall& call : later_calls) {
    later.push_back(
        add_call(app, std::string(call.name), std::string(call.description), std::string(call.example)));
  }

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForAllHelp& help) {
    return app.exit(help);
  } catch (const CLI::ArgumentMismatch& mistake) {
    const std::string text = mistake.what();  // "--spec: 1 required TEXT missing"
    complain(text.substr(0, text.find(':')) + " needs a value; see sluice --help");
    return exit_usage;
  } catch (const CLI::ParseError& mistake) {
    complain(std::string(mistake.what()) + "; see sluice --help");
    return exit_usage;
  }
  if (print_version) {
    return run_version("text");
  }
  for (const CLI::App* call : later) {
    if (call->parsed()) {
      complain("\"" + call->get_name() + "\" is not built in this version; it has " +
               std::string(built_calls));
      return exit_usage;
    }
  }
  if (app.get_subcommands().empty() && !app.remaining().empty()) {
    report_unknown_call(app);
    return exit_usage;
  }
  bool unusable = report_extras(app);
  for (const CLI::App* call : app.get_subcommands()) {
    unusable = report_extras(*call) || unusable;
  }
  explain.has_body = body->count() != 0;
  const auto required = [&](const std::string& value, std::string_view what, std::string_view call) {
    if (value.empty()) {
      complain(std::string(call) + " needs " + std::string(what) + "; see sluice " + std::string(call) +
               " --help");
      unusable = true;
    }
  };
  if (routes_call->parsed()) {
    required(routes.file, "a FILE", "routes");
  }
  if (explain_call->parsed()) {
    required(explain.file, "a FILE", "explain");
    required(explain.method, "a METHOD", "explain");
    required(explain.url, "a URL or path", "explain");
  }
  if (schema_call->parsed()) {
    required(schema, "\"document\" or \"config\"", "schema");
  }
  serve.mistaken = check.mistaken = routes.mistaken = explain.mistaken = unusable;
  if (serve_call->parsed()) {
    return run_serve(serve);
  }
  if (check_call->parsed()) {
    return run_check(check);
  }
  if (routes_call->parsed()) {
    return run_routes(routes);
  }
  if (explain_call->parsed()) {
    return run_explain(explain);
  }
  if (unusable) {
    return exit_usage;
  }
  if (schema_call->parsed()) {
    return run_schema(schema);
  }
  if (version_call->parsed()) {
    return run_version(version_format);
  }
  complain("name a call: " + std::string(built_calls) + "; see sluice --help");
  return exit_usage;
}
