#include "listener_set.hpp"

#include <unistd.h>

#include <algorithm>
#include <set>

namespace sluice::server {

std::string OpenListener::url() const {
  const std::string text = net::to_text(listener->address());
  return text.starts_with("unix:") ? text : (tls ? "https://" : "http://") + text;
}

void ListenerSet::adopt_all(Diagnostics& diagnostics) {
  for (const InheritedSocket& socket : inherited_) {
    auto adopted = net::Listener::adopt(socket.descriptor, workers_);
    ::close(socket.descriptor);
    if (adopted.has_error()) {
      diagnostics.error({"LISTEN_FDS", 1, 1}, "bad-socket", adopted.error().detail,
                        "the socket unit must have ListenStream=");
      continue;
    }
    adopted_.emplace_back(socket.name, std::move(adopted.value()));
  }
  inherited_.clear();
}

std::unique_ptr<OpenListener> ListenerSet::open_one(const std::string& key, const ListenerConfig& config,
                                                    const std::set<std::uint16_t>& own_ports,
                                                    Diagnostics& diagnostics) {
  auto open = std::make_unique<OpenListener>();
  open->key = key;
  open->tls = config.tls;
  net::ListenAddress address;
  if (config.kind == ListenerConfig::Kind::unix_socket) {
    address.unix_path = config.path;
  } else {
    address.address = config.address;
    address.port = config.port;
  }
  const std::string text = net::to_text(address);
  const auto claimed = std::find_if(adopted_.begin(), adopted_.end(), [&](const auto& socket) {
    return net::to_text(socket.second->address()) == text;
  });
  if (claimed != adopted_.end()) {
    open->inherited = true;
    open->listener = std::move(claimed->second);
    adopted_.erase(claimed);
    return open;
  }
  constexpr int backlog = 4096;
  auto listener = net::Listener::open(address, workers_, backlog, own_ports.contains(address.port));
  if (listener.has_error()) {
    diagnostics.error(config.place, "cannot-listen", listener.error().detail);
    return nullptr;
  }
  open->listener = std::move(listener.value());
  return open;
}

ListenerSet::Change ListenerSet::prepare(const std::vector<ListenerConfig>& listeners,
                                         std::set<std::uint16_t> own_ports, Diagnostics& diagnostics) {
  adopt_all(diagnostics);
  own_ports.merge(ports());
  Change change;
  std::map<std::string, unsigned> uses;
  std::set<std::string> wanted;
  for (const ListenerConfig& config : listeners) {
    // Two listeners on port 0 have one name.
    const unsigned use = uses[config.name()]++;
    const std::string key = use == 0 ? config.name() : config.name() + '#' + std::to_string(use);
    wanted.insert(key);
    if (open_.contains(key)) {
      change.kept[key] = config.tls;
    } else if (auto open = open_one(key, config, own_ports, diagnostics)) {
      if (const std::uint16_t port = open->listener->address().port; port != 0) {
        own_ports.insert(port);
      }
      change.added.push_back(std::move(open));
    }
  }
  for (auto& [name, listener] : adopted_) {
    auto open = std::make_unique<OpenListener>();
    open->key = "inherited:" + net::to_text(listener->address());
    open->tls = name == "https" || name == "tls";
    open->inherited = true;
    open->listener = std::move(listener);
    change.added.push_back(std::move(open));
  }
  adopted_.clear();
  for (const auto& [key, open] : open_) {
    if (!wanted.contains(key) && !key.starts_with("inherited:")) {
      change.removed.push_back(key);
    }
  }
  return change;
}

std::set<std::uint16_t> ListenerSet::ports() const {
  std::set<std::uint16_t> ports;
  for (const auto& [key, open] : open_) {
    if (const std::uint16_t port = open->listener->address().port; port != 0) {
      ports.insert(port);
    }
  }
  return ports;
}

void ListenerSet::commit(Change change) {
  for (const std::string& key : change.removed) {
    open_.erase(key);
  }
  for (const auto& [key, tls] : change.kept) {
    open_.at(key)->tls = tls;
  }
  for (auto& open : change.added) {
    std::string key = open->key;
    open_[std::move(key)] = std::move(open);
  }
}

}  // namespace sluice::server
