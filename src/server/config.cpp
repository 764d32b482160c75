#include "sluice/server/config.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include <boost/asio/ip/address.hpp>

#include "sluice/base/codec.hpp"
#include "sluice/base/secrets.hpp"

#include "config_reader.hpp"

namespace sluice::server {

namespace {

/// Copies a tree with all references in its strings replaced.
class Expander {
 public:
  Expander(const std::string& file, const ExpansionSources& sources, Diagnostics& diagnostics, Config& config,
           std::set<const spec::Node*>& expanded)
      : file_(file), sources_(sources), diagnostics_(diagnostics), config_(config), expanded_(expanded) {}

  std::shared_ptr<const spec::Node> expand(const std::shared_ptr<const spec::Node>& node) {
    if (node->is_string()) {
      return expand_string(node);
    }
    if (node->is_mapping()) {
      auto copy = std::make_shared<spec::Node>(*node);
      for (spec::Member& member : copy->members) {
        member.value = expand(member.value);
      }
      return copy;
    }
    if (node->is_sequence()) {
      auto copy = std::make_shared<spec::Node>(*node);
      for (auto& item : copy->items) {
        item = expand(item);
      }
      return copy;
    }
    return node;
  }

 private:
  std::shared_ptr<const spec::Node> expand_string(const std::shared_ptr<const spec::Node>& node) {
    if (node->text.find("${") == std::string::npos) {
      return node;
    }
    std::vector<Expansion> used;
    Result<std::string> value = expand_references(node->text, sources_, &used);
    if (value.has_error()) {
      diagnostics_.error({file_, node->mark.line, node->mark.column}, "bad-reference", value.error().detail,
                         "`${env:NAME}` takes an environment variable, `${file:PATH}` a file's content");
      return node;
    }
    if (used.empty()) {
      return node;
    }
    auto copy = std::make_shared<spec::Node>(*node);
    copy->text = std::move(value.value());
    std::move(used.begin(), used.end(), std::back_inserter(config_.secrets));
    expanded_.insert(copy.get());
    return copy;
  }

