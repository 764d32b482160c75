#include "sluice/gateway/pipeline.hpp"

#include <utility>

#include "sluice/base/clock.hpp"
#include "sluice/base/codec.hpp"
#include "sluice/http/problem.hpp"

#include "gateway/bounded_body.hpp"
#include "gateway/operation_metrics.hpp"
#include "gateway/request_origin.hpp"

namespace sluice::gateway {
namespace {

/// A client that left before its answer: no status went out, logs and metrics say nginx's number.
constexpr int client_closed_request = 499;
constexpr std::string_view all_methods = "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, TRACE";

double seconds_between(SteadyTime from, SteadyTime to) noexcept {
  return to > from ? std::chrono::duration<double>(to - from).count() : 0;
}

OperationMetrics* metrics_of(const http::RequestContext& context) noexcept {
  // Only this file writes it, from a pointer to OperationMetrics in the snapshot.
  return static_cast<OperationMetrics*>(const_cast<void*>(context.record.metrics));
}

/// What a request holds on to: its snapshot and what belongs to it, and its body where a limit watches it.
struct Pinned {
  std::shared_ptr<const Snapshot> snapshot{};
  VersionServices services{};
  std::unique_ptr<http::BodySource> body{};
};

/// What the request began on, whatever was put in force since.
const Pinned& pinned_of(const http::RequestContext& context) noexcept {
  return *static_cast<const Pinned*>(context.pinned.get());
}

/// One request on its way through the phases.
struct Visit {
  http::Request& request;
  http::RequestContext& context;
  const Gateway* gateway = nullptr;
  Match match{};
  const Plan* plan = nullptr;
  http::Response response{};
};

/// Answers with an error of our own; true, as a phase that has answered says.
bool refuse_with(Visit& visit, int status, std::string_view slug, std::string_view message) {
  visit.context.record.slug = slug;
  visit.response = http::problem(status, message, visit.context.request_id);
  return true;
}

bool refuse_with(Visit& visit, const Error& error) {
  const http::ProblemStatus status = http::problem_status(error);
  visit.context.record.detail = error.detail;
  return refuse_with(visit, status.status, status.slug, status.message);
}

void expire(void* token) noexcept {
  static_cast<net::CancelToken*>(token)->cancel(net::CancelReason::deadline);
}

class PhasedPipeline final : public Pipeline {
 public:
  PhasedPipeline(net::Worker& worker, WorkerServices services, std::shared_ptr<const Snapshot> snapshot,
                 AccessLogSink access_log)
      : worker_(worker), services_(services), access_log_(std::move(access_log)) {
    PhasedPipeline::use(std::move(snapshot), {});
  }

  void use(std::shared_ptr<const Snapshot> snapshot, VersionServices services) override {
    snapshot_ = snapshot.get();
    pinned_ = std::make_shared<const Pinned>(std::move(snapshot), std::move(services));
  }

  /// The order of spec.md section 5, a line a phase. A phase that has answered returns true and ends the
  /// way in; the head's limits were the connection's, which also writes the answer and calls finished(),
  /// where the log is written.
  net::Awaitable<http::Response> handle(http::Request& request, http::RequestContext& context) override {
    Visit visit{request, context};
    pin(visit);
    const bool answered = server_options(visit)  //
                          || domain(visit)       //
                          || release(visit)      //
                          || route(visit)        //
                          || built(visit)        //
                          || body_limit(visit)   //
                          || fixed_answer(visit);
    if (!answered) {
      co_await integration(visit);
      response_limit(visit);
    }
    note_status(visit);
    co_return std::move(visit.response);
  }

  http::Response refuse(const Error& error, http::RequestContext& context) override {
    const http::ProblemStatus status = http::problem_status(error);
    context.pinned = pinned_;
    context.record.slug = status.slug;
    context.record.detail = error.detail;
    context.record.status = status.status;
    context.client_address = context.connection.peer_address;
    count_on(context, snapshot_->unmatched_metrics());
    return http::problem(error, context.request_id);
  }

  void finished(const http::Request& request, http::RequestContext& context) noexcept override {
    if (context.record.status == 0) {
      context.record.status = client_closed_request;
    }
    try {
      if (OperationMetrics* metrics = metrics_of(context)) {
        metrics->ended(worker_.index(), context.record.status,
                       seconds_between(context.started, Clock::real().steady()));
      }
      if (access_log_) {
        access_log_(request, context);
      }
    } catch (const std::exception&) {
      // Out of memory for a line of the log: the request was served all the same.
      context.record.detail.clear();
    }
  }

 private:
  void count_on(http::RequestContext& context, const std::shared_ptr<OperationMetrics>& metrics) {
    if (metrics != nullptr) {
      context.record.metrics = metrics.get();
      metrics->began(worker_.index());
    }
  }

