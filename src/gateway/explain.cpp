#include "sluice/gateway/explain.hpp"

#include <algorithm>

#include "sluice/base/codec.hpp"
#include "sluice/http/problem.hpp"

#include "gateway/request_origin.hpp"

namespace sluice::gateway {
namespace {

/// Stands where a client is wanted; `explain` sends nothing.
class NoClient final : public client::HttpClient {
 public:
  net::Awaitable<Result<http::Response>> send(client::ClientRequest& /*request*/,
                                              const client::CallOptions& /*options*/,
                                              client::CallRecord* /*record*/) override {
    co_return internal_error("explain sends nothing");
  }
  void configure(client::ClientSettings /*settings*/) override {}
  void close_idle() noexcept override {}
  [[nodiscard]] PoolCounts counts() const noexcept override { return {}; }
};

Error bad_request(std::string message) {
  return downstream_error(ErrorCode::invalid, "bad_request", std::move(message));
}

/// Host and target of an absolute URL or a path. A path that is refused is told in `refusal`.
Result<void> read_url(http::Request& request, const std::string& url, std::optional<Error>& refusal) {
  std::string target = url.empty() || url.front() == '?' ? '/' + url : url;
  // A fragment is the browser's own and never sent.
  target = target.substr(0, target.find('#'));
  const auto split = http::split_target(target);
  if (!split) {
    return bad_request("\"" + url + "\" is neither a path nor a URL: " + split.error().message +
                       split.error().detail);
  }
  request.target = target;
  request.raw_path = split->path;
  request.query = split->query;
  request.has_query = split->has_query;
  if (!split->authority.empty()) {
    request.authority = split->authority;
  }
  if (split->asterisk) {
    return {};
  }
  if (auto assigned = request.path.assign(split->path); !assigned) {
    refusal = assigned.error();
  }
  return {};
}

Result<void> read_request(http::Request& request, const ExplainRequest& input,
                          std::optional<Error>& refusal) {
  if (!is_token(input.method)) {
    return bad_request("\"" + input.method + "\" is no HTTP method");
  }
  request.method_text = input.method;
  request.method = http::parse_method(input.method);
  if (auto read = read_url(request, input.url, refusal); !read) {
    return read;
  }
  for (const auto& [name, value] : input.headers) {
    if (!is_token(name) || !is_field_value(value)) {
      return bad_request(
          std::string("\"").append(name).append(": ").append(value).append("\" is no HTTP header"));
    }
    request.headers.add(name, trim(value));
  }
  if (const auto host = request.headers.get(http::FieldId::host)) {
    request.authority = *host;
  } else if (!request.authority.empty()) {
    const std::string authority = request.authority;
    request.headers.add(http::FieldId::host, authority);
  }
  if (request.authority.empty()) {
    request.authority = "localhost";
    request.headers.add(http::FieldId::host, "localhost");
  }
  if (!http::is_valid_authority(request.authority)) {
    return bad_request("\"" + request.authority + "\" is no host");
  }
  request.host = http::host_of_authority(request.authority);
  return {};
}

OrderedJson header_list(const http::Headers& headers) {
  OrderedJson list = OrderedJson::array();
  for (const http::Headers::Field field : headers) {
    OrderedJson item = OrderedJson::object();
    item["name"] = std::string(field.name);
    item["value"] = std::string(field.value);
    list.push_back(std::move(item));
  }
  return list;
}

std::string place_text(const Gateway& gateway, const Plan& plan) {
  const Place place = gateway.api().document->place(plan.mark);
  return place.file + ':' + std::to_string(place.line);
}

/// One explanation in the making.
class Explainer {
 public:
  Explainer(const Gateway& gateway, const ExplainRequest& input)
      : gateway_(gateway), input_(input), context_(worker_, connection_), services_{client_} {
    connection_.peer_address = "127.0.0.1";
    connection_.local_address = "127.0.0.1";
  }

