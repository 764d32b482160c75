#include "sluice/server/load.hpp"

#include <algorithm>
#include <filesystem>

#include "sluice/integrations/table.hpp"
#include "sluice/net/process.hpp"

#include "server/mappings.hpp"

namespace sluice::server {

namespace {

/// spec.md section 7: bodies in profile cloud, each way.
constexpr std::uint64_t cloud_body = 2'621'440;

/// Whether a certificate's name covers a domain, or a wildcard of the configuration to the letter.
bool covers(const std::vector<std::string>& names, const std::string& domain) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    if (name == domain) {
      return true;
    }
    const std::size_t dot = domain.find('.');
    return name.starts_with("*.") && dot != std::string::npos && domain.substr(dot) == name.substr(1);
  });
}

void load_certificates(Loaded& loaded, Diagnostics& diagnostics) {
  std::vector<net::TlsIdentity> identities;
  for (const CertificateConfig& entry : loaded.config.certificates) {
    auto certificate = net::TlsCertificate::load(entry.certificate, entry.private_key);
    if (certificate.has_error()) {
      constexpr std::string_view hint =
          "`certificate` and `private_key` are PEM files, taken from the configuration's folder";
      diagnostics.error(entry.place, "bad-certificate", certificate.error().detail, std::string(hint));
      std::error_code failed;
      if (!std::filesystem::exists(entry.certificate, failed) &&
          !std::filesystem::exists(entry.private_key, failed)) {
        diagnostics.error(entry.place, "bad-certificate",
                          "private key '" + entry.private_key + "' is not there either");
      }
      continue;
    }
    const net::TlsCertificate& read = *certificate.value();
    net::TlsIdentity identity;
    identity.domains = entry.domains;
    identity.name = entry.domains.empty() ? entry.certificate : entry.domains.front();
    if (read.not_after() < Clock::real().system()) {
      diagnostics.warning(
          entry.place, "certificate-expired",
          "the certificate " + entry.certificate + " ended at " + format_rfc3339(read.not_after()),
          "renew it: clients will refuse it");
    }
    for (const std::string& domain : entry.domains) {
      if (!covers(read.dns_names(), domain)) {
        diagnostics.warning(entry.place, "certificate-mismatch",
                            "the certificate " + entry.certificate + " does not cover " + domain,
                            "clients will refuse it for this name");
      }
    }
    loaded.certificates.emplace_back(identity.name, read.not_after());
    identity.certificate = std::move(certificate.value());
    identities.push_back(std::move(identity));
  }
  if (identities.empty()) {
    return;
  }
  auto context = net::TlsServerContext::make(std::move(identities));
  if (context.has_error()) {
    diagnostics.error({loaded.config.file, 1, 1}, "bad-certificate", context.error().detail);
    return;
  }
  loaded.tls = std::move(context.value());
}

void read_upstreams_files(Config& config, Diagnostics& diagnostics) {
  for (UpstreamConfig& upstream : config.upstreams) {
    if (const Result<void> read = upstream.tls.read_files(); read.has_error()) {
      diagnostics.error(upstream.place, "bad-certificate", read.error().detail);
    }
  }
}

/// Whether the configuration's own file lies below the folder, where anybody could ask for it.
bool holds(const std::string& folder, const std::string& file) {
  std::error_code failed;
  const std::filesystem::path inner = std::filesystem::canonical(file, failed);
  if (failed) {
    return false;
  }
  const std::filesystem::path outer = std::filesystem::canonical(folder, failed);
  if (failed) {
    return false;
  }
  const std::filesystem::path relative = inner.lexically_relative(outer);
  return !relative.empty() && *relative.begin() != "..";
}

std::vector<std::pair<std::string, std::shared_ptr<const Folder>>> open_buckets(const Config& config,
                                                                                Diagnostics& diagnostics) {
  std::vector<std::pair<std::string, std::shared_ptr<const Folder>>> buckets;
  for (const BucketConfig& bucket : config.buckets) {
    Result<std::shared_ptr<const Folder>> folder = Folder::open(bucket.directory);
    if (!folder) {
      diagnostics.error(bucket.place, "no-directory",
                        "the bucket " + bucket.name + ": " + folder.error().detail);
      continue;
    }
    if (holds(bucket.directory, config.file)) {
      diagnostics.warning(bucket.place, "exposed-configuration",
                          "the bucket " + bucket.name + " serves the folder that this configuration lies in",
                          "name a folder with nothing in it but the bucket's objects: `directory: …`");
    }
    buckets.emplace_back(bucket.name, std::move(*folder));
  }
  return buckets;
}

