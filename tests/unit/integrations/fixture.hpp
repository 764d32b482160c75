// An integration out of a document, run against a client that records what it is asked to send.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sluice/integrations/table.hpp"
#include "sluice/spec/integration_types.hpp"

namespace sluice::integrations::test {

/// Records calls; answers what it was told to.
class FakeHttpClient final : public client::HttpClient {
 public:
  struct Call {
    std::string method;
    client::Origin origin;
    std::string path_and_query;
    http::Headers headers;
    std::string body;
    bool borrowed = false;
    client::CallOptions options;
  };

  net::Awaitable<Result<http::Response>> send(client::ClientRequest& request,
                                              const client::CallOptions& options,
                                              client::CallRecord* /*record*/) override {
    Call call{request.method, request.origin, request.path_and_query, request.headers, {}, false, options};
    if (auto* bytes = std::get_if<std::string>(&request.body)) {
      call.body = *bytes;
    }
    if (request.borrowed_body != nullptr) {
      call.borrowed = true;
      Result<std::string> body = co_await http::read_all(*request.borrowed_body, std::size_t{1} << 30U);
      if (body) {
        call.body = *body;
      }
    }
    calls.push_back(std::move(call));
    if (on_call != nullptr) {
      on_call();
    }
    if (error) {
      co_return *error;
    }
    http::Response response;
    response.status = status;
    for (const auto& [name, value] : headers) {
      response.headers.add(name, value);
    }
    response.head_content_length = head_content_length;
    if (streamed) {
      response.body = http::make_body_source(body_text);
    } else if (!body_text.empty()) {
      response.body = body_text;
    }
    co_return response;
  }
  void configure(client::ClientSettings /*settings*/) override {}
  void close_idle() noexcept override {}
  [[nodiscard]] PoolCounts counts() const noexcept override { return {}; }

  std::vector<Call> calls;
  std::optional<Error> error;
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body_text;
  bool streamed = true;
  std::optional<std::uint64_t> head_content_length;
  std::function<void()> on_call;
};

/// Gives the tokens that it was told to; no other account exists.
class FakeCredentials final : public client::cloud::Credentials {
 public:
  net::Awaitable<Result<client::cloud::IamToken>> iam_token(std::string_view account,
                                                            std::optional<SteadyTime> /*deadline*/,
                                                            net::CancelToken* /*cancel*/) override {
    ++asked;
    if (error) {
      co_return *error;
    }
    const auto found = tokens.find(account);
    if (found == tokens.end()) {
      co_return config_error("unknown");
    }
    co_return client::cloud::IamToken{found->second, std::chrono::hours(1)};
  }
  std::optional<client::cloud::IamToken> cached_token(std::string_view /*account*/) override {
    return std::nullopt;
  }
  void refuse_token(std::string_view account, std::string_view refused) override {
    refusals.emplace_back(account, refused);
  }
  const client::cloud::StaticKey* static_key(std::string_view account) override {
    const auto found = keys.find(account);
    return found == keys.end() ? nullptr : &found->second;
  }
  bool prefers_static_key(std::string_view account) override {
    return keys.contains(account) && (!tokens.contains(account) || prefer_static_keys);
  }

  std::map<std::string, std::string, std::less<>> tokens;
  std::map<std::string, client::cloud::StaticKey, std::less<>> keys;
  bool prefer_static_keys = false;
  std::vector<std::pair<std::string, std::string>> refusals;  ///< account, token
  std::optional<Error> error;
  int asked = 0;
};

/// What came back, read to its end.
struct Answer {
  bool done = false;
  int status = 0;
  http::Headers headers;
  std::string body;
  bool rendered = false;
  std::optional<std::uint64_t> head_content_length;
  std::optional<Error> error;

