#include <unistd.h>

#include "sluice/server/config.hpp"
#include "sluice/server/daemon.hpp"

#include "commands.hpp"

namespace sluice::cli {

int run_serve(const ServeArguments& arguments) {
  bool usable = !arguments.mistaken;
  if (arguments.config.empty() == arguments.spec.empty()) {
    complain(arguments.config.empty() ? "serve needs --config FILE or --spec FILE; see sluice serve --help"
                                      : "serve takes --config or --spec, not both");
    usable = false;
  }
  if (!arguments.config.empty()) {
    const auto refuse = [&](bool given, const char* option, const char* key) {
      if (given) {
        complain(std::string(option) + " goes with --spec; in a configuration write `" + key + "`");
        usable = false;
      }
    };
    refuse(!arguments.listen.empty(), "--listen", "listen");
    refuse(!arguments.variables.empty(), "--var", "variables");
    refuse(arguments.watch, "--watch", "watch: true");
  }
  server::StandaloneOptions standalone;
  standalone.spec = arguments.spec;
  standalone.variables = arguments.variables;
  standalone.watch = arguments.watch;
  if (!arguments.listen.empty()) {
    standalone.listen = arguments.listen;
  }
  if (!usable) {
    if (arguments.config.empty()) {
      Diagnostics diagnostics;
      static_cast<void>(server::standalone_config(standalone, diagnostics));
      for (const Diagnostic& item : diagnostics.items()) {
        complain(item.place.file + ": " + item.message + (item.hint.empty() ? "" : "; " + item.hint));
      }
    }
    return exit_usage;
  }
  server::DaemonOptions options;
  if (arguments.config.empty()) {
    options.mode = gateway::CompileMode::standalone;
    options.configure = [standalone](Diagnostics& diagnostics) {
      return server::standalone_config(standalone, diagnostics);
    };
  } else {
    options.configure = [file = arguments.config](Diagnostics& diagnostics) {
      return server::load_config(file, diagnostics);
    };
  }
  return server::run_daemon(options);
}

}  // namespace sluice::cli
