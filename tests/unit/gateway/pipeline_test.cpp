// Requests through the phases of spec.md section 5.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sluice/gateway/access_log.hpp"

#include "fixture.hpp"

namespace sluice::gateway {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing_support::Bench;
using testing_support::compile;
using testing_support::document_head;
using testing_support::PartsBody;

const std::string document = document_head + R"(
paths:
  /static:
    get: {operationId: static, x-yc-apigateway-integration: {type: dummy, content: hello}}
  /echo/{id}:
    get:
      operationId: echo
      parameters: [{name: page, in: query, schema: {type: integer, default: 1}}]
      x-yc-apigateway-integration: {type: http, url: echo}
  /read:
    post: {operationId: read, x-yc-apigateway-integration: {type: http, url: read}}
  /parts:
    get: {operationId: parts, x-yc-apigateway-integration: {type: http, url: parts}}
  /big:
    get: {operationId: big, x-yc-apigateway-integration: {type: http, url: big}}
  /wait:
    get: {operationId: wait, x-yc-apigateway-integration: {type: http, url: wait}}
  /throw:
    get: {operationId: throw, x-yc-apigateway-integration: {type: http, url: throw}}
  /refused:
    get: {operationId: refused, x-yc-apigateway-integration: {type: http, url: refused}}
  /slug:
    get: {operationId: slug, x-yc-apigateway-integration: {type: http, url: slug}}
  /none:
    get: {operationId: none}
  /limited:
    get:
      x-yc-apigateway-rate-limit: {allRequests: {rps: 1}}
      x-yc-apigateway-integration: {type: dummy, content: secret}
  /ws:
    get: {operationId: plain, x-yc-apigateway-integration: {type: dummy, content: plain}}
    x-yc-apigateway-websocket-message:
      x-yc-apigateway-integration: {type: dummy, content: a}
)";

Json json_of(const Bench::Call& call) {
  auto parsed = parse_json(call.text());
  EXPECT_TRUE(parsed) << call.text();
  return parsed ? *parsed : Json::object();
}

void expect_problem(const Bench::Call& call, int status, const std::string& slug) {
  EXPECT_EQ(call.status(), status);
  EXPECT_EQ(call.context.record.status, status);
  EXPECT_EQ(call.context.record.slug, slug);
  EXPECT_EQ(call.header("Content-Type"), "application/json");
  EXPECT_EQ(call.header("X-Request-Id"), "id-1");
  const Json body = json_of(call);
  EXPECT_EQ(body.value("requestId", ""), "id-1");
  EXPECT_NE(body.value("message", ""), "");
  EXPECT_THAT(call.text(), Not(HasSubstr("10.0.0.7"))) << "what is behind is nobody's business";
}

TEST(PipelineAnswers, AConstantIsHandedOutAsItIs) {
  Bench bench({compile(document).gateway});
  const auto call = bench.send("GET", "/static");
  ASSERT_NE(call->response.rendered, nullptr);
  EXPECT_EQ(call->text(), "hello");
  EXPECT_EQ(call->context.record.status, 200);
  EXPECT_EQ(call->context.record.gateway, "shop");
  EXPECT_EQ(call->context.record.path_template, "/static");
  EXPECT_EQ(call->context.record.operation, "static");
  EXPECT_EQ(call->context.record.release, "stable");
  EXPECT_EQ(call->context.record.integration, "dummy");
  EXPECT_EQ(call->context.record.slug, "");
  EXPECT_EQ(call->header("X-Request-Id"), "") << "answers of integrations pass as they are";
}

TEST(PipelineAnswers, ARenderedAnswerThatTheRequestChooses) {
  Bench bench({compile(document).gateway});
  const auto call = bench.send("GET", "/echo/1", {{"Accept", "text/fixed"}});
  EXPECT_EQ(call->text(), "fixed");
  EXPECT_EQ(call->context.record.status, 203);
  EXPECT_EQ(call->context.record.integration_time.count(), 0);
}

