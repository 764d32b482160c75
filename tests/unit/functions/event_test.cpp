#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sluice/base/codec.hpp"
#include "sluice/functions/forwarding.hpp"

#include "support/repeated_names.hpp"
#include "unit/functions/builders.hpp"

namespace sluice::functions {
namespace {

using test::Fixture;

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// Parsed strictly: a name twice in an object is a mistake of the writer's.
Json event_of(const EventInput& input, PayloadVersion version) {
  const std::string text = make_event(input, version);
  EXPECT_THAT(testing_support::repeated_names(text), testing::IsEmpty()) << text;
  return Json::parse(text);
}

spec::Parameter parameter(std::string name, spec::ParameterIn in,
                          spec::ParameterShape shape = spec::ParameterShape::primitive) {
  spec::Parameter result;
  result.name = std::move(name);
  result.in = in;
  result.shape = shape;
  if (in == spec::ParameterIn::path || in == spec::ParameterIn::header) {
    result.style = spec::ParameterStyle::simple;
    result.explode = false;
  }
  return result;
}

/// Everything that an event can show, but authorization and context.
struct Full : Fixture {
  Full()
      : Fixture("POST", "/pets/caf%C3%A9/files/a/b%2Fc/?tag=a&tag=b+c&limit=&x=%D1%8F",
                {{"Host", "shop.example"},
                 {"user-agent", "curl/8"},
                 {"X-CUSTOM-id", "1"},
                 {"x-custom-ID", "2"},
                 {"Cookie", "sid=s1; theme=dark"},
                 {"Content-Type", "application/json; charset=utf-8"},
                 {"Content-Length", "9"},
                 {"Connection", "keep-alive, X-Hop"},
                 {"X-Hop", "gone"},
                 {"Keep-Alive", "timeout=5"},
                 {"Authorization", "Bearer t"},
                 {"X-Request-Id", "forged"},
                 {"X-Trace-Id", "forged"},
                 {"X-Real-Remote-Address", "forged"},
                 {"X-Envoy-External-Address", "forged"},
                 {"X-Envoy-Original-Path", "forged"},
                 {"X-Forwarded-For", "203.0.113.9"},
                 {"X-Forwarded-Proto", "https"},
                 {"X-Forwarded-Host", "forged"},
                 {"X-Serverless-Gateway-Id", "forged"},
                 {"x-api-gateway-function-id", "forged"},
                 {"X-Serverless-Certificate-Ids", "forged"},
                 {"X-Yc-ApiGateway-Operation-Context", "forged"},
                 {"X-Yc-Apigateway-Websocket-Connection-Id", "forged"}}) {
    path_template = "/pets/{name}/files/{path+}";
    spec::Parameter limit = parameter("limit", spec::ParameterIn::query);
    spec::Parameter size = parameter("size", spec::ParameterIn::query);
    size.default_values = {{"010"}};
    set = parameters::ParameterSet(
        {parameter("name", spec::ParameterIn::path), parameter("path", spec::ParameterIn::path),
         parameter("tag", spec::ParameterIn::query), limit, size, parameter("sid", spec::ParameterIn::cookie),
         parameter("absent", spec::ParameterIn::query)});
    parameters::PathCapture name;
    name.name = "name";
    name.value = "caf\xC3\xA9";
    parameters::PathCapture path;
    path.name = "path";
    path.value = "a/b/c/";
    path.greedy = true;
    path.segments = {"a", "b/c", ""};
    captures = {name, path};
    body = R"({"a": 1})";
  }
};

TEST(Event, GoldenV01) {
  Full full;
  EXPECT_EQ(event_of(full.input(), PayloadVersion::v0_1), Json::parse(test::read_data("event_v0_1.json")));
}

TEST(Event, GoldenV10) {
  Full full;
  EXPECT_EQ(event_of(full.input(), PayloadVersion::v1_0), Json::parse(test::read_data("event_v1_0.json")));
}

TEST(Event, UrlOfTheOldFormatAlwaysHasAQuestionMark) {
  Fixture fixture("GET", "/a/../b/%7Ex", {});
  const Json event = event_of(fixture.input(), PayloadVersion::v0_1);
  EXPECT_EQ(event.at("url"), "/b/~x?");
  EXPECT_EQ(event.at("headers").at("X-Envoy-Original-Path"), "/b/~x");
  EXPECT_EQ(event_of(fixture.input(), PayloadVersion::v1_0).at("path"), "/b/~x");
  Fixture empty("GET", "/b?", {});
  EXPECT_EQ(event_of(empty.input(), PayloadVersion::v0_1).at("url"), "/b?");
  EXPECT_EQ(event_of(empty.input(), PayloadVersion::v0_1).at("headers").at("X-Envoy-Original-Path"), "/b?");
}

TEST(Event, AuthorizerAndContextAppearOnlyWhenThere) {
  Fixture fixture("GET", "/", {});
  EventInput input = fixture.input();
  Json context = event_of(input, PayloadVersion::v0_1).at("requestContext");
  EXPECT_FALSE(context.contains("authorizer"));
  EXPECT_FALSE(context.contains("apiGateway"));
  input.authorizer = Json::parse(R"({"jwt": {"claims": {"sub": "1"}, "scopes": []}})");
  input.operation_context = Json::parse(R"({"a": [1]})");
  context = event_of(input, PayloadVersion::v1_0).at("requestContext");
  EXPECT_EQ(context.at("authorizer").at("jwt").at("claims").at("sub"), "1");
  EXPECT_EQ(context.at("apiGateway"), Json::parse(R"({"operationContext": {"a": [1]}})"));
}

TEST(Event, AuthorizationIsLeftOutInProfileCloud) {
  Fixture fixture("GET", "/", {{"Authorization", "Bearer t"}});
  EventInput input = fixture.input();
  EXPECT_EQ(event_of(input, PayloadVersion::v0_1).at("headers").at("Authorization"), "Bearer t");
  input.pass_authorization = false;
  const Json event = event_of(input, PayloadVersion::v0_1);
  EXPECT_FALSE(event.at("headers").contains("Authorization"));
  EXPECT_FALSE(event.at("multiValueHeaders").contains("Authorization"));
}

TEST(Event, HeadKeepsItsMethod) {
  Fixture fixture("HEAD", "/", {});
  const Json event = event_of(fixture.input(), PayloadVersion::v0_1);
  EXPECT_EQ(event.at("httpMethod"), "HEAD");
  EXPECT_EQ(event.at("requestContext").at("httpMethod"), "HEAD");
}

struct BodyCase {
  std::string_view type;
  std::string_view encoding;
  std::string body;
  bool base64;
};

TEST(Event, BodyIsTextForJsonAndTextTypesOnly) {
  const std::string binary("\x00\xFF", 2);
  const std::vector<BodyCase> cases{
      {"application/json", "", "{}", false},
      {"Application/JSON; charset=utf-8", "", "{}", false},
      {"application/problem+json", "", "{}", false},
      {"application/vnd.api+json;v=1", "", "\xD1\x8F", false},
      {"text/plain", "", "a", false},
      {"text/html; charset=latin1", "", "a", false},
      {"TEXT/csv", "", "a", false},
      {"text/plain", "", "\xE9", true},
      {"application/json", "", binary, true},
      {"application/json", "gzip", "{}", true},
      {"application/json", "identity", "{}", false},
      {"application/x-www-form-urlencoded", "", "a=b", true},
      {"application/xml", "", "<a/>", true},
      {"application/octet-stream", "", "a", true},
      {"multipart/form-data; boundary=x", "", "--x--", true},
      {"application/jsonp", "", "{}", true},
      {"nonsense", "", "a", true},
      {"", "", "a", true},
      {"image/png", "", "", false},
      {"", "", "", false},
  };
  for (const BodyCase& row : cases) {
    Pairs headers;
    if (!row.type.empty()) {
      headers.emplace_back("Content-Type", row.type);
    }
    if (!row.encoding.empty()) {
      headers.emplace_back("Content-Encoding", row.encoding);
    }
    Fixture fixture("POST", "/", headers);
    fixture.body = row.body;
    const Json event = event_of(fixture.input(), PayloadVersion::v0_1);
    EXPECT_EQ(event.at("isBase64Encoded"), row.base64) << row.type;
    EXPECT_EQ(event.at("body"), row.base64 ? base64_encode(row.body) : row.body) << row.type;
  }
}

TEST(Event, BytesThatAreNotUtf8BecomeReplacementCharacters) {
  Fixture fixture("GET", "/p%FF?a%FE=%FD&b=%C3%A9%FF", {{"X-A", "\xE9t\xE9"}, {"User-Agent", "\xFF"}});
  fixture.set = parameters::ParameterSet(
      {parameter("b", spec::ParameterIn::query), parameter("id", spec::ParameterIn::path)});
  parameters::PathCapture id;
  id.name = "id";
  id.value = "p\xFF";
  fixture.captures = {id};
  const Json event = event_of(fixture.input(), PayloadVersion::v1_0);
  const std::string mark = "\xEF\xBF\xBD";
  EXPECT_EQ(event.at("queryStringParameters"), (Json{{"a" + mark, mark}, {"b", "\xC3\xA9" + mark}}));
  EXPECT_EQ(event.at("parameters").at("b"), "\xC3\xA9" + mark);
  EXPECT_EQ(event.at("pathParameters").at("id"), "p" + mark);
  EXPECT_EQ(event.at("headers").at("X-A"), mark + "t" + mark);
  EXPECT_EQ(event.at("requestContext").at("identity").at("userAgent"), mark);
  EXPECT_EQ(event.at("path"), "/p%FF");
  // Nothing left that a strict writer would refuse.
  EXPECT_NO_THROW(static_cast<void>(event.dump()));
}

TEST(Event, NamesThatBecomeTheSameAreOne) {
  Fixture fixture("GET", "/?a%FF=1&b=2&a%FE=3&a%FF=4", {});
  const Json event = event_of(fixture.input(), PayloadVersion::v1_0);
  const std::string name = "a\xEF\xBF\xBD";
  EXPECT_EQ(event.at("queryStringParameters"), (Json{{name, "4"}, {"b", "2"}}));
  EXPECT_EQ(event.at("multiValueQueryStringParameters").at(name), Json::parse(R"(["1", "3", "4"])"));
}

TEST(Event, TextIsEscaped) {
  Fixture fixture("POST", "/?a=%22%5C%0A%00%1F", {{"Content-Type", "text/plain"}});
  fixture.body = std::string("\"\\\b\f\n\r\t\x01\x7F</script>", 18);
  const Json event = event_of(fixture.input(), PayloadVersion::v1_0);
  EXPECT_EQ(event.at("queryStringParameters").at("a"), std::string("\"\\\n\0\x1F", 5));
  EXPECT_EQ(event.at("body"), fixture.body);
}

TEST(Event, ArraysAndRepeatedParameters) {
  Fixture fixture("GET", "/?id=1&id=2&p=x&p=y&csv=a,b&n=v", {{"N", "h"}});
  spec::Parameter csv = parameter("csv", spec::ParameterIn::query, spec::ParameterShape::array);
  csv.explode = false;
  spec::Parameter none = parameter("none", spec::ParameterIn::query, spec::ParameterShape::array);
  none.default_values = {{"d", "e"}};
  fixture.set = parameters::ParameterSet(
      {parameter("id", spec::ParameterIn::query, spec::ParameterShape::array),
       parameter("p", spec::ParameterIn::query), csv, none, parameter("n", spec::ParameterIn::header),
       parameter("n", spec::ParameterIn::query)});
  const Json event = event_of(fixture.input(), PayloadVersion::v0_1);
  EXPECT_EQ(event.at("params"),
            Json::parse(R"({"id": "2", "p": "y", "csv": "a,b", "none": "d,e", "n": "v"})"));
  EXPECT_EQ(event.at("multiValueParams"),
            Json::parse(R"({"id": ["1", "2"], "p": ["x", "y"], "csv": ["a", "b"], "none": ["d", "e"],
                            "n": ["v"]})"));
  EXPECT_EQ(event.at("queryStringParameters"),
            Json::parse(R"({"id": "2", "p": "y", "csv": "a,b", "n": "v"})"));
  EXPECT_EQ(event.at("pathParams"), Json::object());
}

TEST(Event, SeveralCookieLinesAreOne) {
  Fixture fixture("GET", "/", {{"Cookie", "a=1"}, {"cookie", "b=2"}});
  const Json event = event_of(fixture.input(), PayloadVersion::v0_1);
  EXPECT_EQ(event.at("headers").at("Cookie"), "a=1; b=2");
  EXPECT_EQ(event.at("multiValueHeaders").at("Cookie"), Json::parse(R"(["a=1; b=2"])"));
}

TEST(Event, RequestTimeIsClfWithoutPadding) {
  Fixture fixture("GET", "/", {});
  EventInput input = fixture.input();
  input.now = std::chrono::system_clock::from_time_t(1799056800) + std::chrono::milliseconds(999);
  const Json context = event_of(input, PayloadVersion::v0_1).at("requestContext");
  EXPECT_EQ(context.at("requestTime"), "4/Jan/2027:10:00:00 +0000");
  EXPECT_EQ(context.at("requestTimeEpoch"), 1799056800);
}

std::string added(Fixture& fixture, std::string_view name) {
  const http::Headers headers = added_headers(fixture.request, fixture.context, "shop", "fn");
  return std::string(headers.get(name).value_or("(absent)"));
}

TEST(AddedHeaders, OverTls) {
  net::TlsInfo tls;
  tls.server_name = "api.shop.example";
  tls.certificate = "shop \"one\"";
  Fixture fixture("GET", "/", {{"Host", "shop.example"}});
  EXPECT_EQ(added(fixture, "X-Serverless-Certificate-Ids"), "(absent)");
  fixture.connection.secure = true;
  fixture.connection.tls = &tls;
  EXPECT_EQ(added(fixture, "X-Serverless-Certificate-Ids"), R"({"api.shop.example":"shop \"one\""})");
  EXPECT_EQ(added(fixture, "X-Forwarded-Proto"), "https");
  tls.server_name.clear();
  EXPECT_EQ(added(fixture, "X-Serverless-Certificate-Ids"), R"({"shop.example":"shop \"one\""})");
}