/// Where programs run must be there; a folder's name is the same for all that look at it from here on.
void find_directories(Config& config, Diagnostics& diagnostics) {
  for (ContainerConfig& container : config.local_containers) {
    std::error_code failed;
    const std::filesystem::path found = std::filesystem::canonical(container.directory, failed);
    if (failed || !std::filesystem::is_directory(found, failed)) {
      diagnostics.error(
          container.place, "no-directory",
          "the container " + container.id + " runs in " + container.directory + ", which is no folder",
          "make it, or correct `directory` (it is taken from the configuration's folder)");
    } else {
      container.directory = found.string();
    }
    const bool own_path = std::any_of(container.environment.begin(), container.environment.end(),
                                      [](const auto& variable) { return variable.first == "PATH"; });
    if (own_path || container.command.empty() || container.command.front().find('/') != std::string::npos) {
      continue;  // reported, or looked for when it is started
    }
    const std::string& program = container.command.front();
    if (const auto there = net::find_program(program, net::program_path()); there.has_error()) {
      const bool line = container.command.size() == 1 && program.find(' ') != std::string::npos;
      diagnostics.warning(container.place, "no-program",
                          "the container " + container.id + ": the program " + program + " is not in PATH",
                          line ? "`command` is a list: [" + program.substr(0, program.find(' ')) + ", …]"
                               : "install it, or write its path: until then the container answers 502");
    }
  }
}

/// Handlers and interpreters are there; the code itself is tried when it is first called.
void check_functions(Config& config, Diagnostics& diagnostics) {
  std::vector<std::string> hidden = config.files;
  if (config.log.output != "stderr" && config.log.output != "stdout") {
    hidden.push_back(config.log.output);
  }
  for (LocalFunctionConfig& function : config.local_functions) {
    functions::FunctionSpec& spec = function.spec;
    spec.hidden = hidden;
    std::error_code failed;
    // By its own name: code is found by it, and so are packages in the folders above.
    if (const auto found = std::filesystem::canonical(spec.directory, failed); !failed) {
      spec.directory = found.string();
    }
    if (spec.handler.empty() || function.runtime_place.file.empty()) {
      continue;  // reported
    }
    const auto handler = functions::resolve_handler(spec.language, spec.directory, spec.handler);
    if (handler.has_error()) {
      diagnostics.error(
          function.handler_place, "bad-handler", handler.error().detail,
          "`handler` is FILE.FUNCTION below `directory`, which is the configuration's folder where "
          "it is not given");
    }
    const auto interpreter = functions::find_interpreter(spec.language);
    if (interpreter.has_error()) {
      diagnostics.warning(function.runtime_place, "no-interpreter", interpreter.error().detail,
                          "install it: until then the function answers 502");
    }
  }
}

}  // namespace

functions::RuntimeSettings make_runtime_settings(const Config& config) {
  functions::RuntimeSettings settings;
  settings.queue = config.limits.function_queue;
  settings.answer_bytes = config.limits.function_answer;
  settings.start_timeout = config.limits.function_start;
  return settings;
}

std::vector<functions::FunctionSpec> make_function_specs(const Config& config) {
  std::vector<functions::FunctionSpec> specs;
  specs.reserve(config.local_functions.size());
  for (const LocalFunctionConfig& function : config.local_functions) {
    specs.push_back(function.spec);
  }
  return specs;
}

const gateway::IntegrationTable& integration_table() {
  static const gateway::IntegrationTable table = integrations::integration_table();
  return table;
}

gateway::Environment make_environment(const Config& config, gateway::CompileMode mode,
                                      Diagnostics& diagnostics, const ContainerHandles& handles) {
  gateway::Environment environment;
  environment.mode = mode;
  environment.functions = config.functions;
  environment.containers = config.containers;
  for (const ContainerConfig& container : config.local_containers) {
    environment.local_containers.push_back(handles ? handles(container.id)
                                                   : std::make_shared<gateway::LocalContainer>(container.id));
  }
  for (const LocalFunctionConfig& function : config.local_functions) {
    const bool node = function.spec.language == functions::Language::nodejs;
    environment.local_functions.emplace_back(function.spec.id,
                                             (node ? "nodejs " : "python ") + function.spec.handler);
  }
  environment.buckets = open_buckets(config, diagnostics);
  for (const client::cloud::AccountSettings& account : config.service_accounts) {
    environment.service_accounts.push_back(
        {account.id, account.source != client::cloud::TokenSource::none, account.static_key.has_value()});
  }
  environment.endpoints = config.services;
  environment.presigned_lifetime = config.limits.presigned_lifetime;
  environment.security_profiles = config.security_profiles;
  environment.http_allow_private = config.http_allow_private;
  environment.connect_timeout = config.limits.connect_timeout;
  environment.read_timeout = config.limits.read_timeout;
  environment.buffered_body = config.limits.event_body;
  environment.function_answer = config.limits.function_answer;
  return environment;
}

gateway::GatewaySettings make_gateway_settings(const Config& config, const GatewayConfig& gateway) {
  gateway::GatewaySettings settings;
  settings.id = gateway.id;
  settings.load.file = gateway.spec;
  settings.load.variables = gateway.variables;
  settings.load.limits = config.limits.document;
  settings.profile = gateway.profile.value_or(config.profile);
  settings.timeout = gateway.timeout;
  settings.request_body_limit = config.limits.request_body;
  settings.response_body_limit = config.limits.response_body;
  if (settings.profile == gateway::Profile::cloud) {
    settings.request_body_limit = config.limits.request_body.value_or(cloud_body);
    settings.response_body_limit = config.limits.response_body.value_or(cloud_body);
  }
  settings.domains = gateway.domains;
  return settings;
}