TEST(PipelineAnswers, ValuesReachTheIntegration) {
  Bench bench({compile(document).gateway});
  auto call = bench.send("GET", "/echo/a%20b?page=3");
  EXPECT_EQ(call->status(), 200);
  EXPECT_THAT(call->text(), HasSubstr("id=a b"));
  EXPECT_THAT(call->text(), HasSubstr("page=3"));
  EXPECT_EQ(call->header("X-Script"), "echo");
  EXPECT_GT(call->context.record.integration_time.count(), 0);
  call = bench.send("HEAD", "/echo/x");
  EXPECT_EQ(call->status(), 200);
  EXPECT_THAT(call->text(), HasSubstr("page=1"));
}

TEST(PipelineAnswers, NoRouteAndNoMethod) {
  Bench bench({compile(document).gateway});
  auto call = bench.send("GET", "/nope");
  expect_problem(*call, 404, "route_not_found");
  EXPECT_EQ(call->context.record.path_template, "");
  call = bench.send("DELETE", "/static");
  expect_problem(*call, 405, "method_not_allowed");
  EXPECT_EQ(call->header("Allow"), "GET, HEAD");
  call = bench.send("CONNECT", "/static");
  expect_problem(*call, 405, "method_not_allowed");
}

TEST(PipelineAnswers, NoGatewayForTheHost) {
  GatewaySettings settings;
  settings.domains = {"shop.example"};
  Bench bench({compile(document, settings).gateway});
  EXPECT_EQ(bench.send("GET", "/static")->status(), 200);
  const auto call = bench.send("GET", "/static", {{"Host", "other.example:8080"}});
  expect_problem(*call, 404, "host_not_found");
  EXPECT_EQ(call->context.record.gateway, "");
}

TEST(PipelineAnswers, WhatIsNotBuiltIs501) {
  Bench bench({compile(document).gateway});
  auto call = bench.send("GET", "/limited");
  expect_problem(*call, 501, "not_built");
  EXPECT_EQ(call->context.record.detail, "the rate limit");
  call = bench.send("GET", "/none");
  expect_problem(*call, 501, "no_integration");
}

TEST(PipelineAnswers, AnUpgradeIs501AndAPlainGetIsServed) {
  Bench bench({compile(document).gateway});
  EXPECT_EQ(bench.send("GET", "/ws")->text(), "plain");
  expect_problem(*bench.send("GET", "/ws", {{"Upgrade", "WebSocket"}, {"Connection", "Upgrade"}}), 501,
                 "not_built");
  EXPECT_EQ(bench.send("GET", "/ws", {{"Upgrade", "h2c"}})->text(), "plain");
  EXPECT_EQ(bench.send("GET", "/static", {{"Upgrade", "websocket"}})->text(), "hello");
  expect_problem(*bench.send("POST", "/ws", {{"Upgrade", "websocket"}}), 405, "method_not_allowed");
}

TEST(PipelineAnswers, OptionsOfTheServer) {
  Bench bench({compile(document).gateway});
  const auto call = bench.send("OPTIONS", "*");
  EXPECT_EQ(call->status(), 204);
  EXPECT_THAT(call->header("Allow"), HasSubstr("GET"));
  expect_problem(*bench.send("GET", "*"), 400, "bad_target");
  expect_problem(*bench.send("CONNECT", "*"), 405, "method_not_allowed");
}

TEST(PipelineErrors, OfTheIntegrationAreMapped) {
  Bench bench({compile(document).gateway});
  auto call = bench.send("GET", "/refused");
  expect_problem(*call, 502, "connect_failed");
  EXPECT_THAT(call->context.record.detail, HasSubstr("10.0.0.7:8080"));
  call = bench.send("GET", "/throw");
  expect_problem(*call, 500, "internal");
  EXPECT_THAT(call->text(), Not(HasSubstr("library")));
  call = bench.send("GET", "/slug");
  EXPECT_EQ(call->status(), 502);
  EXPECT_EQ(call->context.record.slug, "function_failed");
}

TEST(PipelineErrors, TheGatewaysTimeout) {
  GatewaySettings settings;
  settings.timeout = std::chrono::milliseconds(60);
  Bench bench({compile(document, settings).gateway});
  const auto call = bench.send("GET", "/wait");
  expect_problem(*call, 504, "deadline");
  EXPECT_FALSE(call->context.cancel.cancelled()) << "the answer itself is not cancelled";
}

