/// The configuration's `containers`: a URL, or a program that the daemon runs.
#include "config_reader.hpp"

namespace sluice::server {

namespace {

void read_url(Section& section, const std::string& id) {
  for (const std::string_view key : {"command", "directory", "env", "sandbox"}) {
    if (section.has(key)) {
      section.error(*section.node(key), "conflicting-keys",
                    "`" + std::string(key) +
                        "` has no meaning beside `url`: a container is either reached by a URL or run here");
    }
  }
  const auto text = section.text("url");
  if (!text) {
    return;
  }
  const Result<client::Url> url = client::parse_url(*text);
  if (url.has_error()) {
    section.error(*section.node("url"), "bad-url", "`url` is no usable URL: " + url.error().detail,
                  "write http://HOST:PORT/, https://HOST/ or unix:/PATH");
    return;
  }
  gateway::MappedTarget target{url.value()};
  target.service_account = read_account_of(section);
  section.context().config.containers.emplace_back(id, std::move(target));
}

void read_container(Section& section, const std::string& id, const spec::Node& value) {
  ContainerConfig container;
  container.id = id;
  container.place = section.place(value);
  for (auto& [text, at] : section.texts("command")) {
    static_cast<void>(at);
    container.command.push_back(text);
  }
  container.environment = section.map("env", true);
  for (const auto& [name, text] : container.environment) {
    const spec::Node& at = *section.node("env");
    if (name.empty() || name.find('=') != std::string::npos || name.find('\0') != std::string::npos ||
        text.find('\0') != std::string::npos) {
      section.error(at, "bad-value", "\"" + name + "\" in `env` is no name of an environment variable");
    } else if (name == "PORT" || name == "YC_METADATA_ADDR") {
      section.error(at, "conflicting-keys", "`env` may not set " + name + ": the daemon chooses it");
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
                    if (section.has("url")) {
                      read_url(section, id);
                    } else {
                      read_container(section, id, value);
                    }
                  });
}

}  // namespace sluice::server