  void pin(Visit& visit) {
    http::RequestContext& context = visit.context;
    // The connection's clock ticks; durations of a millisecond want a finer one.
    context.started = Clock::real().steady();
    context.pinned = pinned_;
    find_client_address(context.client_address, visit.request.headers, context.connection,
                        snapshot_->settings().trusted_proxies);
    if (access_log_) {
      find_traceparent(context.trace_parent, visit.request.headers);
    }
  }

  /// "OPTIONS *" asks the server, not a gateway; CONNECT has no path and is nobody's (spec.md section 2).
  bool server_options(Visit& visit) {
    if (visit.request.path.size() != 0) {
      return false;
    }
    count_on(visit.context, snapshot_->unmatched_metrics());
    if (visit.request.method == http::Method::connect) {
      refuse_with(visit, 405, "method_not_allowed", "This server is no proxy");
      visit.response.headers.add("Allow", all_methods);
      return true;
    }
    if (visit.request.method != http::Method::options) {
      return refuse_with(visit, 400, "bad_target", "The request's target is no path");
    }
    visit.response.status = 204;
    visit.response.headers.add("Allow", all_methods);
    return true;
  }

  bool domain(Visit& visit) {
    visit.gateway = snapshot_->find(visit.request.host);
    if (visit.gateway == nullptr) {
      count_on(visit.context, snapshot_->unmatched_metrics());
      return refuse_with(visit, 404, "host_not_found", "No gateway serves this host");
    }
    visit.context.record.gateway = visit.gateway->settings().id;
    return false;
  }

  bool release(Visit& visit) {
    visit.context.record.release = "stable";
    return false;
  }

  bool route(Visit& visit) {
    const http::Request& request = visit.request;
    if (request.headers.contains(http::FieldId::upgrade) && is_websocket_upgrade(request)) {
      visit.plan = visit.gateway->websocket(request.path);
    }
    if (visit.plan == nullptr) {
      visit.match = visit.gateway->router().match(request.method, request.method_text, request.path);
      if (visit.match.outcome != Match::Outcome::found) {
        return no_route(visit);
      }
      visit.plan = &visit.gateway->plan(visit.match.route, visit.match.operation);
    }
    http::RequestRecord& record = visit.context.record;
    record.path_template = visit.plan->info.path_template;
    record.operation = visit.plan->info.operation_id;
    record.integration = visit.plan->info.integration_type;
    count_on(visit.context, visit.plan->metrics);
    return false;
  }

  static bool is_websocket_upgrade(const http::Request& request) noexcept {
    const auto upgrade = request.headers.get(http::FieldId::upgrade);
    return request.method == http::Method::get && upgrade && equals_ignore_case(*upgrade, "websocket");
  }

  bool no_route(Visit& visit) {
    count_on(visit.context, visit.gateway->unmatched_metrics());
    if (visit.match.outcome == Match::Outcome::not_found) {
      return refuse_with(visit, 404, "route_not_found", "No path of this gateway matches the request");
    }
    refuse_with(visit, 405, "method_not_allowed", "The path does not allow this method");
    visit.response.headers.add("Allow", visit.gateway->router().allow(visit.request.path));
    return true;
  }

  static bool built(Visit& visit) {
    const Plan& plan = *visit.plan;
    if (plan.refused_slug.empty()) {
      return false;
    }
    visit.context.record.detail = plan.refused_what;
    return refuse_with(
        visit, 501, plan.refused_slug,
        plan.refused_slug == "no_integration"
            ? "The operation has no integration"
            : "The operation needs what this version of the gateway does not have (not_built)");
  }

  /// A declared size is judged at once; a body of unknown size is watched while it is read.
  bool body_limit(Visit& visit) {
    const std::optional<std::uint64_t>& limit = visit.gateway->settings().request_body_limit;
    if (visit.request.body == nullptr || !limit) {
      return false;
    }
    if (const auto size = visit.request.body->size()) {
      return *size > *limit && refuse_with(visit, request_too_large());
    }
    auto pinned = std::make_shared<Pinned>();
    const Pinned& begun = pinned_of(visit.context);
    pinned->snapshot = begun.snapshot;
    pinned->services = begun.services;
    pinned->body = bound_request_body(*visit.request.body, *limit);
    visit.request.body = pinned->body.get();
    visit.context.pinned = std::move(pinned);
    return false;
  }