TEST(PipelineErrors, AClientThatLeaves) {
  Bench bench({compile(document).gateway});
  auto call = bench.prepare("GET", "/wait");
  bench.start(*call);
  for (int round = 0; round < 3; ++round) {
    bench.worker().context().run_one_for(std::chrono::milliseconds(10));
  }
  call->context.cancel.cancel(net::CancelReason::client_gone);
  bench.wait();
  EXPECT_EQ(call->context.record.status, 499);
  EXPECT_EQ(call->context.record.slug, "client_gone");
}

TEST(PipelineBodies, ADeclaredSizeIsJudgedAtOnce) {
  GatewaySettings settings;
  settings.request_body_limit = 10;
  Bench bench({compile(document, settings).gateway});
  auto call = bench.prepare("POST", "/read");
  call->body = http::make_body_source("12345678901");
  call->request.body = call->body.get();
  expect_problem(*bench.send(std::move(call)), 413, "request_body_too_large");
  call = bench.prepare("POST", "/read");
  call->body = http::make_body_source("1234567890");
  call->request.body = call->body.get();
  EXPECT_EQ(bench.send(std::move(call))->text(), "1234567890");
}

TEST(PipelineBodies, AStreamedOneIsWatched) {
  GatewaySettings settings;
  settings.request_body_limit = 10;
  Bench bench({compile(document, settings).gateway});
  auto call = bench.prepare("POST", "/read");
  call->body = std::make_unique<PartsBody>(std::vector<std::string>{"12345", "67890", "1"});
  call->request.body = call->body.get();
  expect_problem(*bench.send(std::move(call)), 413, "request_body_too_large");
  call = bench.prepare("POST", "/read");
  call->body = std::make_unique<PartsBody>(std::vector<std::string>{"12345", "67890"});
  call->request.body = call->body.get();
  EXPECT_EQ(bench.send(std::move(call))->text(), "1234567890");
}

TEST(PipelineBodies, NoLimitByDefault) {
  Bench bench({compile(document).gateway});
  auto call = bench.prepare("POST", "/read");
  call->body = std::make_unique<PartsBody>(std::vector<std::string>{std::string(100000, 'x')});
  call->request.body = call->body.get();
  EXPECT_EQ(bench.send(std::move(call))->text().size(), 100000U);
}

TEST(PipelineBodies, AnswersBeyondTheLimit) {
  GatewaySettings settings;
  settings.response_body_limit = 12;
  Bench bench({compile(document, settings).gateway});
  expect_problem(*bench.send("GET", "/big"), 502, "response_body_too_large");
  const auto call = bench.send("GET", "/parts");
  EXPECT_EQ(call->status(), 200);
  EXPECT_EQ(bench.read(*call), "first !response_body_too_large");
  EXPECT_EQ(bench.read(*call), "!response_body_too_large") << "and so it stays";
}

TEST(PipelineBodies, StreamedAnswersPass) {
  Bench bench({compile(document).gateway});
  const auto call = bench.send("GET", "/parts");
  EXPECT_EQ(bench.read(*call), "first second third");
}

TEST(PipelineBodies, InProfileCloudTheTimeoutHoldsForTheWholeAnswer) {
  GatewaySettings settings;
  settings.profile = Profile::cloud;
  settings.timeout = std::chrono::milliseconds(60);
  Bench bench({compile(document, settings).gateway});
  const auto call = bench.send("GET", "/parts");
  EXPECT_EQ(call->status(), 200);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!call->context.cancel.cancelled() && std::chrono::steady_clock::now() < end) {
    bench.worker().context().run_one_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(call->context.cancel.reason(), net::CancelReason::deadline);
}

