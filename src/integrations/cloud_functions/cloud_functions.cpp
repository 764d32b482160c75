// type: cloud_functions: a function gets the request as an event and answers with an object. events.md.
#include <algorithm>

#include "sluice/base/codec.hpp"
#include "sluice/functions/event.hpp"

#include "integrations/common/accounts.hpp"
#include "integrations/common/mapped.hpp"
#include "integrations/common/options.hpp"
#include "integrations/types.hpp"

namespace sluice::integrations {
namespace {

using parameters::Landing;
using parameters::TextTemplate;

constexpr std::string_view default_tag = "$latest";

class CloudFunction final : public gateway::Integration {
 public:
  net::Awaitable<Result<http::Response>> run(gateway::Exchange& exchange) const override {
    if (!callable_ && local_.empty()) {
      co_return not_mapped("function", "functions", id_);
    }
    Result<std::string> body = co_await whole_body(exchange, body_limit_);
    if (!body) {
      co_return body.error();
    }
    if (!local_.empty()) {
      co_return co_await run_here(exchange, *body);
    }
    Result<client::ClientRequest> prepared = prepare(exchange, *body);
    body->clear();
    if (!prepared) {
      co_return prepared.error();
    }
    // A function runs to its end even where its client has gone: the exchange's own token is not heeded.
    const std::optional<SteadyTime> until = call_deadline(exchange);
    net::DeadlineToken deadline(exchange.context.worker.wheel(), until);
    std::string token;
    if (!account_.empty()) {
      Result<std::string> added =
          co_await add_token(exchange, account_, until, &deadline.token(), prepared->headers);
      if (!added) {
        co_return call_failed(explain_end(deadline, std::move(added).error()));
      }
      token = std::move(*added);
    }
    client::CallOptions options;
    options.connect_timeout = connect_timeout_;
    options.read_timeout = read_timeout_;
    options.head_deadline = until;
    options.cancel = &deadline.token();
    Result<http::Response> response = co_await exchange.services.http_client.send(*prepared, options);
    if (!response) {
      co_return call_failed(explain_end(deadline, response.error()));
    }
    note_refusal(exchange, account_, token, response->status);
    Result<std::string> answer = std::string();
    if (auto* source = std::get_if<std::unique_ptr<http::BodySource>>(&response->body)) {
      answer = co_await http::read_all(**source, answer_limit_);
      source->reset();
    } else if (auto* bytes = std::get_if<std::string>(&response->body)) {
      answer = std::move(*bytes);
    }
    if (!answer) {
      co_return answer_failed(explain_end(deadline, answer.error()));
    }
    if (answer->size() > answer_limit_) {
      co_return answer_failed(upstream_error(ErrorCode::too_large, "too large"));
    }
    co_return map(exchange, response->status, response->headers, *answer);
  }

  Result<OrderedJson> explain(gateway::Exchange& exchange) const override {
    if (!local_.empty()) {
      return explain_here(exchange);
    }
    Result<client::ClientRequest> prepared =
        prepare(exchange, exchange.buffered_body ? std::string_view(*exchange.buffered_body) : "");
    if (!prepared) {
      return prepared.error();
    }
    if (!account_.empty()) {
      add_token_note(account_, prepared->headers);
    }
    OrderedJson result = OrderedJson::object();
    OrderedJson& shown = result["request"];
    shown["method"] = prepared->method;
    shown["url"] = explain_url(url_.origin, url_.authority, prepared->path_and_query);
    shown["headers"] = explain_headers(prepared->headers);
    shown["body"] = OrderedJson(Json::parse(std::get<std::string>(prepared->body)));
    if (!callable_) {
      result["note"] = not_mapped("function", "functions", id_).message;
    }
    return result;
  }

  static IntegrationPtr build(gateway::BuildContext& context, const spec::Node& node);

 private:
  void read_options(gateway::BuildContext& context, spec::ObjectReader& reader);
  [[nodiscard]] std::string event(const gateway::Exchange& exchange, std::string_view body) const;
  /// Runs it in a process of the daemon's. `body` is the request's.
  net::Awaitable<Result<http::Response>> run_here(gateway::Exchange& exchange, std::string& body) const;
  [[nodiscard]] Result<OrderedJson> explain_here(const gateway::Exchange& exchange) const;
  /// The answer to an invocation as the response, with its note for the log.
  static http::Response map(gateway::Exchange& exchange, int status, const http::Headers& headers,
                            std::string_view answer);
  [[nodiscard]] Result<client::ClientRequest> prepare(const gateway::Exchange& exchange,
                                                      std::string_view body) const;
  /// The gateway's `timeout`, or the function's own where that ends earlier.
  [[nodiscard]] std::optional<SteadyTime> call_deadline(const gateway::Exchange& exchange) const;
  static Error call_failed(Error error);
  static Error answer_failed(Error error);

