// type: serverless_containers: the request passes to a container as it is. spec.md section 4, backends.md.
#include "sluice/base/codec.hpp"
#include "sluice/functions/event.hpp"
#include "sluice/functions/forwarding.hpp"

#include "integrations/common/accounts.hpp"
#include "integrations/common/mapped.hpp"
#include "integrations/common/options.hpp"
#include "integrations/types.hpp"

namespace sluice::integrations {
namespace {

constexpr std::string_view context_header = "X-Yc-ApiGateway-Operation-Context";

/// An answer's body that keeps the container's process from being replaced under it.
class LeasedBody final : public http::BodySource {
 public:
  LeasedBody(std::unique_ptr<http::BodySource> body, gateway::LocalContainer::Lease lease)
      : lease_(std::move(lease)), body_(std::move(body)) {}
  net::Awaitable<Result<std::string_view>> read() override { return body_->read(); }
  std::optional<Result<std::string_view>> try_read() override { return body_->try_read(); }
  [[nodiscard]] std::optional<std::uint64_t> size() const noexcept override { return body_->size(); }
  void cancel_read() noexcept override { body_->cancel_read(); }
  [[nodiscard]] const http::Headers* trailers() const noexcept override { return body_->trailers(); }

 private:
  gateway::LocalContainer::Lease lease_;
  std::unique_ptr<http::BodySource> body_;
};

class Container final : public gateway::Integration {
 public:
  [[nodiscard]] bool needs_values() const noexcept override { return !operation_context_.is_constant(); }

  net::Awaitable<Result<http::Response>> run(gateway::Exchange& exchange) const override {
    if (local_) {
      co_return co_await run_local(exchange);
    }
    if (!callable_) {
      co_return not_mapped("container", "containers", id_);
    }
    client::ClientRequest request = prepare(exchange);
    std::string token;
    if (!account_.empty()) {
      Result<std::string> added = co_await add_token(exchange, account_, exchange.deadline,
                                                     &exchange.context.cancel, request.headers);
      if (!added) {
        co_return std::move(added).error();
      }
      token = std::move(*added);
    }
    if (exchange.buffered_body) {
      request.body = std::move(*exchange.buffered_body);
    } else {
      request.borrowed_body = exchange.request.body;
    }
    const client::CallOptions options = call_options(exchange);
    Result<http::Response> response = co_await exchange.services.http_client.send(request, options);
    if (response) {
      note_refusal(exchange, account_, token, response->status);
      response->headers.remove_hop_by_hop();
    }
    co_return response;
  }

  Result<OrderedJson> explain(gateway::Exchange& exchange) const override {
    client::ClientRequest request = prepare(exchange);
    if (!account_.empty()) {
      add_token_note(account_, request.headers);
    }
    OrderedJson result = OrderedJson::object();
    OrderedJson& shown = result["request"];
    shown["method"] = request.method;
    shown["url"] = explain_url(url_.origin, url_.authority, request.path_and_query);
    shown["headers"] = explain_headers(request.headers);
    shown["body"] = explain_body(exchange.buffered_body);
    if (!callable_) {
      result["note"] = not_mapped("container", "containers", id_).message;
    }
    return result;
  }

  static IntegrationPtr build(gateway::BuildContext& context, const spec::Node& node);

 private:
  net::Awaitable<Result<http::Response>> run_local(gateway::Exchange& exchange) const;
  [[nodiscard]] client::CallOptions call_options(gateway::Exchange& exchange) const;
  [[nodiscard]] client::ClientRequest prepare(const gateway::Exchange& exchange) const;
  [[nodiscard]] std::string target(const http::Request& request) const;