TEST(PipelineTrust, AddressAndTraceOfTheRequest) {
  SnapshotSettings settings;
  ASSERT_TRUE(settings.trusted_proxies.add("192.0.2.0/24"));
  Bench bench({compile(document).gateway}, std::move(settings));
  auto call = bench.send("GET", "/static", {{"X-Forwarded-For", "198.51.100.4"}});
  EXPECT_EQ(call->context.client_address, "192.0.2.9");
  bench.connection().peer_trusted = true;
  const std::string parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  call = bench.send("GET", "/echo/1", {{"X-Forwarded-For", "198.51.100.4"}, {"traceparent", parent}});
  EXPECT_EQ(call->context.client_address, "198.51.100.4");
  EXPECT_EQ(call->context.trace_parent, parent);
}

TEST(PipelineReload, RequestsKeepTheVersionTheyStartedOn) {
  GatewaySettings settings;
  settings.timeout = std::chrono::milliseconds(80);
  auto old = compile(document, settings).gateway;
  Bench bench({old});
  auto call = bench.prepare("GET", "/wait");
  bench.start(*call);
  bench.worker().context().run_one_for(std::chrono::milliseconds(10));
  const std::weak_ptr<const Gateway> watched = old;
  old.reset();
  bench.pipeline().use(Snapshot::make(
      {compile(document_head +
               "paths: {/new: {get: {x-yc-apigateway-integration: {type: dummy, content: new}}}}\n")
           .gateway},
      {}, 2));
  bench.wait();
  EXPECT_EQ(call->context.record.path_template, "/wait");
  EXPECT_FALSE(watched.expired());
  bench.pipeline().finished(call->request, call->context);
  call->context.clear();
  EXPECT_TRUE(watched.expired()) << "nothing else keeps the old version";
  EXPECT_EQ(bench.send("GET", "/new")->text(), "new");
  EXPECT_EQ(bench.send("GET", "/static")->status(), 404);
}

TEST(PipelineRefusals, OfTheHeadAreAnsweredAndCounted) {
  MetricsRegistry metrics(1);
  SnapshotSettings settings;
  settings.metrics = &metrics;
  int logged = 0;
  Bench bench({compile(document, {}, &metrics).gateway}, settings,
              [&](const http::Request&, const http::RequestContext&) { ++logged; });
  auto call = bench.prepare("GET", "/static");
  call->response = bench.pipeline().refuse(
      downstream_error(ErrorCode::too_large, "header_too_large", "Too many headers", 431), call->context);
  expect_problem(*call, 431, "header_too_large");
  bench.pipeline().finished(call->request, call->context);
  EXPECT_EQ(logged, 1);
  EXPECT_THAT(metrics.render(),
              HasSubstr("sluice_http_requests_total{gateway=\"\",path=\"\",operation=\"\",release=\"stable\","
                        "code=\"431\"} 1\n"));
}