  std::string id_;
  std::string local_;      ///< what runs it here; empty: it is called by a URL
  bool callable_ = false;  ///< mapped, or the cloud may be called
  std::string account_;    ///< whose token goes along; empty: none
  client::Url url_;
  std::string target_;  ///< path and query up to the tag's value
  TextTemplate tag_;
  functions::PayloadVersion version_ = functions::PayloadVersion::v0_1;
  DeepTemplate operation_context_;
  http::Headers headers_;
  bool pass_authorization_ = true;
  std::size_t body_limit_ = 0;
  std::size_t answer_limit_ = 0;
  Duration connect_timeout_{};
  Duration read_timeout_{};
  std::optional<Duration> timeout_{};
};

std::optional<SteadyTime> CloudFunction::call_deadline(const gateway::Exchange& exchange) const {
  if (!timeout_) {
    return exchange.deadline;
  }
  const SteadyTime own = Clock::real().steady() + *timeout_;
  return exchange.deadline && *exchange.deadline < own ? *exchange.deadline : own;
}

std::string CloudFunction::event(const gateway::Exchange& exchange, std::string_view body) const {
  const gateway::OperationInfo& operation = exchange.operation;
  const functions::EventInput input{.request = exchange.request,
                                    .context = exchange.context,
                                    .gateway_id = operation.gateway_id,
                                    .path_template = operation.path_template,
                                    .operation_id = operation.operation_id,
                                    .function_id = id_,
                                    .parameter_set = operation.parameter_set,
                                    .values = exchange.values,
                                    .body = body,
                                    .authorizer = exchange.authorizer,
                                    .operation_context = operation_context_.render(exchange.values),
                                    .pass_authorization = pass_authorization_,
                                    .now = Clock::real().system()};
  return functions::make_event(input, version_);
}

http::Response CloudFunction::map(gateway::Exchange& exchange, int status, const http::Headers& headers,
                                  std::string_view answer) {
  functions::InvocationLog log;
  http::Response mapped =
      functions::map_invocation(status, headers, answer, exchange.context.request_id, log);
  if (!log.slug.empty()) {
    exchange.context.record.slug = log.slug;
    exchange.context.record.detail = std::move(log.detail);
  }
  return mapped;
}

net::Awaitable<Result<http::Response>> CloudFunction::run_here(gateway::Exchange& exchange,
                                                               std::string& body) const {
  const std::string text = event(exchange, body);
  body = std::string();
  functions::LocalCall call;
  call.function_id = id_;
  call.event = text;
  call.request_id = exchange.context.request_id;
  call.deadline = exchange.deadline;
  call.table = exchange.services.local_table;
  Result<functions::LocalAnswer> answer = co_await exchange.services.local_functions.invoke(call);
  if (!answer) {
    co_return answer_failed(answer.error());
  }
  http::Headers headers;
  if (answer->failed) {
    headers.add("X-Function-Error", "true");
  }
  co_return map(exchange, 200, headers, answer->payload);
}

Result<OrderedJson> CloudFunction::explain_here(const gateway::Exchange& exchange) const {
  const std::string text =
      event(exchange, exchange.buffered_body ? std::string_view(*exchange.buffered_body) : "");
  OrderedJson result = OrderedJson::object();
  OrderedJson& shown = result["request"];
  shown["method"] = "INVOKE";
  shown["url"] = id_ + " (" + local_ + ")";
  shown["headers"] = OrderedJson::object();
  shown["body"] = OrderedJson(Json::parse(text));
  return result;
}

Result<client::ClientRequest> CloudFunction::prepare(const gateway::Exchange& exchange,
                                                     std::string_view body) const {
  client::ClientRequest request;
  request.method = "POST";
  request.origin = url_.origin;
  request.path_and_query = target_;
  if (Result<void> tag = tag_.append(request.path_and_query, exchange.values); !tag) {
    return tag.error();
  }
  request.headers = headers_;
  request.headers.add(http::FieldId::x_request_id, exchange.context.request_id);
  if (!exchange.context.trace_parent.empty()) {
    request.headers.add(http::FieldId::traceparent, exchange.context.trace_parent);
  }
  request.body = event(exchange, body);
  return request;
}

/// events.md: a failure of the call, also to connect, is 502; silence and the gateway's timeout are 504.
Error CloudFunction::call_failed(Error error) {
  if (error.source == ErrorSource::downstream) {
    return error;
  }
  switch (error.code) {
    case ErrorCode::read_timeout:
    case ErrorCode::deadline:
    case ErrorCode::overloaded:
      return error;
    default:
      error.status = 502;
      if (error.message.empty()) {
        error.message = "The function could not be called";
      }
      return error;
  }
}

Error CloudFunction::answer_failed(Error error) {
  if (error.code == ErrorCode::too_large) {
    error.detail = "the function's answer is larger than limits.function_answer";
    error.message = "The function's answer is too large";
    error.slug = "function_answer_too_large";
  }
  error.source = ErrorSource::upstream;
  return call_failed(std::move(error));
}

void CloudFunction::read_options(gateway::BuildContext& context, spec::ObjectReader& reader) {
  const parameters::ParameterSet& set = context.operation.parameter_set;
  reader.accept("type");
  account_ = account_or_default(context, read_service_account(reader));
  id_ = reader.required_string("function_id", "write the id of the function that is called");
  std::string tag = reader.scalar_text("tag").value_or(std::string());
  if (tag.empty()) {
    if (const spec::Node* node = reader.node("tag"); node != nullptr && node->is_string()) {
      reader.warning(*node, "empty-tag", "`tag` is empty: $latest is called",
                     "name a tag, or remove the key");
    }
    tag = default_tag;
  }
  if (auto compiled = compile_template(reader, reader.self(), tag, Landing::url_query_value, set)) {
    tag_ = std::move(*compiled);
  }
  if (reader.one_of("payload_format_version", {"0.1", "1.0"}) == "1.0") {
    version_ = functions::PayloadVersion::v1_0;
  }
  if (const spec::Node* object = reader.node("context"); object != nullptr && !object->is_null()) {
    if (object->is_mapping()) {
      operation_context_ = DeepTemplate(*object, context.document, set);
    } else {
      reader.error(*object, rule_option, "context must be a mapping, not " + object->describe());
    }
  }
}

IntegrationPtr CloudFunction::build(gateway::BuildContext& context, const spec::Node& node) {
  const std::size_t errors = context.diagnostics.error_count();
  auto result = std::make_shared<CloudFunction>();
  {
    spec::ObjectReader reader(context.document, node, "the cloud_functions integration", context.diagnostics);
    result->read_options(context, reader);
  }
  if (context.diagnostics.error_count() != errors) {
    return nullptr;
  }
  const gateway::Environment& environment = context.environment;
  if (const std::string* local = environment.local_function(result->id_)) {
    result->local_ = *local;
  }
  const gateway::MappedTarget* target = environment.function(result->id_);
  if (!result->local_.empty()) {
    result->account_.clear();
    result->url_ = environment.endpoints.function(result->id_);
  } else if (target != nullptr) {
    result->callable_ = true;
    result->url_ = target->url;
    result->timeout_ = target->timeout;
    result->account_ = account_of_mapped(context, *target, result->account_);
  } else {
    // Without a configuration it is never called, but explained.
    result->callable_ = environment.mode == gateway::CompileMode::configured;
    result->url_ = environment.endpoints.function(result->id_);
    if (result->account_.empty()) {
      warn_anonymous(context, node, "function", "functions", result->id_);
    } else if (!check_account(context, node, result->account_, Credential::iam_token,
                              "map the function: `functions: {" + result->id_ + ": {url: …}}`")) {
      return nullptr;
    }
  }
  std::string& path = result->target_;
  path = result->url_.path_and_query;
  path.append(path.find('?') == std::string::npos ? "?" : "&").append("integration=raw&tag=");
  result->headers_.add(http::FieldId::host, result->url_.authority);
  result->headers_.add(http::FieldId::content_type, "application/json");
  result->pass_authorization_ = context.operation.profile == gateway::Profile::open;
  result->body_limit_ = environment.buffered_body;
  result->answer_limit_ = environment.function_answer;
  result->connect_timeout_ = environment.connect_timeout;
  result->read_timeout_ = environment.read_timeout;
  return result;
}

}  // namespace

IntegrationPtr build_cloud_functions(gateway::BuildContext& context, const spec::Node& node) {
  return CloudFunction::build(context, node);
}

}  // namespace sluice::integrations
