/// The configuration's `containers`: a URL, or a program that the daemon runs.
#include <algorithm>

#include "config_reader.hpp"

namespace sluice::server {

namespace {

void read_container(Section& section, const std::string& id, const spec::Node& value) {
  ContainerConfig container;
  container.id = id;
  container.place = section.place(value);
  for (auto& [text, at] : section.texts("command")) {
    static_cast<void>(at);
    container.command.push_back(text);
  }
  container.environment = read_environment(section);
  for (const std::string_view name : {"PORT", "YC_METADATA_ADDR"}) {
    if (std::any_of(container.environment.begin(), container.environment.end(),
                    [&](const auto& entry) { return entry.first == name; })) {
      section.error(*section.node("env"), "conflicting-keys",
                    "`env` may not set " + std::string(name) + ": the daemon chooses it");
    }
  }
  const auto directory = section.path("directory");
  container.service_account = read_account_of(section);
  container.sandbox = section.flag("sandbox").value_or(true);
  if (!value.is_mapping()) {
    return;
  }
  if (!section.has("command")) {
    section.error(value, "missing-key", "the container " + id + " needs `url` or `command`",
                  "such as {url: \"http://127.0.0.1:9001\"} or {command: [python3, app.py]}");
    return;
  }
  if (container.command.empty() || container.command.front().empty()) {
    section.error(*section.node("command"), "empty-value", "`command` is empty");
    return;
  }
  container.directory = directory.value_or(path_beside(section.context().config.file, "."));
  section.context().config.local_containers.push_back(std::move(container));
}

}  // namespace

void read_containers(Section& root) {
  const spec::Node* node = root.node("containers");
  if (node == nullptr) {
    return;
  }
  for_each_member(root.context(), *node, "containers",
                  [&](const std::string& id, const spec::Node& value, const spec::Member&) {
                    Section section(root.context(), value, "the container " + id);
                    auto& mapped = root.context().config.containers;
                    if (section.has("url")) {
                      const std::string account = read_account_of(section);
                      const std::size_t before = mapped.size();
                      read_mapping(section, id, mapped);
                      if (mapped.size() > before) {
                        mapped.back().second.service_account = account;
                      }
                      refuse_beside_url(section, {"command", "directory", "env", "sandbox"}, "a container");
                    } else {
                      read_container(section, id, value);
                    }
                  });
}

}  // namespace sluice::server
