// A gateway out of a text, with integrations that do what their `url` says, and a worker that runs requests
// through the pipeline.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <gtest/gtest.h>

#include "sluice/gateway/gateway.hpp"
#include "sluice/gateway/pipeline.hpp"

namespace sluice::gateway::testing_support {

/// Refuses every call: the fake integrations call nobody.
class NoClient final : public client::HttpClient {
 public:
  net::Awaitable<Result<http::Response>> send(client::ClientRequest& /*request*/,
                                              const client::CallOptions& /*options*/,
                                              client::CallRecord* /*record*/) override {
    co_return internal_error("no client in this test");
  }
  void configure(client::ClientSettings /*settings*/) override {}
  void close_idle() noexcept override {}
  [[nodiscard]] PoolCounts counts() const noexcept override { return {}; }
};

/// A body of unknown size, in parts.
class PartsBody final : public http::BodySource {
 public:
  explicit PartsBody(std::vector<std::string> parts) : parts_(std::move(parts)) {}
  net::Awaitable<Result<std::string_view>> read() override { co_return next(); }
  std::optional<Result<std::string_view>> try_read() override { return next(); }
  [[nodiscard]] std::optional<std::uint64_t> size() const noexcept override { return std::nullopt; }

 private:
  Result<std::string_view> next() {
    return at_ < parts_.size() ? std::string_view(parts_[at_++]) : std::string_view();
  }
  std::vector<std::string> parts_;
  std::size_t at_ = 0;
};

/// `dummy`: a constant answer.
class ConstantIntegration final : public Integration {
 public:
  explicit ConstantIntegration(std::string body) {
    auto rendered = std::make_shared<http::RenderedResponse>();
    rendered->status = 200;
    rendered->fields = "Content-Type: text/plain\r\n";
    rendered->body = std::move(body);
    rendered_ = std::move(rendered);
  }
  [[nodiscard]] bool needs_values() const noexcept override { return false; }
  [[nodiscard]] std::shared_ptr<const http::RenderedResponse> constant() const noexcept override {
    return rendered_;
  }
  net::Awaitable<Result<http::Response>> run(Exchange& /*exchange*/) const override {
    co_return internal_error("a constant answer is never run");
  }
  Result<OrderedJson> explain(Exchange& /*exchange*/) const override {
    OrderedJson out = OrderedJson::object();
    out["response"]["status"] = rendered_->status;
    out["response"]["body"] = rendered_->body;
    return out;
  }

 private:
  std::shared_ptr<const http::RenderedResponse> rendered_;
};

/// `http`: what `url` says: echo (the parameters' values), read (the request's body), parts (a streamed
/// answer), big (1000 bytes), wait (until cancelled), throw, refused, slug, late (200 after a cancellation).
class ScriptedIntegration final : public Integration {
 public:
  explicit ScriptedIntegration(std::string script) : script_(std::move(script)) {
    fixed_.status = 203;
    fixed_.body = "fixed";
  }

  [[nodiscard]] const http::RenderedResponse* fixed_answer(const http::Request& request) const override {
    return request.headers.get(http::FieldId::accept) == "text/fixed" ? &fixed_ : nullptr;
  }