  std::string id_;
  std::shared_ptr<gateway::LocalContainer> local_;  ///< one that the daemon runs
  bool callable_ = false;                           ///< mapped, or the cloud may be called
  std::string account_;                             ///< whose token goes along; empty: none
  std::string host_;                                ///< the Host field; empty: the client's
  client::Url url_;
  BasePath base_;
  DeepTemplate operation_context_;
  bool has_context_ = false;
  std::string constant_context_;  ///< the header's value where nothing is substituted
  bool pass_authorization_ = true;
  Duration connect_timeout_{};
  Duration read_timeout_{};
};

client::CallOptions Container::call_options(gateway::Exchange& exchange) const {
  client::CallOptions options;
  options.connect_timeout = connect_timeout_;
  options.read_timeout = read_timeout_;
  options.head_deadline = exchange.deadline;
  options.cancel = &exchange.context.cancel;
  return options;
}

/// The process may end between the look at where it listens and the connect: a request of which nothing was
/// sent goes to the one that takes its place.
net::Awaitable<Result<http::Response>> Container::run_local(gateway::Exchange& exchange) const {
  constexpr unsigned most_places = 3;
  const http::Request& from = exchange.request;
  client::ClientRequest request = prepare(exchange);
  const client::CallOptions options = call_options(exchange);
  for (unsigned places = 1;; ++places) {
    Result<gateway::LocalContainer::Lease> lease =
        co_await local_->reach(exchange.context.worker, exchange.deadline, exchange.context.cancel);
    if (!lease) {
      co_return std::move(lease).error();
    }
    request.origin = (*lease)->origin;
    if (exchange.buffered_body) {
      request.body = *exchange.buffered_body;
    } else {
      request.borrowed_body = from.body;
    }
    Result<http::Response> response = co_await exchange.services.http_client.send(request, options);
    if (response) {
      response->headers.remove_hop_by_hop();
      if (auto* body = std::get_if<std::unique_ptr<http::BodySource>>(&response->body);
          body != nullptr && *body != nullptr) {
        *body = std::make_unique<LeasedBody>(std::move(*body), std::move(*lease));
      }
      co_return response;
    }
    // The client sends idempotent requests again by itself: their body may have been read already.
    const bool nothing_sent = response.error().code == ErrorCode::connect_failed &&
                              (from.body == nullptr || !http::is_idempotent(from.method));
    if (!nothing_sent || places == most_places || local_->is_current(*lease)) {
      co_return response;
    }
  }
}

std::string Container::target(const http::Request& request) const {
  std::string result;
  result.reserve(base_.path.size() + request.path.text().size() + request.query.size() + 2);
  result.append(base_.path);
  // "OPTIONS *" reaches a container as its root.
  result.append(request.path.text().empty() ? "/" : request.path.text());
  if (!base_.query.empty()) {
    result.append("?").append(base_.query);
    if (!request.query.empty()) {
      result.append("&").append(request.query);
    }
  } else if (request.has_query) {
    result.append("?").append(request.query);
  }
  return result;
}

client::ClientRequest Container::prepare(const gateway::Exchange& exchange) const {
  const http::Request& from = exchange.request;
  const http::RequestContext& context = exchange.context;
  client::ClientRequest request;
  request.method = from.method_text;
  request.origin = url_.origin;
  request.path_and_query = target(from);

  http::Headers passed = from.headers;
  passed.remove_hop_by_hop();
  http::Headers& headers = request.headers;
  headers.reserve(from.headers.size() + 14, 2048);
  if (!host_.empty()) {
    headers.add(http::FieldId::host, host_);
  } else {
    headers.add(http::FieldId::host, from.authority.empty() ? url_.authority : from.authority);
  }
  for (const http::Headers::Field& field : passed) {
    const bool own =
        field.id == http::FieldId::host || field.id == http::FieldId::content_length ||
        field.id == http::FieldId::expect || field.id == http::FieldId::traceparent ||
        field.id == http::FieldId::x_forwarded_host ||
        (field.id == http::FieldId::authorization && (!pass_authorization_ || !account_.empty()));
    if (!own && !functions::is_gateway_field(field, context.connection.peer_trusted)) {
      headers.add(field.name, field.value);
    }
  }
  for (const http::Headers::Field& field :
       functions::added_headers(from, context, exchange.operation.gateway_id, {})) {
    headers.add(field.name, field.value);
  }
  headers.add(http::FieldId::x_forwarded_host, functions::forwarded_host(from, context));
  if (!context.trace_parent.empty()) {
    headers.add(http::FieldId::traceparent, context.trace_parent);
  }
  if (has_context_) {
    headers.add(context_header, operation_context_.is_constant()
                                    ? constant_context_
                                    : base64_encode(dump_json(operation_context_.render(exchange.values))));
  }
  return request;
}

IntegrationPtr Container::build(gateway::BuildContext& context, const spec::Node& node) {
  const std::size_t errors = context.diagnostics.error_count();
  auto result = std::make_shared<Container>();
  {
    spec::ObjectReader reader(context.document, node, "the serverless_containers integration",
                              context.diagnostics);
    reader.accept("type");
    result->account_ = account_or_default(context, read_service_account(reader));
    result->id_ = reader.required_string("container_id", "write the id of the container that is called");
    if (const spec::Node* object = reader.node("context"); object != nullptr && !object->is_null()) {
      if (object->is_mapping()) {
        result->operation_context_ = DeepTemplate(*object, context.document, context.operation.parameter_set);
        result->has_context_ = true;
      } else {
        reader.error(*object, rule_option, "context must be a mapping, not " + object->describe());
      }
    }
  }
  if (context.diagnostics.error_count() != errors) {
    return nullptr;
  }
  const gateway::Environment& environment = context.environment;
  result->local_ = environment.local_container(result->id_);
  const gateway::MappedTarget* target = environment.container(result->id_);
  if (result->local_) {
    // The port is the process's; `explain` shows it as what it is.
    result->url_.origin = {client::Origin::Scheme::http, "127.0.0.1", 80};
    result->url_.authority = "127.0.0.1";
    result->url_.path_and_query = "/";
    result->callable_ = true;
    result->account_.clear();
  } else if (target != nullptr) {
    result->callable_ = true;
    result->url_ = target->url;
    result->account_ = account_of_mapped(context, *target, result->account_);
  } else {
    // Without a configuration it is never called, but explained.
    result->callable_ = environment.mode == gateway::CompileMode::configured;
    Result<client::cloud::ContainerAddress> cloud = environment.endpoints.container(result->id_);
    if (cloud) {
      result->url_ = std::move(cloud->url);
      result->host_ = std::move(cloud->host);
    } else if (result->callable_) {
      context.diagnostics.error(context.document.place(node.mark), rule_option, cloud.error().detail,
                                "map it: `containers: {" + result->id_ + ": {url: …}}`");
      return nullptr;
    }
    if (result->account_.empty()) {
      warn_anonymous(context, node, "container", "containers", result->id_);
    } else if (!check_account(context, node, result->account_, Credential::iam_token,
                              "map the container: `containers: {" + result->id_ + ": {url: …}}`")) {
      return nullptr;
    }
  }
  result->base_ = split_base(result->url_);
  if (result->has_context_ && result->operation_context_.is_constant()) {
    result->constant_context_ = base64_encode(dump_json(result->operation_context_.render({})));
  }
  result->pass_authorization_ = context.operation.profile == gateway::Profile::open;
  result->connect_timeout_ = environment.connect_timeout;
  result->read_timeout_ = environment.read_timeout;
  return result;
}

}  // namespace

IntegrationPtr build_serverless_containers(gateway::BuildContext& context, const spec::Node& node) {
  return Container::build(context, node);
}

}  // namespace sluice::integrations