  /// Answers that were rendered at load go out without a coroutine of their own. The request keeps the
  /// snapshot, so they need no counter that all workers would touch.
  static bool fixed_answer(Visit& visit) {
    const Plan& plan = *visit.plan;
    const http::RenderedResponse* fixed =
        plan.constant != nullptr ? plan.constant.get() : plan.integration->fixed_answer(visit.request);
    if (fixed == nullptr) {
      return false;
    }
    visit.response.rendered = std::shared_ptr<const http::RenderedResponse>(visit.context.pinned, fixed);
    return true;
  }

  /// Substitution and integration, under the gateway's `timeout`.
  net::Awaitable<void> integration(Visit& visit) {
    const Plan& plan = *visit.plan;
    http::RequestContext& context = visit.context;
    if (context.trace_parent.empty()) {
      find_traceparent(context.trace_parent, visit.request.headers);
    }
    const VersionServices& version = pinned_of(context).services;
    client::cloud::Credentials* const credentials = version.credentials.get();
    WorkerServices services{services_.http_client,
                            credentials != nullptr ? *credentials : services_.credentials,
                            services_.local_functions, version.functions.get()};
    Exchange exchange{visit.request, context, plan.info, services, {}, nullptr, std::nullopt, std::nullopt};
    exchange.deadline = context.started + visit.gateway->settings().timeout;
    if (plan.needs_values) {
      exchange.values =
          parameters::Values::extract(plan.info.parameter_set, visit.request,
                                      visit.gateway->router().capture(visit.match.route, visit.request.path));
    }
    // The client knows the deadline; the timer ends whatever else the integration waits for.
    net::Timer timer(worker_.wheel(), expire, &context.cancel);
    timer.arm_at(*exchange.deadline);
    Result<http::Response> result = internal_error("the integration ended without a result");
    try {
      result = co_await plan.integration->run(exchange);
    } catch (const std::exception& failure) {
      result = internal_error(failure.what());
    }
    timer.disarm();
    context.record.integration_time = Clock::real().steady() - context.started;
    if (result) {
      visit.response = std::move(*result);
    } else {
      integration_failed(visit, result.error());
    }
    if (OperationMetrics* metrics = metrics_of(context)) {
      metrics->integration_ended(worker_.index(),
                                 std::chrono::duration<double>(context.record.integration_time).count());
      if (!context.record.slug.empty()) {
        metrics->integration_failed(worker_.index(), context.record.slug);
      }
    }
  }

  static void integration_failed(Visit& visit, const Error& error) {
    switch (visit.context.cancel.reason()) {
      case net::CancelReason::client_gone:
        refuse_with(visit, client_closed_request, "client_gone", "The client has closed the connection");
        break;
      case net::CancelReason::deadline:
        // Ours, from the timer: the answer that goes out now is not cancelled.
        visit.context.cancel.reset();
        refuse_with(visit, 504, "deadline", "The request took too long");
        break;
      case net::CancelReason::none:
      case net::CancelReason::drain:
        refuse_with(visit, error);
        break;
    }
    visit.context.record.detail = error.detail;
  }

  /// Profile cloud, or limits.response_body: an answer of known size is judged now, the others while they
  /// flow.
  void response_limit(Visit& visit) {
    const GatewaySettings& settings = visit.gateway->settings();
    http::Response& response = visit.response;
    if (response.rendered != nullptr || !visit.context.record.slug.empty()) {
      return;
    }
    const auto size = http::body_size(response.body);
    if (settings.response_body_limit && size && *size > *settings.response_body_limit) {
      refuse_with(visit, response_too_large());
      return;
    }
    auto* source = std::get_if<std::unique_ptr<http::BodySource>>(&response.body);
    const bool timed = settings.profile == Profile::cloud;
    if (source != nullptr && *source != nullptr && (timed || settings.response_body_limit)) {
      std::optional<SteadyTime> deadline;
      if (timed) {
        deadline = visit.context.started + settings.timeout;
      }
      response.body =
          bound_response_body(std::move(*source), settings.response_body_limit, deadline, visit.context);
    }
  }

  static void note_status(Visit& visit) {
    const http::RenderedResponse* rendered = visit.response.rendered.get();
    visit.context.record.status = rendered != nullptr ? rendered->status : visit.response.status;
  }

  net::Worker& worker_;
  WorkerServices services_;
  const Snapshot* snapshot_ = nullptr;  ///< what requests that start now use; kept by pinned_
  /// Of this worker alone, so that pinning does not touch a counter that other workers touch as well.
  std::shared_ptr<const Pinned> pinned_;
  AccessLogSink access_log_;
};

}  // namespace

std::unique_ptr<Pipeline> make_pipeline(net::Worker& worker, WorkerServices services,
                                        std::shared_ptr<const Snapshot> snapshot, AccessLogSink access_log) {
  return std::make_unique<PhasedPipeline>(worker, services, std::move(snapshot), std::move(access_log));
}

}  // namespace sluice::gateway