  net::Awaitable<Result<http::Response>> run(Exchange& exchange) const override {
    http::Response response;
    response.headers.add("X-Script", script_);
    if (script_ == "echo") {
      response.body = echo(exchange);
    } else if (script_ == "read") {
      if (exchange.request.body == nullptr) {
        response.body = std::string("none");
        co_return response;
      }
      Result<std::string> body = co_await http::read_all(*exchange.request.body, 1U << 20U);
      if (!body) {
        co_return body.error();
      }
      response.body = std::move(*body);
    } else if (script_ == "parts") {
      response.body = std::make_unique<PartsBody>(std::vector<std::string>{"first ", "second ", "third"});
    } else if (script_ == "big") {
      response.body = std::string(1000, 'x');
    } else if (script_ == "wait") {
      co_await exchange.context.worker.wheel().sleep(std::chrono::seconds(20), &exchange.context.cancel);
      co_return upstream_error(ErrorCode::cancelled, "waited in vain for 10.0.0.7:8080");
    } else if (script_ == "throw") {
      throw std::runtime_error("thrown by a library");
    } else if (script_ == "refused") {
      co_return upstream_error(ErrorCode::connect_failed, "10.0.0.7:8080 refused the connection");
    } else if (script_ == "slug") {
      exchange.context.record.slug = "function_failed";
      response.status = 502;
    }
    co_return response;
  }
  Result<OrderedJson> explain(Exchange& exchange) const override {
    if (script_ == "refused") {
      return downstream_error(ErrorCode::invalid, "parameter_bad", "The parameter id cannot stand here");
    }
    OrderedJson out = OrderedJson::object();
    out["request"]["method"] = exchange.request.method_text;
    out["request"]["url"] = "http://upstream/" + script_ + "?access_token=s3cr3t-token&page=2";
    out["request"]["headers"]["Authorization"] = "Bearer s3cr3t-token";
    out["request"]["headers"]["Accept"] = OrderedJson::array({"text/plain", "text/html"});
    out["request"]["body"] =
        exchange.buffered_body ? OrderedJson(*exchange.buffered_body) : OrderedJson(nullptr);
    return out;
  }

 private:
  static std::string echo(const Exchange& exchange) {
    std::string out = exchange.operation.path_template + ' ' + exchange.operation.method;
    const auto& parameters = exchange.operation.parameter_set.parameters();
    for (std::size_t index = 0; index < parameters.size(); ++index) {
      out += ' ' + parameters[index].name + '=' + exchange.values[index].text();
    }
    return out;
  }
  std::string script_;
  http::RenderedResponse fixed_;
};

inline IntegrationTable fake_table() {
  return {{"dummy",
           [](BuildContext& context, const spec::Node& node) -> std::shared_ptr<const Integration> {
             const spec::Node* content = context.document.get(node, "content");
             return std::make_shared<ConstantIntegration>(content == nullptr ? "" : content->text);
           }},
          {"http",
           [](BuildContext& context, const spec::Node& node) -> std::shared_ptr<const Integration> {
             const spec::Node* url = context.document.get(node, "url");
             return std::make_shared<ScriptedIntegration>(url == nullptr ? "" : url->text);
           }},
          {"object_storage",
           [](BuildContext& context, const spec::Node& node) -> std::shared_ptr<const Integration> {
             context.not_built = true;
             context.diagnostics.warning(context.document.place(node.mark), "not-built", "object_storage");
             return nullptr;
           }}};
}

inline const std::string document_head =
    "openapi: 3.0.0\n"
    "info: {title: T, version: '1'}\n";

struct Compiled {
  std::shared_ptr<const Gateway> gateway;
  Diagnostics diagnostics;

  [[nodiscard]] std::vector<std::string> messages() const {
    std::vector<std::string> out;
    for (const Diagnostic& item : diagnostics.items()) {
      out.push_back(to_text(item));
    }
    return out;
  }
  [[nodiscard]] std::size_t count(std::string_view rule) const {
    std::size_t found = 0;
    for (const Diagnostic& item : diagnostics.items()) {
      found += item.rule == rule ? 1U : 0U;
    }
    return found;
  }
  [[nodiscard]] const Plan& plan(std::string_view path_template, std::string_view method) const {
    const auto& routes = gateway->routes();
    for (std::size_t route = 0; route < routes.size(); ++route) {
      for (std::size_t operation = 0; operation < routes[route].methods.size(); ++operation) {
        if (routes[route].path_template.text == path_template && routes[route].methods[operation] == method) {
          return gateway->plan(route, operation);
        }
      }
    }
    throw std::out_of_range("no operation " + std::string(method) + ' ' + std::string(path_template));
  }
};

inline Compiled compile(const std::string& text, GatewaySettings settings = {},
                        MetricsRegistry* metrics = nullptr, const Environment& environment = {}) {
  Compiled compiled;
  if (settings.id.empty()) {
    settings.id = "shop";
  }
  settings.load.file = "shop.yaml";
  settings.load.reader = [text](const std::string&) -> Result<std::string> { return text; };
  compiled.gateway = Gateway::compile(settings, environment, fake_table(), metrics, compiled.diagnostics);
  return compiled;
}

/// One worker with its pipeline; requests run one after the other.
class Bench {
 public:
  explicit Bench(std::vector<std::shared_ptr<const Gateway>> gateways, SnapshotSettings settings = {},
                 AccessLogSink sink = {})
      : services_{client_},
        pipeline_(make_pipeline(worker_, services_,
                                Snapshot::make(std::move(gateways), std::move(settings), 1),
                                std::move(sink))) {
    connection_.peer_address = "192.0.2.9";
  }

