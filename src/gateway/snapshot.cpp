#include <algorithm>

#include "sluice/base/codec.hpp"
#include "sluice/gateway/gateway.hpp"

#include "gateway/operation_metrics.hpp"

namespace sluice::gateway {
namespace {

/// As host_of_authority() gives hosts.
std::string normal_domain(std::string_view domain) {
  std::string out = to_lower(domain);
  if (out.size() > 1 && out.back() == '.') {
    out.pop_back();
  }
  return out;
}

}  // namespace

std::shared_ptr<const Snapshot> Snapshot::make(std::vector<std::shared_ptr<const Gateway>> gateways,
                                               SnapshotSettings settings, std::uint64_t version) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->settings_ = std::move(settings);
  snapshot->version_ = version;
  snapshot->gateways_ = std::move(gateways);
  snapshot->unmatched_ = OperationMetrics::make(snapshot->settings_.metrics, {"", "", "", "stable"}, {});
  for (const auto& gateway : snapshot->gateways_) {
    for (const std::string& text : gateway->settings().domains) {
      const std::string domain = normal_domain(text);
      if (domain.starts_with("*.")) {
        snapshot->wildcard_.emplace(domain.substr(2), gateway.get());
      } else {
        snapshot->exact_.emplace(domain, gateway.get());
      }
    }
    if (gateway->settings().domains.empty() && snapshot->default_ == nullptr) {
      snapshot->default_ = gateway.get();
    }
  }
  // What the configuration names comes before the names that a gateway has by its id.
  for (const auto& gateway : snapshot->gateways_) {
    const std::string label = to_lower(gateway->settings().id);
    snapshot->exact_.emplace(label + ".localhost", gateway.get());
    if (!snapshot->settings_.service_domain.empty()) {
      snapshot->exact_.emplace(label + '.' + normal_domain(snapshot->settings_.service_domain),
                               gateway.get());
    }
  }
  snapshot->only_default_ = snapshot->gateways_.size() == 1 && snapshot->default_ != nullptr;
  return snapshot;
}

const Gateway* Snapshot::find(std::string_view host) const noexcept {
  if (only_default_) {
    return default_;
  }
  if (const auto exact = exact_.find(host); exact != exact_.end()) {
    return exact->second;
  }
  if (const std::size_t dot = host.find('.'); dot != std::string_view::npos && dot > 0) {
    if (const auto wildcard = wildcard_.find(host.substr(dot + 1)); wildcard != wildcard_.end()) {
      return wildcard->second;
    }
  }
  return default_;
}

}  // namespace sluice::gateway
