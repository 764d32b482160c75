/// The daemon's configuration: one YAML file, read whole, every mistake with its place. daemon.md,
/// "Configuration"; docs/configuration.md is its reference.
///
/// A Config is plain data, credentials among it; what a later step builds is checked for its shape and
/// reported as a [not-built] warning.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/base/diagnostics.hpp"
#include "sluice/base/json.hpp"
#include "sluice/base/log.hpp"
#include "sluice/client/cloud/credentials.hpp"
#include "sluice/client/cloud/endpoints.hpp"
#include "sluice/client/http_client.hpp"
#include "sluice/functions/runtime.hpp"
#include "sluice/gateway/integration.hpp"
#include "sluice/net/ip_set.hpp"
#include "sluice/server/config_values.hpp"
#include "sluice/server/limits.hpp"
#include "sluice/spec/document.hpp"

namespace sluice::server {

/// Where the daemon listens.
struct ListenerConfig {
  enum class Kind : std::uint8_t { tcp, unix_socket };
  Kind kind = Kind::tcp;
  std::string address = "127.0.0.1";  ///< IPv4 or IPv6 text without brackets
  std::uint16_t port = 0;             ///< 0: the kernel picks one
  std::string path;                   ///< unix_socket
  bool tls = false;
  Place place;

  /// "127.0.0.1:8080", "[::1]:80", "unix:/run/x.sock": identity across reloads, and for messages.
  [[nodiscard]] std::string name() const;
};

struct GatewayConfig {
  std::string id;
  std::string spec;  ///< path, relative to the working directory
  Place spec_place;  ///< where the configuration names it; without a file under `serve --spec`
  std::vector<std::string> domains;
  spec::VariableValues variables;
  std::optional<gateway::Profile> profile;
  Duration timeout = std::chrono::seconds(300);
  Place place;
};

/// A certificate from files. `domains` pick it by SNI.
struct CertificateConfig {
  std::vector<std::string> domains;
  std::string certificate;
  std::string private_key;
  Place place;
};

struct LogConfig {
  log::Level level = log::Level::info;
  log::Format format = log::Format::json;
  bool access = true;
  std::string output = "stderr";  ///< stderr, stdout or a file's path
  bool operator==(const LogConfig&) const = default;
};

struct UpstreamConfig {
  client::Origin origin;
  client::UpstreamTls tls;
  Place place;
};

/// A bucket that is a folder here.
struct BucketConfig {
  std::string name;
  std::string directory;
  Place place;
};

/// A container that the daemon runs.
struct ContainerConfig {
  std::string id;
  std::vector<std::string> command;
  std::string directory;  ///< absolute
  std::vector<std::pair<std::string, std::string>> environment;
  std::string service_account;  ///< empty: none
  bool sandbox = true;
  Place place;

  /// Whether the same program runs in the same way.
  bool operator==(const ContainerConfig& other) const {
    return id == other.id && command == other.command && directory == other.directory &&
           environment == other.environment && service_account == other.service_account &&
           sandbox == other.sandbox;
  }
};

/// A function that the daemon runs itself.
struct LocalFunctionConfig {
  functions::FunctionSpec spec;  ///< `hidden` is filled when it is loaded
  Place runtime_place;
  Place handler_place;
};

struct Config {
  std::string file;
  std::vector<ListenerConfig> listeners;
  unsigned workers = 0;  ///< 0: one a core
  gateway::Profile profile = gateway::Profile::open;
  std::string service_domain;
  net::IpSet trusted_proxies;
  bool trust_unix = false;  ///< `unix` in trusted_proxies
  bool watch = false;
  std::vector<GatewayConfig> gateways;
  std::vector<CertificateConfig> certificates;
  std::vector<std::pair<std::string, gateway::MappedTarget>> functions;
  std::vector<std::pair<std::string, gateway::MappedTarget>> containers;
  std::vector<LocalFunctionConfig> local_functions;
  std::vector<ContainerConfig> local_containers;
  std::vector<BucketConfig> buckets;
  std::vector<client::cloud::AccountSettings> service_accounts;
  client::cloud::Endpoints services = client::cloud::Endpoints::standard();
  std::vector<std::string> security_profiles;  ///< ids; their rules are those of a later step
  std::vector<UpstreamConfig> upstreams;
  bool http_allow_private = false;
  std::optional<ListenerConfig> admin;
  LogConfig log;
  Limits limits;
  /// The configuration itself and what it names but documents: `${file:}`, certificates, keys, authorities.
  std::vector<std::string> files;
  /// Values that came from references or stand for secrets: kept out of every message (mask_expansions).
  std::vector<Expansion> secrets;
};

/// Replaceable in tests; empty functions are the real ones.
struct ConfigSources {
  spec::FileReader reader;
  std::function<std::optional<std::string>(const std::string& name)> environment;
};

/// Reads `file`. Always returns what could be read; with errors in `diagnostics` it is for tools only.
Config load_config(const std::string& file, Diagnostics& diagnostics, const ConfigSources& sources = {});

/// The configuration of `serve --spec`: one gateway without domains, no cloud, one listener.
struct StandaloneOptions {
  std::string spec;
  std::string listen = "127.0.0.1:8080";
  std::vector<std::string> variables;  ///< "NAME=VALUE"
  bool watch = false;
};
/// Mistakes are given the place of the option ("--listen:1:1").
Config standalone_config(const StandaloneOptions& options, Diagnostics& diagnostics);

/// "ADDR:PORT", "[IPv6]:PORT" or "unix:PATH". Errors (config): `detail` says what is wrong.
Result<ListenerConfig> parse_listen(std::string_view text);

/// A relative path is taken from the folder of `base_file`.
std::string path_beside(const std::string& base_file, std::string_view path);

/// Replaces every such value in the messages and hints by its reference, or by "***".
void mask_expansions(Diagnostics& diagnostics, const std::vector<Expansion>& secrets);

/// The JSON Schema (draft 7) of the configuration for editors: `sluice schema config`.
Json config_schema();

}  // namespace sluice::server