TEST(PipelineMetrics, CountByTemplateNeverByPath) {
  MetricsRegistry metrics(1);
  SnapshotSettings settings;
  settings.metrics = &metrics;
  Bench bench({compile(document, {}, &metrics).gateway}, settings);
  for (const char* target : {"/echo/1", "/echo/2", "/static", "/refused", "/slug", "/secret-path"}) {
    const auto call = bench.send("GET", target);
    EXPECT_THAT(metrics.render(), HasSubstr("sluice_http_requests_in_flight{gateway=\"shop\"} 1\n"));
    bench.pipeline().finished(call->request, call->context);
  }
  const std::string text = metrics.render();
  EXPECT_THAT(text, HasSubstr("sluice_http_requests_total{gateway=\"shop\",path=\"/echo/{id}\","
                              "operation=\"echo\",release=\"stable\",code=\"200\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sluice_http_requests_total{gateway=\"shop\",path=\"\",operation=\"\","
                              "release=\"stable\",code=\"404\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_http_request_duration_seconds_count{gateway=\"shop\",path=\"/static\","
                              "operation=\"static\",release=\"stable\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_integration_duration_seconds_count{type=\"http\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("sluice_integration_errors_total{type=\"http\",slug=\"connect_failed\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_integration_errors_total{type=\"http\",slug=\"function_failed\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_http_requests_in_flight{gateway=\"shop\"} 0\n"));
  EXPECT_THAT(text, Not(HasSubstr("secret-path")));
}

TEST(AccessLog, ALineHoldsWhatHappened) {
  Bench bench({compile(document).gateway});
  net::TlsInfo tls;
  tls.version = "TLSv1.3";
  bench.connection().tls = &tls;
  auto call = bench.send("GET", "/echo/a%22b?token=s3cr3t", {{"User-Agent", "probe \"1\""}});
  call->context.record.bytes_out = 321;
  call->context.record.bytes_in = 12;
  std::string line;
  const SystemTime now{std::chrono::milliseconds(1'799'056'800'123)};
  append_access_line(line, call->request, call->context, now,
                     call->context.started + std::chrono::milliseconds(1500));
  const auto parsed = parse_json(line);
  ASSERT_TRUE(parsed) << line;
  const Json& fields = *parsed;
  EXPECT_EQ(fields.at("time"), "2027-01-04T10:00:00.123Z");
  EXPECT_EQ(fields.at("request_id"), "id-1");
  EXPECT_EQ(fields.at("gateway"), "shop");
  EXPECT_EQ(fields.at("client"), "192.0.2.9");
  EXPECT_EQ(fields.at("method"), "GET");
  EXPECT_EQ(fields.at("host"), "shop.example");
  EXPECT_EQ(fields.at("path"), "/echo/a%22b");
  EXPECT_EQ(fields.at("template"), "/echo/{id}");
  EXPECT_EQ(fields.at("operation"), "echo");
  EXPECT_EQ(fields.at("status"), 200);
  EXPECT_EQ(fields.at("bytes"), 321);
  EXPECT_EQ(fields.at("bytes_in"), 12);
  EXPECT_DOUBLE_EQ(fields.at("duration").get<double>(), 1.5);
  EXPECT_EQ(fields.at("integration"), "http");
  EXPECT_TRUE(fields.at("integration_duration").is_number());
  EXPECT_EQ(fields.at("release"), "stable");
  EXPECT_EQ(fields.at("protocol"), "HTTP/1.1");
  EXPECT_EQ(fields.at("tls_version"), "TLSv1.3");
  EXPECT_EQ(fields.at("trace_id").get<std::string>().size(), 32U);
  EXPECT_EQ(fields.at("user_agent"), "probe \"1\"");
  EXPECT_FALSE(fields.contains("slug"));
  EXPECT_THAT(line, Not(HasSubstr("s3cr3t")));

  call = bench.send("GET", "/refused");
  call->context.record.aborted = true;
  line.clear();
  append_access_line(line, call->request, call->context, now + std::chrono::milliseconds(7),
                     call->context.started);
  const auto refused = parse_json(line);
  ASSERT_TRUE(refused) << line;
  EXPECT_EQ(refused->at("time"), "2027-01-04T10:00:00.130Z");
  EXPECT_EQ(refused->at("slug"), "connect_failed");
  EXPECT_EQ(refused->at("aborted"), true);
  EXPECT_THAT(refused->at("detail").get<std::string>(), HasSubstr("refused the connection"));
}

TEST(AccessLog, TheSinkWritesALineARequest) {
  EXPECT_FALSE(make_access_log(nullptr, 0));
  std::string name = testing::TempDir() + "sluice-access-" + std::to_string(getpid());
  LineWriter::Options options;
  options.output = name;
  const auto writer = LineWriter::open(options);
  ASSERT_TRUE(writer);
  Bench bench({compile(document).gateway}, {}, make_access_log(*writer, 0));
  for (int round = 0; round < 3; ++round) {
    const auto call = bench.send("GET", "/static");
    bench.pipeline().finished(call->request, call->context);
  }
  (*writer)->flush();
  std::FILE* file = std::fopen(name.c_str(), "r");
  ASSERT_NE(file, nullptr);
  std::array<char, 4096> buffer{};
  int lines = 0;
  while (std::fgets(buffer.data(), buffer.size(), file) != nullptr) {
    EXPECT_TRUE(parse_json(buffer.data()));
    ++lines;
  }
  std::fclose(file);
  std::remove(name.c_str());
  EXPECT_EQ(lines, 3);
}

}  // namespace
}  // namespace sluice::gateway
