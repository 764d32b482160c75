/// The handler of a worker: runs every request through the phases of spec.md section 5, in one function.
#pragma once

#include <functional>
#include <memory>

#include "sluice/gateway/gateway.hpp"
#include "sluice/http/handler.hpp"

namespace sluice::gateway {

/// Called once a finished request or refusal, on the worker's thread; must not block (the access log's
/// queue).
using AccessLogSink = std::function<void(const http::Request& request, const http::RequestContext& context)>;

/// What belongs to one version of the configuration, beside its snapshot.
struct VersionServices {
  std::shared_ptr<client::cloud::Credentials> credentials{};  ///< nullptr: those of the services
  std::shared_ptr<const functions::LocalTable> functions{};   ///< nullptr: those in force
};

/// One a worker.
class Pipeline : public http::Handler {
 public:
  /// Makes requests that start from now on use this snapshot; those in flight keep theirs. On the worker's
  /// thread.
  virtual void use(std::shared_ptr<const Snapshot> snapshot, VersionServices services = {}) = 0;
};

std::unique_ptr<Pipeline> make_pipeline(net::Worker& worker, WorkerServices services,
                                        std::shared_ptr<const Snapshot> snapshot, AccessLogSink access_log);

}  // namespace sluice::gateway