client::ClientSettings make_client_settings(const Config& config) {
  client::ClientSettings settings;
  settings.connect_retry = config.limits.connect_retry;
  settings.idle_timeout = config.limits.upstream_idle_timeout;
  settings.connections_per_origin = config.limits.upstream_connections;
  settings.idle_per_origin = config.limits.upstream_idle_connections;
  settings.header_bytes = config.limits.upstream_header_bytes;
  settings.kept_body = config.limits.upstream_kept_body;
  for (const UpstreamConfig& upstream : config.upstreams) {
    settings.upstreams.emplace_back(upstream.origin, upstream.tls);
  }
  return settings;
}

client::cloud::StoreSettings make_store_settings(const Config& config) {
  client::cloud::StoreSettings settings;
  settings.accounts = config.service_accounts;
  settings.iam = config.services.iam.url;
  settings.metadata = config.services.metadata.url;
  settings.client = make_client_settings(config);
  settings.exchange_timeout = config.limits.token_timeout;
  return settings;
}

Loaded load(Config given, gateway::CompileMode mode, MetricsRegistry* metrics, std::uint64_t version,
            Diagnostics& diagnostics, const ContainerHandles& handles) {
  Loaded loaded;
  loaded.config = std::move(given);
  const Config& config = loaded.config;
  loaded.files = config.files;
  const gateway::Environment environment = make_environment(config, mode, diagnostics, handles);
  std::vector<std::shared_ptr<const gateway::Gateway>> gateways;
  NamedIds named;
  for (const GatewayConfig& gateway : config.gateways) {
    if (gateway.spec.empty()) {
      continue;
    }
    loaded.files.push_back(gateway.spec);
    if (!gateway.spec_place.file.empty()) {
      if (const Result<std::string> text = spec::real_file_reader()(gateway.spec); text.has_error()) {
        diagnostics.error(gateway.spec_place, "cannot-read",
                          "the document " + gateway.spec + " cannot be read: " + text.error().detail,
                          "correct `spec`; it is taken from the configuration's folder");
        continue;
      }
    }
    const gateway::GatewaySettings gateway_settings = make_gateway_settings(config, gateway);
    auto compiled =
        gateway::Gateway::compile(gateway_settings, environment, integration_table(), metrics, diagnostics);
    if (!compiled) {
      // What is wrong with it may be the id that the configuration misspells.
      Diagnostics told;
      if (const auto document = spec::Document::load(gateway_settings.load, told)) {
        named.add(document->root());
      }
      continue;
    }
    const std::vector<std::string>& files = compiled->api().document->files();
    loaded.files.insert(loaded.files.end(), files.begin(), files.end());
    named.add(compiled->api().document->root());
    gateways.push_back(std::move(compiled));
  }
  load_certificates(loaded, diagnostics);
  read_upstreams_files(loaded.config, diagnostics);
  find_directories(loaded.config, diagnostics);
  check_functions(loaded.config, diagnostics);
  check_mappings(loaded.config, named, diagnostics);
  std::sort(loaded.files.begin(), loaded.files.end());
  loaded.files.erase(std::unique(loaded.files.begin(), loaded.files.end()), loaded.files.end());
  diagnostics.sort();
  if (!diagnostics.has_errors()) {
    gateway::SnapshotSettings settings;
    settings.trusted_proxies = config.trusted_proxies;
    settings.trust_unix = config.trust_unix;
    settings.service_domain = config.service_domain;
    settings.metrics = metrics;
    loaded.snapshot = gateway::Snapshot::make(std::move(gateways), std::move(settings), version);
  }
  return loaded;
}

Diagnostics check(const CheckOptions& options, std::vector<std::string>& unreadable) {
  Diagnostics diagnostics;
  const auto readable = [&](const std::string& file) {
    const Result<std::string> text = spec::real_file_reader()(file);
    if (text.has_error()) {
      unreadable.push_back(file + ": " + text.error().detail);
    }
    return text.has_value();
  };
  const gateway::Environment lint;
  for (const std::string& file : options.files) {
    if (!readable(file)) {
      continue;
    }
    gateway::GatewaySettings settings;
    settings.id = "check";
    settings.load.file = file;
    settings.load.variables = options.variables;
    static_cast<void>(gateway::Gateway::compile(settings, lint, integration_table(), nullptr, diagnostics));
  }
  for (const std::string& file : options.configs) {
    if (readable(file)) {
      Config config = load_config(file, diagnostics);
      static_cast<void>(load(std::move(config), gateway::CompileMode::configured, nullptr, 0, diagnostics));
    }
  }
  diagnostics.sort();
  return diagnostics;
}

}  // namespace sluice::server
