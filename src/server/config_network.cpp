#include <algorithm>
#include <charconv>

#include <boost/asio/ip/address.hpp>

#include "sluice/base/codec.hpp"

#include "config_reader.hpp"

namespace sluice::server {

namespace {

namespace ip = boost::asio::ip;

/// The text of an IP address in its normal form; "localhost" is 127.0.0.1. Empty when it is none.
std::string normal_address(std::string_view text) {
  if (text == "localhost") {
    return "127.0.0.1";
  }
  if (text.starts_with('[') && text.ends_with(']')) {
    text = text.substr(1, text.size() - 2);
  }
  boost::system::error_code failed;
  const ip::address address = ip::make_address(std::string(text), failed);
  return failed ? std::string() : address.to_string();
}

/// What the kernel takes for sun_path.
constexpr std::size_t max_unix_path = 107;

std::optional<ListenerConfig> read_listener(Section& root, const spec::Node& node, bool is_admin) {
  Section section(root.context(), node, is_admin ? "`admin`" : "a listener");
  ListenerConfig listener;
  listener.place = section.place(node);
  bool usable = node.is_mapping();
  if (!is_admin) {
    if (const auto path = section.path("unix")) {
      listener.kind = ListenerConfig::Kind::unix_socket;
      listener.path = *path;
      if (path->size() > max_unix_path) {
        section.error(
            *section.node("unix"), "bad-address",
            "the path of a unix socket has at most 107 bytes, this one has " + std::to_string(path->size()));
        usable = false;
      }
    }
    listener.tls = section.flag("tls").value_or(false);
    if (section.flag("proxy_protocol").value_or(false)) {
      section.not_built(*section.node("proxy_protocol"), "`proxy_protocol`");
    }
  }
  if (listener.kind == ListenerConfig::Kind::unix_socket) {
    for (const std::string_view key : {"address", "port"}) {
      if (section.has(key)) {
        section.error(*section.node(key), "bad-listener",
                      "a listener has `unix` or `address` and `port`, not both");
        usable = false;
      }
    }
    return usable ? std::optional(std::move(listener)) : std::nullopt;
  }
  if (const auto address = section.text("address")) {
    listener.address = normal_address(*address);
    if (listener.address.empty()) {
      section.error(*section.node("address"), "bad-address", "\"" + *address + "\" is no IP address",
                    "write an address of this machine: 127.0.0.1, 0.0.0.0 (all IPv4) or \"::\" (all)");
      usable = false;
    }
  } else if (section.has("address")) {
    usable = false;
  } else {
    listener.address = is_admin ? "127.0.0.1" : "0.0.0.0";
  }
  if (!section.has("port")) {
    if (usable) {
      section.error(node, "missing-key",
                    std::string(is_admin ? "`admin`" : "a listener") + " needs a `port`" +
                        (is_admin ? "" : ", or `unix` with a path"));
    }
    usable = false;
  } else if (const auto port = section.count("port", 0, 65535)) {
    listener.port = static_cast<std::uint16_t>(*port);
  } else {
    usable = false;
  }
  return usable ? std::optional(std::move(listener)) : std::nullopt;
}

/// "::" takes the IPv4 addresses' ports of nobody: it is opened for IPv6 only when 0.0.0.0 is there, too.
bool same_place(const ListenerConfig& left, const ListenerConfig& right) {
  if (left.kind != right.kind) {
    return false;
  }
  if (left.kind == ListenerConfig::Kind::unix_socket) {
    return left.path == right.path;
  }
  return left.port == right.port && left.port != 0 && left.address == right.address;
}

}  // namespace

std::string ListenerConfig::name() const {
  if (kind == Kind::unix_socket) {
    return "unix:" + path;
  }
  const bool v6 = address.find(':') != std::string::npos;
  return (v6 ? '[' + address + ']' : address) + ':' + std::to_string(port);
}

Result<ListenerConfig> parse_listen(std::string_view text) {
  ListenerConfig listener;
  if (text.starts_with("unix:")) {
    listener.kind = ListenerConfig::Kind::unix_socket;
    listener.path = text.substr(5);
    if (listener.path.empty() || listener.path.size() > max_unix_path) {
      return config_error("a unix socket's path has 1 to 107 bytes");
    }
    return listener;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return config_error("\"" + std::string(text) + "\" has no port");
  }
  const std::string_view address = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (address.find(':') != std::string_view::npos && !address.starts_with('[')) {
    return config_error("an IPv6 address stands in brackets: [" + std::string(address) +
                        "]:" + std::string(port));
  }
  listener.address = address.empty() ? "0.0.0.0" : normal_address(address);
  if (listener.address.empty()) {
    return config_error("\"" + std::string(address) + "\" is no IP address");
  }
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), listener.port);
  if (parsed.ec != std::errc{} || parsed.ptr != port.data() + port.size() || port.empty()) {
    return config_error("\"" + std::string(port) + "\" is no port (0 to 65535)");
  }
  return listener;
}

