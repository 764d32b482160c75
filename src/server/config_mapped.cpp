/// What functions and containers have in common.
#include <algorithm>
#include <array>

#include "sluice/base/codec.hpp"

#include "config_reader.hpp"

namespace sluice::server {

namespace {

bool speaks_of_secrets(std::string_view name) {
  constexpr std::array words{"secret", "token", "password", "passwd", "key", "credential"};
  const std::string lower = to_lower(name);
  return std::any_of(words.begin(), words.end(),
                     [&](const char* word) { return lower.find(word) != std::string::npos; });
}

bool is_variable_name(std::string_view name) {
  return !name.empty() && name.find('=') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> read_environment(Section& section) {
  const spec::Node* node = section.node("env");
  auto values = section.map("env", false);
  for (const auto& [name, value] : values) {
    const spec::Node* at = node->find(name);
    if (!is_variable_name(name)) {
      section.error(*at, "bad-name", "`env`: \"" + name + "\" is no name of an environment variable");
    }
    if (value.find('\0') != std::string::npos) {
      section.error(*at, "bad-value", "`env." + name + "` holds a NUL character");
    }
    if (section.context().expanded.contains(at) || speaks_of_secrets(name)) {
      section.keep_secret(value);
    }
  }
  return values;
}

bool read_mapping(Section& section, const std::string& id,
                  std::vector<std::pair<std::string, gateway::MappedTarget>>& targets) {
  if (!section.has("url")) {
    return false;
  }
  const auto text = section.text("url");
  if (!text) {
    return true;
  }
  const Result<client::Url> url = client::parse_url(*text);
  if (url.has_error()) {
    section.error(*section.node("url"), "bad-url", "`url` is no usable URL: " + url.error().detail,
                  "write http://HOST:PORT/, https://HOST/ or unix:/PATH");
    return true;
  }
  targets.emplace_back(id, gateway::MappedTarget{url.value()});
  return true;
}

void refuse_beside_url(Section& section, std::initializer_list<std::string_view> keys,
                       std::string_view what) {
  for (const std::string_view key : keys) {
    if (section.has(key)) {
      section.error(*section.node(key), "conflicting-keys",
                    "`" + std::string(key) + "` has no meaning beside `url`: " + std::string(what) +
                        " is either reached by a URL or run here");
    }
  }
}

}  // namespace sluice::server