  const std::string& file_;
  const ExpansionSources& sources_;
  Diagnostics& diagnostics_;
  Config& config_;
  std::set<const spec::Node*>& expanded_;
};

std::optional<std::string> real_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

void read_log(Section& root, const spec::Node& node) {
  Section section(root.context(), node, "`log`");
  LogConfig& out = root.context().config.log;
  if (const auto level = section.one_of("level", {"debug", "info", "warning", "warn", "error", "off"})) {
    out.level = log::parse_level(*level).value();
  }
  if (const auto format = section.one_of("format", {"json", "text"})) {
    out.format = *format == "json" ? log::Format::json : log::Format::text;
  }
  out.access = section.flag("access").value_or(true);
  if (const auto output = section.text("output")) {
    if (*output == "stderr" || *output == "stdout") {
      out.output = *output;
    } else if (output->empty()) {
      section.error(*section.node("output"), "empty-value",
                    "`output` must be stderr, stdout or a file's path");
    } else {
      out.output = path_beside(root.context().config.file, *output);
    }
  }
}

void read_trusted_proxies(Section& root) {
  for (const auto& [text, node] : root.texts("trusted_proxies")) {
    if (text == "unix") {
      root.context().config.trust_unix = true;
      continue;
    }
    const Result<void> added = root.context().config.trusted_proxies.add(text);
    if (added.has_error()) {
      root.error(*node, "bad-address", "`trusted_proxies`: " + added.error().detail,
                 "`unix` stands for peers of unix sockets");
    }
  }
}

void read_workers(Section& root) {
  const spec::Node* node = root.node("workers");
  if (node == nullptr || node->is_null() || (node->is_string() && node->text == "auto")) {
    return;
  }
  if (node->is_string() && !root.context().expanded.contains(node)) {
    root.error(*node, "wrong-kind", "`workers` must be auto or a whole number, not " + node->describe());
    return;
  }
  if (const auto count = root.count("workers", 1, 1024)) {
    root.context().config.workers = static_cast<unsigned>(*count);
  }
}

std::optional<gateway::Profile> read_profile(Section& section) {
  const auto profile = section.one_of("profile", {"open", "cloud"});
  if (!profile) {
    return std::nullopt;
  }
  return *profile == "cloud" ? gateway::Profile::cloud : gateway::Profile::open;
}

void read_gateway(Section& root, const spec::Node& node) {
  Section section(root.context(), node, "a gateway");
  Config& config = root.context().config;
  GatewayConfig gateway;
  gateway.place = section.place(node);
  const std::string spec =
      section.required_string("spec", "name the OpenAPI document, such as `spec: shop.yaml`");
  // What a broken ${env:…} or ${file:…} left was reported; no file is named so.
  const bool broken = spec.find("${env:") != std::string::npos || spec.find("${file:") != std::string::npos;
  if (!spec.empty() && !broken) {
    gateway.spec = path_beside(config.file, spec);
    gateway.spec_place = section.place(*section.node("spec"));
  }
  if (const auto id = section.text("id")) {
    gateway.id = *id;
  } else {
    const std::size_t slash = spec.rfind('/');
    gateway.id = slash == std::string::npos ? spec : spec.substr(slash + 1);
    if (const std::size_t dot = gateway.id.rfind('.'); dot != std::string::npos && dot != 0) {
      gateway.id.resize(dot);
    }
  }
  const bool good_id = !gateway.id.empty() && gateway.id.size() <= 128 &&
                       std::all_of(gateway.id.begin(), gateway.id.end(), [](char letter) {
                         return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                                (letter >= '0' && letter <= '9') || letter == '-' || letter == '_' ||
                                letter == '.';
                       });
  if (!good_id && !gateway.spec.empty()) {
    const spec::Node* at = section.node("id");
    section.error(at == nullptr ? node : *at, "bad-id",
                  "a gateway's id holds letters, digits, '-', '_' and '.' only, at most 128",
                  at == nullptr ? "give the gateway an `id` of its own" : "");
  }
  for (const auto& [text, at] : section.texts("domains")) {
    std::string domain = normal_domain(text);
    if (domain.empty()) {
      section.error(*at, "bad-domain", "\"" + text + "\" is no domain",
                    "write a host name without scheme, port and path, or `*.` and a host name; "
                    "international names in their xn-- form");
      gateway.domains.push_back(text);  // not a gateway for every other host
    } else {
      gateway.domains.push_back(std::move(domain));
    }
  }
  if (const spec::Node* variables = section.node("variables")) {
    for (const auto& [name, value] : section.map("variables", false)) {
      gateway.variables[name] = value;
      // What comes from outside the file may well be a key for an upstream.
      const spec::Node* node_of = variables->find(name);
      if (root.context().expanded.contains(node_of) && value.size() >= 8) {
        remember_secret(value);
      }
    }
  }
  gateway.profile = read_profile(section);
  const bool cloud = gateway.profile.value_or(config.profile) == gateway::Profile::cloud;
  const Duration longest = cloud ? std::chrono::minutes(10) : std::chrono::hours(24);
  gateway.timeout =
      section.duration("timeout", std::chrono::milliseconds(1), longest).value_or(std::chrono::seconds(300));
  if (cloud && gateway.domains.size() > 20) {
    section.error(*section.node("domains"), "too-many-domains",
                  "the profile `cloud` allows 20 domains a gateway, here are " +
                      std::to_string(gateway.domains.size()));
  }
  if (const spec::Node* canary = section.node("canary")) {
    Section inner(root.context(), *canary, "`canary`");
    inner.count("weight", 0, 100);
    inner.map("variables", false);
    inner.not_built(*canary, "`canary`");
  }
  config.gateways.push_back(std::move(gateway));
}

/// What one gateway may not share with another.
void check_gateways(Section& root, const spec::Node& list) {
  const Config& config = root.context().config;
  std::map<std::string, Place> ids;
  std::map<std::string, Place> domains;
  const GatewayConfig* fallback = nullptr;
  const auto where = [](const Place& place) { return "line " + std::to_string(place.line); };
  for (const GatewayConfig& gateway : config.gateways) {
    if (gateway.id.empty()) {
      continue;
    }
    const auto [id, fresh] = ids.emplace(gateway.id, gateway.place);
    if (!fresh) {
      root.diagnostics().error(
          gateway.place, "repeated-id",
          "two gateways have the id \"" + gateway.id + "\", the other in " + where(id->second),
          "give one of them another `id`");
    }
    for (const std::string& domain : gateway.domains) {
      const auto [known, first] = domains.emplace(domain, gateway.place);
      if (!first) {
        root.diagnostics().error(gateway.place, "repeated-domain",
                                 "the domain " + domain +
                                     " is named twice, the other time by the gateway in " +
                                     where(known->second));
      }
    }
    if (gateway.domains.empty()) {
      if (fallback != nullptr) {
        root.diagnostics().error(
            gateway.place, "two-defaults",
            "the gateways \"" + fallback->id + "\" and \"" + gateway.id +
                "\" both have no domains; one gateway at most answers for every other host",
            "give one of them `domains`");
      } else {
        fallback = &gateway;
      }
    }
  }
  if (!config.service_domain.empty()) {
    for (const GatewayConfig& gateway : config.gateways) {
      const auto taken = domains.find(to_lower(gateway.id) + '.' + config.service_domain);
      if (taken != domains.end() && taken->second.line != gateway.place.line) {
        root.diagnostics().error(taken->second, "repeated-domain",
                                 "the domain " + taken->first + " is that of the gateway \"" + gateway.id +
                                     "\" under `service_domain`");
      }
    }
  }
  if (config.gateways.empty()) {
    root.error(list, "no-gateways", "the configuration has no gateways",
               "add one: `gateways: [{spec: openapi.yaml}]`");
  }
}

}  // namespace

void read_gateways(Section& root) {
  const spec::Node& list = root.required_node("gateways");
  if (!root.has("gateways")) {
    return;
  }
  for_each_item(root.context(), list, "gateways", [&](const spec::Node& item) { read_gateway(root, item); });
  check_gateways(root, list);
}

void read_limits(Section& root) {
  const spec::Node* node = root.node("limits");
  if (node == nullptr || node->is_null()) {
    return;
  }
  Section section(root.context(), *node, "`limits`");
  for (const LimitDescription& limit : limit_table()) {
    const spec::Node* given = section.node(limit.name);
    if (given == nullptr) {
      continue;
    }
    const LimitDescription::Target target = limit.at(root.context().config.limits);
    const auto nanoseconds = [](std::uint64_t value) { return Duration(static_cast<Duration::rep>(value)); };
    if (limit.unit == LimitDescription::Unit::duration) {
      const auto value = section.duration(limit.name, nanoseconds(limit.min), nanoseconds(limit.max));
      if (value) {
        *std::get<Duration*>(target) = *value;
      }
    } else {
      const auto value = limit.unit == LimitDescription::Unit::size
                             ? section.size(limit.name, limit.min, limit.max)
                             : section.count(limit.name, limit.min, limit.max);
      if (value && std::holds_alternative<std::uint64_t*>(target)) {
        *std::get<std::uint64_t*>(target) = *value;
      } else if (value) {
        *std::get<std::optional<std::uint64_t>*>(target) = value;
      }
    }
    if (!limit.built) {
      section.not_built(*given, "what `limits." + std::string(limit.name) + "` bounds");
    }
  }
}

Config load_config(const std::string& file, Diagnostics& diagnostics, const ConfigSources& given) {
  ConfigSources sources = given;
  if (!sources.reader) {
    sources.reader = spec::real_file_reader();
  }
  if (!sources.environment) {
    sources.environment = real_environment;
  }
  Config config;
  config.file = file;
  config.files.push_back(file);
  const Result<std::string> text = sources.reader(file);
  if (text.has_error()) {
    diagnostics.error({file, 1, 1}, "unreadable", "the configuration cannot be read: " + text.error().detail,
                      "check the path and its permissions");
    return config;
  }
  const std::shared_ptr<const spec::Node> parsed = spec::parse_node(text.value(), 0, file, diagnostics);
  if (!parsed) {
    return config;
  }
  const ExpansionSources references{sources.environment, [&](const std::string& path) {
                                      const std::string resolved = path_beside(file, path);
                                      config.files.push_back(resolved);
                                      return sources.reader(resolved);
                                    }};
  std::set<const spec::Node*> expanded;
  Diagnostics found;
  Expander expander(file, references, found, config, expanded);
  const ConfigDocument document(file, expander.expand(parsed));
  ConfigContext context{document, found, config, std::move(expanded), sources};
  {
    Section root(context, document.root(), "the configuration");
    config.profile = read_profile(root).value_or(gateway::Profile::open);
    if (const auto domain = root.text("service_domain")) {
      config.service_domain = normal_domain(*domain);
      if (config.service_domain.empty() || config.service_domain.starts_with('*')) {
        root.error(*root.node("service_domain"), "bad-domain", "`service_domain` must be a host name");
      }
    }
    config.watch = root.flag("watch").value_or(false);
    read_workers(root);
    read_trusted_proxies(root);
    if (const spec::Node* log = root.node("log"); log != nullptr && !log->is_null()) {
      read_log(root, *log);
    }
    if (const spec::Node* http = root.node("http"); http != nullptr && !http->is_null()) {
      Section section(context, *http, "`http`");
      config.http_allow_private = section.flag("allow_private").value_or(false);
    }
    read_certificates(root);
    read_listeners(root);
    read_services(root);
    read_service_accounts(root);
    read_functions(root);
    read_containers(root);
    read_buckets(root);
    read_upstreams(root);
    read_limits(root);
    read_gateways(root);
    read_later_sections(root);
  }
  mask_expansions(found, config.secrets);
  for (const Diagnostic& item : found.items()) {
    diagnostics.add(item);
  }
  return config;
}

void mask_expansions(Diagnostics& diagnostics, const std::vector<Expansion>& secrets) {
  const auto mask = [&](std::string& text) {
    for (const Expansion& secret : secrets) {
      if (secret.value.size() < 4) {
        continue;
      }
      for (std::size_t at = text.find(secret.value); at != std::string::npos;
           at = text.find(secret.value, at + secret.reference.size())) {
        text.replace(at, secret.value.size(), secret.reference);
      }
    }
  };
  Diagnostics masked;
  for (Diagnostic item : diagnostics.items()) {
    mask(item.message);
    mask(item.hint);
    masked.add(std::move(item));
  }
  diagnostics = std::move(masked);
}

Config standalone_config(const StandaloneOptions& options, Diagnostics& diagnostics) {
  Config config;
  config.file = options.spec;
  config.watch = options.watch;
  config.log.format = log::Format::text;
  Result<ListenerConfig> listener = parse_listen(options.listen);
  if (listener.has_error()) {
    diagnostics.error({"--listen", 1, 1}, "bad-address", listener.error().detail,
                      "write ADDRESS:PORT, such as 127.0.0.1:8080 or [::]:80");
  } else {
    listener.value().place = {"--listen", 1, 1};
    config.listeners.push_back(std::move(listener.value()));
  }
  GatewayConfig gateway;
  gateway.spec = options.spec;
  gateway.place = {options.spec, 1, 1};
  const std::size_t slash = options.spec.rfind('/');
  gateway.id = slash == std::string::npos ? options.spec : options.spec.substr(slash + 1);
  if (const std::size_t dot = gateway.id.rfind('.'); dot != std::string::npos && dot != 0) {
    gateway.id.resize(dot);
  }
  for (const std::string& variable : options.variables) {
    const std::size_t equals = variable.find('=');
    if (equals == std::string::npos || equals == 0) {
      diagnostics.error({"--var", 1, 1}, "bad-variable", "\"" + variable + "\" is no NAME=VALUE",
                        "write --var environment=prod");
      continue;
    }
    gateway.variables[variable.substr(0, equals)] = variable.substr(equals + 1);
  }
  config.gateways.push_back(std::move(gateway));
  return config;
}

}  // namespace sluice::server
