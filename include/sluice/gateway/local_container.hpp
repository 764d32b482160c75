/// A container that the daemon runs, as requests see it: where it listens now, or why not. Its process is
/// server/containers.hpp's; this is what the two share.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "sluice/base/clock.hpp"
#include "sluice/base/result.hpp"
#include "sluice/client/http_client.hpp"
#include "sluice/net/cancel.hpp"
#include "sluice/net/worker.hpp"

namespace sluice::gateway {

/// One a container id, for as long as configurations name it: processes come and go behind it. Thread-safe.
class LocalContainer {
 public:
  /// A process that takes requests. Whoever calls it holds the place until the answer has ended, so that a
  /// process that another one replaces is not ended under a request.
  struct Place {
    client::Origin origin;
  };
  using Lease = std::shared_ptr<const Place>;

  explicit LocalContainer(std::string id);
  LocalContainer(const LocalContainer&) = delete;
  LocalContainer& operator=(const LocalContainer&) = delete;

  [[nodiscard]] const std::string& id() const noexcept { return id_; }

  /// Where to call; waits while a process starts. On a worker's thread. Errors: what fail() was told
  /// (container_unavailable, 502), deadline, cancelled.
  net::Awaitable<Result<Lease>> reach(net::Worker& worker, std::optional<SteadyTime> deadline,
                                      net::CancelToken& cancel);
  [[nodiscard]] bool is_current(const Lease& lease) const;

  // For the owner of the processes.

  /// A process starts: requests wait from now on. The state at first.
  void starting();
  /// Requests go there from now on.
  void serve_at(Lease place);
  /// Requests are refused from now on. `detail` is for the log.
  void fail(std::string detail);

 private:
  struct Waiting;
  struct State {
    Lease place;         ///< ready
    std::string detail;  ///< failed
    bool failed = false;
  };
  void change(State state);
  [[nodiscard]] Error unavailable(const std::string& detail) const;

  const std::string id_;
  mutable std::mutex mutex_;
  State state_;
  std::vector<std::weak_ptr<Waiting>> waiting_;
};

}  // namespace sluice::gateway
