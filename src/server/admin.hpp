/// The admin API: a handler of its own on the control thread. daemon.md, "Admin API"; docs/operations.md.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "sluice/base/diagnostics.hpp"
#include "sluice/base/json.hpp"
#include "sluice/gateway/gateway.hpp"
#include "sluice/http/handler.hpp"

namespace sluice::server {

/// What the admin API knows of the daemon; all of it on the control thread.
class AdminBackend {
 public:
  AdminBackend() = default;
  AdminBackend(const AdminBackend&) = delete;
  AdminBackend& operator=(const AdminBackend&) = delete;
  virtual ~AdminBackend() = default;

  /// Serving, and not about to stop.
  [[nodiscard]] virtual bool ready() const noexcept = 0;
  [[nodiscard]] virtual std::shared_ptr<const gateway::Snapshot> snapshot() const = 0;
  /// RFC 3339, when the snapshot came into force.
  [[nodiscard]] virtual std::string loaded_at() const = 0;
  /// Mistakes of the last reload, where it failed; else none.
  [[nodiscard]] virtual const Diagnostics& last_mistakes() const = 0;
  [[nodiscard]] virtual OrderedJson listeners() const = 0;
  virtual net::Awaitable<std::string> metrics() = 0;
  /// Reloads and answers with the mistakes, empty when the new version is in force on all workers.
  virtual net::Awaitable<Diagnostics> reload() = 0;
};

/// `backend` outlives the handler.
std::unique_ptr<http::Handler> make_admin_handler(AdminBackend& backend);

}  // namespace sluice::server