  Result<OrderedJson> run() {
    if (auto read = read_request(request_, input_, refusal_); !read) {
      return read.error();
    }
    if (input_.body) {
      body_ = http::make_body_source(*input_.body);
      request_.body = body_.get();
    }
    context_.request_id = make_id();
    find_client_address(context_.client_address, request_.headers, connection_, {});
    find_traceparent(context_.trace_parent, request_.headers);
    out_["request"] = describe_request();
    if (!refusal_) {
      find_route();
    }
    out_["matched"] = plan_ != nullptr;
    out_["candidates"] = refusal_ ? OrderedJson::array() : describe_candidates();
    if (plan_ != nullptr) {
      describe_route();
    }
    describe_steps();
    mask_json(out_, credential_names());
    return std::move(out_);
  }

 private:
  static std::string make_id() { return "00000000-0000-4000-8000-000000000000"; }

  /// What the document's own security schemes call a credential.
  [[nodiscard]] std::vector<std::string> credential_names() const {
    std::vector<std::string> names;
    const spec::Document& document = *gateway_.api().document;
    for (const spec::SecurityScheme& scheme : gateway_.api().security_schemes) {
      if (scheme.type == "apiKey" && !scheme.api_key_name.empty()) {
        names.push_back(scheme.api_key_name);
      }
      for (const char* key : {"identitySource", "IdentitySource"}) {
        const spec::Node* source =
            scheme.authorizer == nullptr ? nullptr : document.get(*scheme.authorizer, key);
        const spec::Node* name = source == nullptr ? nullptr : document.get(*source, "name");
        if (name != nullptr && name->is_string() && !name->text.empty()) {
          names.push_back(name->text);
        }
      }
    }
    return names;
  }

  OrderedJson describe_request() {
    OrderedJson item = OrderedJson::object();
    item["method"] = request_.method_text;
    item["host"] = request_.host;
    item["path"] = refusal_ ? request_.raw_path : std::string(request_.path.text());
    if (request_.has_query) {
      // With its question mark, so that names at its beginning are seen when credentials are masked.
      item["query"] = '?' + request_.query;
    }
    item["headers"] = header_list(request_.headers);
    if (input_.body) {
      item["body"] = sanitize_utf8(*input_.body);
    }
    return item;
  }

  void find_route() {
    const auto upgrade = request_.headers.get(http::FieldId::upgrade);
    if (request_.method == http::Method::get && upgrade && equals_ignore_case(*upgrade, "websocket")) {
      plan_ = gateway_.websocket(request_.path);
      upgrade_ = plan_ != nullptr;
    }
    if (plan_ == nullptr) {
      match_ = gateway_.router().match(request_.method, request_.method_text, request_.path);
      if (match_.outcome == Match::Outcome::found) {
        plan_ = &gateway_.plan(match_.route, match_.operation);
      }
    }
  }

  OrderedJson describe_candidates() {
    OrderedJson list = OrderedJson::array();
    for (const RouteVerdict& verdict :
         gateway_.router().explain(request_.method, request_.method_text, request_.path)) {
      OrderedJson item = OrderedJson::object();
      const bool chosen = verdict.chosen && !upgrade_;
      item["template"] = gateway_.routes()[verdict.route].path_template.text;
      item["verdict"] = chosen                    ? "chosen"
                        : !verdict.path_matches   ? "path does not fit"
                        : !verdict.method_matches ? "no operation for the method"
                                                  : "gives way";
      item["reason"] = verdict.reason;
      list.push_back(std::move(item));
    }
    return list;
  }

  void describe_route() {
    OrderedJson& route = out_["route"];
    route["template"] = plan_->info.path_template;
    route["method"] = plan_->info.method.empty() ? "x-yc-apigateway-any-method" : plan_->info.method;
    route["operationId"] = plan_->info.operation_id;
    route["integration"] = plan_->info.integration_type;
    route["place"] = place_text(gateway_, *plan_);
    if (upgrade_) {
      return;
    }
    values_ = parameters::Values::extract(plan_->info.parameter_set, request_,
                                          gateway_.router().capture(match_.route, request_.path));
    OrderedJson& list = out_["parameters"] = OrderedJson::array();
    const auto& parameters = plan_->info.parameter_set.parameters();
    for (std::size_t index = 0; index < parameters.size(); ++index) {
      const parameters::Value& value = values_[index];
      OrderedJson item = OrderedJson::object();
      item["name"] = parameters[index].name;
      item["in"] = std::string(spec::to_string(parameters[index].in));
      if (!value.present) {
        item["value"] = nullptr;
      } else if (parameters[index].in == spec::ParameterIn::cookie) {
        item["value"] = "***";
      } else {
        item["value"] = sanitize_utf8(value.text());
      }
      item["source"] = !value.present ? "absent" : value.from_default ? "default" : "request";
      list.push_back(std::move(item));
    }
  }

