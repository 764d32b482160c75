#include "sluice/http/message.hpp"

#include <gtest/gtest.h>

#include "sluice/http/handler.hpp"
#include "sluice/http/problem.hpp"

namespace sluice::http {
namespace {

TEST(Methods, NamesAndNumbers) {
  for (const Method method : {Method::get, Method::head, Method::post, Method::put, Method::delete_,
                              Method::options, Method::patch, Method::trace, Method::connect}) {
    EXPECT_EQ(parse_method(method_name(method)), method) << method_name(method);
  }
  for (const std::string_view name : {"", "get", "GETS", "BREW", "DELETES", "PUTT", "OPTION", "COPYING"}) {
    EXPECT_EQ(parse_method(name), Method::extension) << name;
  }
  EXPECT_EQ(method_name(Method::extension), "");
  EXPECT_TRUE(is_idempotent(Method::delete_));
  EXPECT_TRUE(is_idempotent(Method::get));
  EXPECT_FALSE(is_idempotent(Method::post));
  EXPECT_FALSE(is_idempotent(Method::patch));
  EXPECT_FALSE(is_idempotent(Method::extension));
}

TEST(Statuses, Reasons) {
  EXPECT_EQ(reason_phrase(200), "OK");
  EXPECT_EQ(reason_phrase(431), "Request Header Fields Too Large");
  EXPECT_EQ(reason_phrase(299), "Unknown");
  for (const int own :
       {400, 401, 403, 404, 405, 408, 413, 414, 415, 417, 421, 429, 431, 500, 501, 502, 503, 504, 505}) {
    EXPECT_NE(reason_phrase(own), "Unknown") << own;
  }
}

TEST(Request, Clear) {
  Request request;
  request.method = Method::put;
  request.method_text = "PUT";
  request.target = "/x?y";
  request.raw_path = "/x";
  request.query = "y";
  request.has_query = true;
  ASSERT_TRUE(request.path.assign("/x").has_value());
  request.authority = "A";
  request.host = "a";
  request.version_minor = 0;
  request.headers.add("A", "b");
  request.clear();
  EXPECT_EQ(request.method, Method::get);
  EXPECT_TRUE(request.method_text.empty() && request.target.empty() && request.raw_path.empty() &&
              request.query.empty() && request.authority.empty() && request.host.empty());
  EXPECT_FALSE(request.has_query);
  EXPECT_TRUE(request.path.text().empty());
  EXPECT_EQ(request.version_minor, 1);
  EXPECT_TRUE(request.headers.empty());
}

TEST(RequestContext, Clear) {
  net::Worker worker(0);
  const ConnectionInfo connection;
  RequestContext context(worker, connection);
  context.cancel.cancel(net::CancelReason::client_gone);
  context.request_id = "1";
  context.client_address = "2";
  context.trace_parent = "3";
  context.pinned = std::make_shared<int>(1);
  context.record.detail = "4";
  context.record.status = 200;
  context.record.aborted = true;
  context.clear();
  EXPECT_FALSE(context.cancel.cancelled());
  EXPECT_TRUE(context.request_id.empty() && context.client_address.empty() && context.trace_parent.empty() &&
              context.record.detail.empty());
  EXPECT_EQ(context.pinned, nullptr);
  EXPECT_EQ(context.record.status, 0);
  EXPECT_FALSE(context.record.aborted);
}

std::string body_of(const Response& response) {
  return std::get<std::string>(response.body);
}

TEST(Problem, IsJsonWithTheRequestsId) {
  const Response response = problem(404, "No \"such\" route", "id-1");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(body_of(response), R"({"message":"No \"such\" route","requestId":"id-1"})");
  EXPECT_EQ(*response.headers.get(FieldId::content_type), "application/json");
  EXPECT_EQ(*response.headers.get(FieldId::x_request_id), "id-1");
}

TEST(Problem, TakesMoreMembers) {
  const Json extra{{"errors", Json::array({Json{{"in", "body"}}})}};
  const Response response = problem(400, "", "i", extra);
  EXPECT_EQ(body_of(response), R"({"message":"Bad Request","requestId":"i","errors":[{"in":"body"}]})");
}

TEST(Problem, SurvivesBadBytes) {
  const Response response = problem(400, "a\xff\n", "");
  EXPECT_EQ(body_of(response), "{\"message\":\"a\xEF\xBF\xBD\\n\",\"requestId\":\"\"}");
  EXPECT_FALSE(response.headers.contains(FieldId::x_request_id));
}

TEST(Problem, StatusesOfErrors) {
  const auto status = [](ErrorCode code, ErrorSource source) {
    Error error;
    error.code = code;
    error.source = source;
    error.detail = "10.0.0.1 refused";
    const ProblemStatus found = problem_status(error);
    EXPECT_EQ(found.slug, slug_of(code));
    EXPECT_FALSE(found.message.empty());
    EXPECT_EQ(found.message.find("10.0.0.1"), std::string_view::npos);
    return found.status;
  };
  using enum ErrorCode;
  const struct {
    ErrorCode code;
    int downstream;
    int upstream;
    int internal;
  } cases[] = {
      {invalid, 400, 502, 500},
      {too_large, 413, 502, 500},
      {not_found, 404, 502, 500},
      {not_built, 501, 501, 501},
      {resolve_failed, 502, 502, 502},
      {connect_failed, 502, 502, 502},
      {connect_timeout, 504, 504, 504},
      {tls_failed, 502, 502, 502},
      {read_timeout, 408, 504, 504},
      {deadline, 408, 504, 504},
      {closed, 400, 502, 502},
      {malformed, 400, 502, 502},
      {cancelled, 503, 503, 503},
      {overloaded, 503, 503, 503},
      {address_refused, 502, 502, 502},
      {function_error, 502, 502, 502},
      {io, 500, 500, 500},
      {internal, 500, 500, 500},
  };
  for (const auto& item : cases) {
    EXPECT_EQ(status(item.code, ErrorSource::downstream), item.downstream) << slug_of(item.code);
    EXPECT_EQ(status(item.code, ErrorSource::upstream), item.upstream) << slug_of(item.code);
    EXPECT_EQ(status(item.code, ErrorSource::internal), item.internal) << slug_of(item.code);
    EXPECT_EQ(status(item.code, ErrorSource::config), item.internal) << slug_of(item.code);
  }
}

TEST(Problem, AnErrorsOwnStatusAndMessageWin) {
  Error error = downstream_error(ErrorCode::invalid, "odd", "My text", 417);
  EXPECT_EQ(problem_status(error).status, 417);
  EXPECT_EQ(problem_status(error).message, "My text");
  EXPECT_EQ(problem_status(error).slug, "odd");
  error.message.clear();
  EXPECT_EQ(problem_status(error).message, "Expectation Failed");
  const Response response = problem(error, "i");
  EXPECT_EQ(response.status, 417);
  EXPECT_EQ(body_of(response), R"({"message":"Expectation Failed","requestId":"i"})");
}

}  // namespace
}  // namespace sluice::http