  [[nodiscard]] std::string header(std::string_view name) const {
    return std::string(headers.get(name).value_or("(absent)"));
  }
};

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// Builds the integration of the document's one operation. `options` are the lines of
/// x-yc-apigateway-integration, `parameters` those of the operation's `parameters`.
class Bench {
 public:
  explicit Bench(const std::string& options, const std::string& parameters = {},
                 const std::string& path = "/pets/{id}/{rest+}")
      : path_(path) {
    std::string text = "openapi: 3.0.0\ninfo: {title: t, version: '1'}\npaths:\n  '" + path +
                       "':\n    post:\n      operationId: op\n      responses: {}\n";
    if (!parameters.empty()) {
      text += "      parameters:\n" + indent(parameters, 8);
    }
    text += "      x-yc-apigateway-integration:\n" + indent(options, 8);
    spec::LoadOptions load;
    load.file = "test.yaml";
    load.reader = [text](const std::string&) -> Result<std::string> { return text; };
    api_ = spec::load_api(load, diagnostics);
    connection.peer_address = "192.0.2.7";
    connection.peer_port = 51000;
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;
  ~Bench() = default;

  /// Compiles; nullptr after mistakes or where it is not built.
  const gateway::Integration* build() {
    if (built_ || api_ == nullptr) {
      return integration_.get();
    }
    built_ = true;
    const spec::Operation& operation = api_->paths.at(0).operations.at(0);
    info.gateway_id = "shop";
    info.path_template = path_;
    info.method = operation.method;
    info.operation_id = operation.operation_id;
    info.integration_type = spec::integration_type(*api_->document, *operation.integration);
    info.parameter_set = parameters::ParameterSet(operation.parameters);
    gateway::BuildContext build{*api_->document, *api_, info, environment, diagnostics};
    for (const gateway::IntegrationType& type : integration_table()) {
      if (type.name == info.integration_type) {
        integration_ = type.build(build, *operation.integration);
      }
    }
    not_built = build.not_built;
    diagnostics.sort();
    return integration_.get();
  }

  /// Messages of the diagnostics, one a line: "error: text".
  std::string mistakes() {
    build();
    std::string text;
    for (const Diagnostic& item : diagnostics.items()) {
      text += (item.severity == Severity::error ? "error: " : "warning: ") + item.message + "\n";
    }
    return text;
  }

  Answer run(const std::string& method, const std::string& target, const Pairs& headers = {},
             std::optional<std::string> body = std::nullopt) {
    prepare(method, target, headers);
    std::unique_ptr<http::BodySource> source;
    if (body) {
      source = http::make_body_source(*body);
      request.body = source.get();
    }
    const gateway::Integration* integration = build();
    if (integration == nullptr) {
      ADD_FAILURE() << mistakes();
      return {};
    }
    Answer answer;
    gateway::Exchange exchange = make_exchange();
    net::asio::co_spawn(worker.context(), run_to_end(*integration, exchange, answer), net::asio::detached);
    while (!answer.done) {
      worker.context().run_one();
    }
    request.body = nullptr;
    return answer;
  }

  OrderedJson explain(const std::string& method, const std::string& target, const Pairs& headers = {},
                      std::optional<std::string> body = std::nullopt) {
    prepare(method, target, headers);
    const gateway::Integration* integration = build();
    if (integration == nullptr) {
      ADD_FAILURE() << mistakes();
      return {};
    }
    gateway::Exchange exchange = make_exchange();
    exchange.buffered_body = std::move(body);
    Result<OrderedJson> result = integration->explain(exchange);
    EXPECT_TRUE(result.has_value()) << result.error().detail << result.error().message;
    return result ? *result : OrderedJson();
  }

  const FakeHttpClient::Call& call() {
    EXPECT_EQ(client.calls.size(), 1U);
    static const FakeHttpClient::Call none;
    return client.calls.empty() ? none : client.calls.back();
  }
  /// "Name: value" lines of the one call.
  std::vector<std::string> sent() {
    std::vector<std::string> lines;
    for (const http::Headers::Field& field : call().headers) {
      lines.push_back(std::string(field.name) + ": " + std::string(field.value));
    }
    return lines;
  }

  /// The configuration names the account, with a token.
  void add_account(const std::string& id, const std::string& token = "t1.token") {
    environment.mode = gateway::CompileMode::configured;
    environment.service_accounts.push_back({id, true, false});
    credentials.tokens[id] = token;
  }
  void map_function(const std::string& id, const std::string& url) {
    environment.functions.emplace_back(id, gateway::MappedTarget{client::parse_url(url).value()});
  }
  void map_container(const std::string& id, const std::string& url) {
    environment.containers.emplace_back(id, gateway::MappedTarget{client::parse_url(url).value()});
  }

  net::Worker worker{0};
  http::ConnectionInfo connection;
  http::Request request;
  http::RequestContext context{worker, connection};
  gateway::Environment environment;
  gateway::OperationInfo info;
  Diagnostics diagnostics;
  FakeHttpClient client;
  FakeCredentials credentials;
  Json authorizer = nullptr;
  std::optional<SteadyTime> deadline;
  std::optional<std::string> buffered_body;
  bool not_built = false;

 private:
  static std::string indent(const std::string& text, std::size_t by) {
    std::string out(by, ' ');
    for (const char byte : text) {
      out.push_back(byte);
      if (byte == '\n') {
        out.append(by, ' ');
      }
    }
    return out + "\n";
  }

  void prepare(const std::string& method, const std::string& target, const Pairs& headers) {
    client.calls.clear();
    request.clear();
    request.method_text = method;
    request.method = http::parse_method(method);
    request.target = target;
    const http::Target split = http::split_target(target).value();
    request.raw_path = split.path;
    request.query = split.query;
    request.has_query = split.has_query;
    request.path = http::CanonicalPath::parse(split.path).value();
    for (const auto& [name, value] : headers) {
      request.headers.add(name, value);
    }
    request.authority = request.headers.get(http::FieldId::host).value_or("");
    request.host = http::host_of_authority(request.authority);
    context.record = {};
    context.request_id = "req-1";
    context.client_address = connection.peer_address;
    context.trace_parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  }

  gateway::Exchange make_exchange() {
    gateway::Exchange exchange{request, context, info, services_, {}, authorizer, deadline, buffered_body};
    // The template is /pets/{id}/{rest+} unless the test says otherwise.
    std::vector<parameters::PathCapture> captures;
    if (path_ == "/pets/{id}/{rest+}" && request.path.size() >= 3) {
      parameters::PathCapture id;
      id.name = "id";
      id.value = request.path.segment(1);
      parameters::PathCapture rest;
      rest.name = "rest";
      rest.greedy = true;
      rest.value = request.path.joined(2, request.path.size());
      for (std::size_t index = 2; index < request.path.size(); ++index) {
        rest.segments.emplace_back(request.path.segment(index));
      }
      captures = {id, rest};
    }
    exchange.values = parameters::Values::extract(info.parameter_set, request, captures);
    return exchange;
  }

  static net::Awaitable<void> run_to_end(const gateway::Integration& integration, gateway::Exchange& exchange,
                                         Answer& answer) {
    Result<http::Response> response = co_await integration.run(exchange);
    if (!response) {
      answer.error = response.error();
      answer.status = response.error().status;
    } else {
      answer.status = response->status;
      answer.headers = response->headers;
      answer.head_content_length = response->head_content_length;
      if (response->rendered) {
        answer.rendered = true;
        answer.status = response->rendered->status;
        answer.body = response->rendered->body;
        split_fields(answer.headers, response->rendered->fields);
      } else if (auto* bytes = std::get_if<std::string>(&response->body)) {
        answer.body = *bytes;
      } else if (auto* source = std::get_if<std::unique_ptr<http::BodySource>>(&response->body)) {
        Result<std::string> body = co_await http::read_all(**source, std::size_t{1} << 30U);
        answer.body = body ? *body : "(broken)";
      }
    }
    answer.done = true;
  }

  static void split_fields(http::Headers& headers, std::string_view lines) {
    while (!lines.empty()) {
      const std::size_t end = lines.find("\r\n");
      const std::string_view line = lines.substr(0, end);
      const std::size_t colon = line.find(": ");
      headers.add(line.substr(0, colon), line.substr(colon + 2));
      lines.remove_prefix(end + 2);
    }
  }

  std::string path_;
  std::shared_ptr<const spec::Api> api_;
  std::shared_ptr<const gateway::Integration> integration_;
  bool built_ = false;
  gateway::WorkerServices services_{client, credentials};
};

}  // namespace sluice::integrations::test