  void step(std::string_view name, std::string result) {
    OrderedJson item = OrderedJson::object();
    item["step"] = name;
    item["result"] = std::move(result);
    out_["steps"].push_back(std::move(item));
  }

  /// Ends the way of the request: what comes after is not reached, but for CORS headers, writing and log.
  void answer(int status) {
    if (!out_.contains("status")) {
      out_["status"] = status;
    }
  }
  [[nodiscard]] bool answered() const { return out_.contains("status"); }

  /// A policy's step: not there, not built, or not reached.
  void policy(std::string_view name, bool there) {
    if (answered()) {
      step(name, "not reached");
    } else if (!there) {
      step(name, "does not apply");
    } else {
      step(name, "is declared, but not built in this version: 501 not_built");
      answer(501);
    }
  }

  void describe_steps() {
    out_["steps"] = OrderedJson::array();
    const std::size_t bytes = input_.body ? input_.body->size() : 0;
    if (refusal_) {
      const http::ProblemStatus status = http::problem_status(*refusal_);
      step("limits on the head", "the path " + request_.raw_path +
                                     " is refused: " + std::to_string(status.status) + ' ' +
                                     std::string(status.slug) + ": " + std::string(status.message));
      answer(status.status);
      for (const char* name : {"domain", "release", "security profile", "route"}) {
        step(name, "not reached");
      }
      describe_rest(nullptr, bytes);
      return;
    }
    step("limits on the head", "the head is well-formed");
    step("domain", "gateway " + gateway_.settings().id + " is asked, whatever the host");
    step("release", "stable");
    const std::string& profile = gateway_.api().security_profile_id;
    step("security profile",
         profile.empty() ? "does not apply" : "profile " + profile + " is not built in this version");
    describe_route_step();
    describe_rest(find_operation(), bytes);
  }

  void describe_rest(const spec::Operation* operation, std::size_t bytes) {
    describe_policies(operation, bytes);
    describe_integration();
    describe_way_out(operation);
    step("compression", "does not apply");
    step("write", answered()
                      ? "status " + std::to_string(out_["status"].get<int>()) + ", the gateway's own JSON"
                      : "the integration's answer");
    step("log", "one line, always");
  }

  void describe_route_step() {
    if (plan_ != nullptr) {
      step("route", plan_->info.path_template + (upgrade_ ? " (WebSocket upgrade)" : ""));
    } else if (match_.outcome == Match::Outcome::not_found) {
      step("route", "no template fits the path: 404 route_not_found");
      answer(404);
    } else {
      step("route", "no operation for the method: 405 method_not_allowed, Allow: " +
                        gateway_.router().allow(request_.path));
      answer(405);
    }
  }

  [[nodiscard]] const spec::Operation* find_operation() const {
    if (plan_ == nullptr || upgrade_) {
      return nullptr;
    }
    for (const spec::Path& path : gateway_.api().paths) {
      if (path.template_text == plan_->info.path_template) {
        for (const spec::Operation& operation : path.operations) {
          if (operation.method == plan_->info.method) {
            return &operation;
          }
        }
      }
    }
    return nullptr;
  }