  struct Call {
    Call(net::Worker& worker, const http::ConnectionInfo& connection) : context(worker, connection) {}
    http::Request request;
    http::RequestContext context;
    std::unique_ptr<http::BodySource> body;
    http::Response response;

    [[nodiscard]] int status() const {
      return response.rendered ? response.rendered->status : response.status;
    }
    [[nodiscard]] std::string text() const {
      if (response.rendered) {
        return response.rendered->body;
      }
      const auto* bytes = std::get_if<std::string>(&response.body);
      return bytes == nullptr ? std::string() : *bytes;
    }
    [[nodiscard]] std::string header(std::string_view name) const {
      return std::string(response.headers.get(name).value_or(""));
    }
  };

  using Headers = std::vector<std::pair<std::string, std::string>>;

  std::unique_ptr<Call> prepare(const std::string& method, const std::string& target,
                                const Headers& headers = {}) {
    auto call = std::make_unique<Call>(worker_, connection_);
    http::Request& request = call->request;
    request.method_text = method;
    request.method = http::parse_method(method);
    request.target = target;
    request.raw_path = target.substr(0, target.find('?'));
    if (target.size() > request.raw_path.size()) {
      request.query = target.substr(request.raw_path.size() + 1);
      request.has_query = true;
    }
    if (target != "*") {
      EXPECT_TRUE(request.path.assign(request.raw_path));
    }
    request.authority = "shop.example";
    for (const auto& [name, value] : headers) {
      request.headers.add(name, value);
      if (name == "Host") {
        request.authority = value;
      }
    }
    request.host = http::host_of_authority(request.authority);
    call->context.request_id = "id-1";
    call->context.started = std::chrono::steady_clock::now();
    return call;
  }

  void start(Call& call) {
    done_ = false;
    net::asio::co_spawn(worker_.executor(), run_one(pipeline_.get(), &call, &done_), net::asio::detached);
  }
  void wait() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!done_ && std::chrono::steady_clock::now() < end) {
      worker_.context().restart();
      worker_.context().run_one_for(std::chrono::milliseconds(50));
    }
    ASSERT_TRUE(done_) << "the request did not end";
  }
  std::unique_ptr<Call> send(std::unique_ptr<Call> call) {
    start(*call);
    wait();
    return call;
  }
  std::unique_ptr<Call> send(const std::string& method, const std::string& target,
                             const Headers& headers = {}) {
    return send(prepare(method, target, headers));
  }
  /// The whole body, or the error's slug after "!".
  std::string read(Call& call) {
    auto* source = std::get_if<std::unique_ptr<http::BodySource>>(&call.response.body);
    if (source == nullptr || *source == nullptr) {
      return call.text();
    }
    std::string out;
    for (;;) {
      const auto part = (*source)->try_read();
      if (!part) {
        return out + "?";
      }
      if (!*part) {
        return out + '!' + std::string(part->error().slug);
      }
      if ((**part).empty()) {
        return out;
      }
      out += **part;
    }
  }

  net::Worker& worker() { return worker_; }
  Pipeline& pipeline() { return *pipeline_; }
  http::ConnectionInfo& connection() { return connection_; }

 private:
  static net::Awaitable<void> run_one(Pipeline* pipeline, Call* call, bool* done) {
    call->response = co_await pipeline->handle(call->request, call->context);
    *done = true;
  }

  net::Worker worker_{0};
  NoClient client_;
  WorkerServices services_;
  http::ConnectionInfo connection_;
  std::unique_ptr<Pipeline> pipeline_;
  bool done_ = false;
};

}  // namespace sluice::gateway::testing_support