TEST(AddedHeaders, AddressesOfIpv6AreBracketedWithPorts) {
  Fixture fixture("GET", "/", {});
  fixture.context.client_address = "2001:db8::1";
  EXPECT_EQ(added(fixture, "X-Real-Remote-Address"), "[2001:db8::1]:51000");
  EXPECT_EQ(added(fixture, "X-Envoy-External-Address"), "2001:db8::1");
  EXPECT_EQ(added(fixture, "X-Trace-Id"), "0af7651916cd43dd8448eb211c80319c");
  fixture.context.trace_parent.clear();
  EXPECT_EQ(added(fixture, "X-Trace-Id"), "(absent)");
}

TEST(Forwarding, TrustedPeersAreBelievedAndOthersReplaced) {
  Fixture fixture("GET", "/",
                  {{"Host", "shop.example"},
                   {"X-Forwarded-For", "203.0.113.9"},
                   {"X-Forwarded-For", "10.0.0.1"},
                   {"X-Forwarded-Proto", "HTTPS"},
                   {"X-Forwarded-Host", "www.shop.example"}});
  EXPECT_EQ(forwarded_for(fixture.request, fixture.context), "192.0.2.7");
  EXPECT_EQ(forwarded_proto(fixture.request, fixture.context), "http");
  EXPECT_EQ(forwarded_host(fixture.request, fixture.context), "shop.example");
  fixture.connection.peer_trusted = true;
  EXPECT_EQ(forwarded_for(fixture.request, fixture.context), "203.0.113.9, 10.0.0.1, 192.0.2.7");
  EXPECT_EQ(forwarded_proto(fixture.request, fixture.context), "https");
  EXPECT_EQ(forwarded_host(fixture.request, fixture.context), "www.shop.example");
  fixture.connection.peer_address = "unix";
  EXPECT_EQ(forwarded_for(fixture.request, fixture.context), "203.0.113.9, 10.0.0.1");
  fixture.request.headers.clear();
  fixture.context.client_address = "unix";
  EXPECT_EQ(forwarded_for(fixture.request, fixture.context), "");
  EXPECT_EQ(forwarded_proto(fixture.request, fixture.context), "http");
  fixture.request.headers.add("X-Forwarded-Proto", "gopher\" x");
  EXPECT_EQ(forwarded_proto(fixture.request, fixture.context), "http");
}

TEST(Forwarding, FieldsThatClientsMayNotSet) {
  const auto gateway_field = [](std::string_view name, bool trusted) {
    http::Headers headers;
    headers.add(name, "x");
    return is_gateway_field(headers[0], trusted);
  };
  for (const std::string_view name : {"x-request-id", "X-FORWARDED-FOR", "x-forwarded-proto", "X-Trace-ID",
                                      "X-Yc-Apigateway-Anything", "x-serverless-certificate-ids"}) {
    EXPECT_TRUE(gateway_field(name, false)) << name;
    EXPECT_TRUE(gateway_field(name, true)) << name;
  }
  for (const std::string_view name : {"Forwarded", "X-Forwarded-Port", "x-forwarded-host"}) {
    EXPECT_TRUE(gateway_field(name, false)) << name;
    EXPECT_FALSE(gateway_field(name, true)) << name;
  }
  for (const std::string_view name : {"X-Custom", "Accept", "Cookie", "x", "X-Forwarded", "X-Yc-Other"}) {
    EXPECT_FALSE(gateway_field(name, false)) << name;
  }
}

}  // namespace
}  // namespace sluice::functions