  void describe_policies(const spec::Operation* operation, std::size_t bytes) {
    const auto& limit = gateway_.settings().request_body_limit;
    const bool preflight = request_.method == http::Method::options &&
                           request_.headers.contains(http::FieldId::origin) &&
                           request_.headers.contains(http::FieldId::access_control_request_method);
    const spec::Extensions none;
    const spec::Extensions& extensions = operation == nullptr ? none : operation->extensions;
    step("CORS preflight", answered() && plan_ == nullptr ? "not reached"
                           : !preflight                   ? "does not apply"
                           : extensions.cors == nullptr   ? "does not apply: no CORS rule"
                                                          : "not built in this version: an ordinary request");
    policy("x-sluice-rate-limit", extensions.sluice_rate_limit != nullptr);
    const bool secured = operation != nullptr &&
                         std::any_of(operation->security.begin(), operation->security.end(),
                                     [](const auto& requirement) { return !requirement.schemes.empty(); });
    policy("authorizer", secured);
    policy("rate limit", extensions.rate_limit != nullptr && refused_for("the rate limit"));
    policy("request validation", refused_for("the validator"));
    policy("request schema mapping", operation != nullptr && operation->has_schema_mapping);
    if (!answered() && plan_ != nullptr && !plan_->refused_slug.empty() &&
        plan_->refused_slug != "no_integration") {
      step("not built", plan_->refused_what + " is not built in this version: 501 not_built");
      answer(501);
    }
    if (limit && bytes > *limit) {
      step("body limit", "the body has " + std::to_string(bytes) + " bytes, at most " +
                             std::to_string(*limit) + " are taken: 413 request_body_too_large");
      answer(413);
    }
  }

  [[nodiscard]] bool refused_for(std::string_view what) const {
    return plan_ != nullptr && plan_->refused_what.find(what) != std::string::npos;
  }

  void describe_integration() {
    if (answered()) {
      step("substitution", "not reached");
      step("integration", "not reached");
    }
    if (plan_ == nullptr || plan_->integration == nullptr) {
      if (!answered()) {
        step("substitution", "does not apply");
        step("integration", "the operation has none: 501 no_integration");
        answer(501);
      }
      return;
    }
    Exchange exchange{request_,           context_, plan_->info,  services_,
                      std::move(values_), nullptr,  std::nullopt, input_.body};
    auto shown = plan_->integration->explain(exchange);
    if (answered()) {
      // What would be sent if the steps before let it through is of use all the same.
      if (shown) {
        out_["integration"] = std::move(*shown);
      }
      return;
    }
    if (!shown) {
      const Error error = shown.error();
      const http::ProblemStatus status = http::problem_status(error);
      step("substitution", std::to_string(status.status) + ' ' + std::string(status.slug) + ": " +
                               std::string(status.message));
      step("integration", "not reached");
      answer(status.status);
      return;
    }
    step("substitution", plan_->needs_values ? "the parameters' values are put into the integration's options"
                                             : "nothing to substitute");
    step("integration", plan_->constant != nullptr
                            ? plan_->info.integration_type + ": an answer that is the same for every request"
                        : shown->contains("response")
                            ? plan_->info.integration_type + ": answers by itself"
                            : plan_->info.integration_type + ": sends the request below");
    out_["integration"] = std::move(*shown);
  }

  void describe_way_out(const spec::Operation* operation) {
    step("response validation", answered() ? "not reached" : "does not apply");
    step("status and schema mapping", answered() ? "not reached" : "does not apply");
    step("CORS headers", operation == nullptr || operation->extensions.cors == nullptr
                             ? "does not apply"
                             : "not built in this version: none are added");
  }

  const Gateway& gateway_;
  const ExplainRequest& input_;
  net::Worker worker_{0};
  http::ConnectionInfo connection_;
  http::Request request_;
  http::RequestContext context_;
  NoClient client_;
  WorkerServices services_;
  std::unique_ptr<http::BodySource> body_;
  Match match_;
  std::optional<Error> refusal_;  ///< the path's
  const Plan* plan_ = nullptr;
  bool upgrade_ = false;
  parameters::Values values_;
  OrderedJson out_ = OrderedJson::object();
};

}  // namespace

Result<OrderedJson> explain(const Gateway& gateway, const ExplainRequest& request) {
  return Explainer(gateway, request).run();
}

}  // namespace sluice::gateway
