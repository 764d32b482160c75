/// Functions: reached by a URL, or run here.
#include <algorithm>
#include <filesystem>
#include <thread>

#include "config_reader.hpp"

namespace sluice::server {

namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20U;

/// Enough for handlers that wait for others, few enough for a laptop's memory.
std::size_t default_processes() {
  return std::clamp<std::size_t>(2UL * std::thread::hardware_concurrency(), 4, 16);
}

std::string absolute(const std::string& path) {
  std::error_code failed;
  const std::filesystem::path whole = std::filesystem::absolute(path.empty() ? "." : path, failed);
  std::string text = whole.lexically_normal().string();
  while (text.size() > 1 && text.ends_with('/')) {
    text.pop_back();
  }
  return text;
}

void read_local(Section& section, const std::string& id, const spec::Node& value,
                LocalFunctionConfig& function) {
  const auto runtime = section.text("runtime");
  const auto handler = section.text("handler");
  if (!section.has("runtime")) {
    section.error(value, "missing-key", "the function " + id + " needs `url`, or `runtime` and `handler`",
                  "such as {url: \"http://127.0.0.1:9000/\"} or {runtime: nodejs, handler: index.handler}");
    return;
  }
  if (runtime) {
    const auto language = functions::parse_runtime(*runtime);
    if (!language) {
      section.error(*section.node("runtime"), "unknown-value",
                    "the runtime \"" + *runtime + "\" is not known",
                    "write nodejs or python (or the cloud's names, such as nodejs18, python312)");
    }
    function.spec.language = language.value_or(functions::Language::nodejs);
    function.runtime_place = section.place(*section.node("runtime"));
  }
  if (!section.has("handler")) {
    section.error(value, "missing-key", "a function with `runtime` needs a `handler`, such as index.handler");
  }
  if (handler) {
    function.spec.handler = *handler;
    function.handler_place = section.place(*section.node("handler"));
  }
}

}  // namespace

void read_functions(Section& root) {
  const spec::Node* node = root.node("functions");
  if (node == nullptr) {
    return;
  }
  Config& config = root.context().config;
  for_each_member(
      root.context(), *node, "functions",
      [&](const std::string& id, const spec::Node& value, const spec::Member&) {
        Section section(root.context(), value, "the function " + id);
        LocalFunctionConfig function;
        function.spec.id = id;
        function.spec.directory = absolute(section.path("directory").value_or(path_beside(config.file, "")));
        function.spec.environment = read_environment(section);
        function.spec.timeout =
            section.duration("timeout", std::chrono::milliseconds(1), std::chrono::hours(1));
        function.spec.memory = section.size("memory", 16 * mib, 65536 * mib).value_or(256 * mib);
        function.spec.processes = section.count("workers", 1, 1000).value_or(default_processes());
        function.spec.service_account = read_account_of(section);
        if (read_mapping(section, id, config.functions)) {
          if (!config.functions.empty() && config.functions.back().first == id) {
            config.functions.back().second.timeout = function.spec.timeout;
            config.functions.back().second.service_account = function.spec.service_account;
          }
          refuse_beside_url(section, {"runtime", "handler", "directory", "env", "memory", "workers"},
                            "a function");
          return;
        }
        if (value.is_mapping()) {
          read_local(section, id, value, function);
          config.local_functions.push_back(std::move(function));
        }
      });
}

}  // namespace sluice::server