void read_listeners(Section& root) {
  Config& config = root.context().config;
  const spec::Node* list = root.node("listen");
  if (list != nullptr) {
    for_each_item(root.context(), *list, "listen", [&](const spec::Node& item) {
      if (auto listener = read_listener(root, item, false)) {
        config.listeners.push_back(std::move(*listener));
      }
    });
    if (list->is_sequence() && list->items.empty()) {
      root.error(*list, "no-listeners", "`listen` is empty",
                 "add a listener such as {address: 127.0.0.1, port: 8080}, or leave `listen` out");
    }
  } else {
    ListenerConfig listener;
    listener.port = 8080;
    listener.place = root.place(root.self());
    config.listeners.push_back(std::move(listener));
  }
  if (const spec::Node* admin = root.node("admin")) {
    config.admin = read_listener(root, *admin, true);
  }
  const auto complain = [&](const ListenerConfig& second, const ListenerConfig& first) {
    root.diagnostics().error(
        second.place, "repeated-listener",
        second.name() + " is listened on twice, the other time in line " + std::to_string(first.place.line));
  };
  if (config.admin) {
    const auto taken =
        std::find_if(config.listeners.begin(), config.listeners.end(),
                     [&](const ListenerConfig& one) { return same_place(*config.admin, one); });
    if (taken != config.listeners.end()) {
      complain(*config.admin, *taken);
    }
  }
  for (std::size_t index = 0; index < config.listeners.size(); ++index) {
    const ListenerConfig& listener = config.listeners[index];
    for (std::size_t earlier = 0; earlier < index; ++earlier) {
      if (same_place(config.listeners[earlier], listener)) {
        complain(listener, config.listeners[earlier]);
        break;
      }
    }
    if (listener.tls && config.certificates.empty() && !root.has("certificates")) {
      root.diagnostics().error(listener.place, "no-certificate",
                               listener.name() + " has `tls: true`, but there are no `certificates`",
                               "add `certificates: [{domains: […], certificate: …, private_key: …}]`");
    }
  }
}

void read_certificates(Section& root) {
  Config& config = root.context().config;
  const spec::Node* list = root.node("certificates");
  if (list == nullptr) {
    return;
  }
  for_each_item(root.context(), *list, "certificates", [&](const spec::Node& item) {
    Section section(root.context(), item, "a certificate");
    CertificateConfig certificate;
    certificate.place = section.place(item);
    for (const auto& [text, at] : section.texts("domains")) {
      std::string domain = normal_domain(text);
      if (domain.empty()) {
        section.error(*at, "bad-domain", "\"" + text + "\" is no domain",
                      "write a host name, or `*.` and a host name");
      } else {
        certificate.domains.push_back(std::move(domain));
      }
    }
    if (section.flag("acme").value_or(false)) {
      section.not_built(*section.node("acme"), "a certificate by `acme`");
      section.accept("certificate");
      section.accept("private_key");
      return;
    }
    const auto chain = section.path("certificate");
    const auto key = section.path("private_key");
    if (!item.is_mapping()) {
      return;
    }
    if (!section.has("certificate") || !section.has("private_key")) {
      section.error(item, "missing-key",
                    "a certificate needs `certificate` and `private_key`, both paths of PEM files");
    }
    if (chain && key) {
      certificate.certificate = *chain;
      certificate.private_key = *key;
      config.files.push_back(*chain);
      config.files.push_back(*key);
      config.certificates.push_back(std::move(certificate));
    }
  });
}

void read_upstreams(Section& root) {
  Config& config = root.context().config;
  const spec::Node* list = root.node("upstreams");
  if (list == nullptr) {
    return;
  }
  for_each_item(root.context(), *list, "upstreams", [&](const spec::Node& item) {
    Section section(root.context(), item, "an upstream");
    UpstreamConfig upstream;
    upstream.place = section.place(item);
    const std::string origin =
        section.required_string("origin", "write scheme, host and port, such as https://pay.example");
    const auto file = [&](std::string_view key, std::string& out) {
      if (const auto path = section.path(key)) {
        out = *path;
        config.files.push_back(*path);
      }
    };
    file("ca", upstream.tls.ca_file);
    file("certificate", upstream.tls.certificate_file);
    file("private_key", upstream.tls.private_key_file);
    if (upstream.tls.certificate_file.empty() != upstream.tls.private_key_file.empty()) {
      section.error(item, "missing-key", "`certificate` and `private_key` go together");
    }
    if (origin.empty()) {
      return;
    }
    const Result<client::Url> url = client::parse_url(origin);
    if (url.has_error() || url.value().path_and_query != "/") {
      section.error(*section.node("origin"), "bad-url",
                    "`origin` must be scheme, host and port only" +
                        (url.has_error() ? ": " + url.error().detail : std::string()),
                    "such as https://pay.example:8443");
      return;
    }
    if (url.value().origin.scheme != client::Origin::Scheme::https) {
      section.error(*section.node("origin"), "bad-url",
                    "`upstreams` are TLS settings: the origin begins with https://");
      return;
    }
    for (const UpstreamConfig& other : config.upstreams) {
      if (other.origin == url.value().origin) {
        section.error(item, "repeated-upstream",
                      "the origin " + origin + " is named twice, the other time in line " +
                          std::to_string(other.place.line));
        return;
      }
    }
    upstream.origin = url.value().origin;
    config.upstreams.push_back(std::move(upstream));
  });
}

}  // namespace sluice::server
