#include "unit/integrations/fixture.hpp"

namespace sluice::integrations {
namespace {

using namespace std::chrono_literals;
using test::Answer;
using test::Bench;
using test::Pairs;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr const char* declared =
    "- {name: q, in: query, schema: {type: string}}\n- {name: r, in: query, schema: {type: string}}\n"
    "- {name: list, in: query, schema: {type: array}}";

std::vector<std::string> without_added(std::vector<std::string> lines) {
  std::erase_if(lines, [](const std::string& line) {
    return line.starts_with("X-Forwarded-") || line.starts_with("X-Request-Id: ") ||
           line.starts_with("Traceparent: ");
  });
  return lines;
}

TEST(Http, OnlyUserAgentPassesByItself) {
  Bench bench("type: http\nurl: https://api.example:8443/v1?fixed=1");
  bench.client.status = 201;
  bench.client.headers = {{"X-Up", "1"}, {"Connection", "close, X-Hop"}, {"X-Hop", "1"}, {"Keep-Alive", "x"}};
  bench.client.body_text = "answer";
  const Answer answer = bench.run("PUT", "/pets/1/x?a=b",
                                  {{"Host", "shop.example"},
                                   {"User-Agent", "curl/8"},
                                   {"Accept", "*/*"},
                                   {"Content-Type", "text/plain"},
                                   {"Authorization", "Bearer t"},
                                   {"Cookie", "a=b"}},
                                  "body");
  EXPECT_EQ(bench.call().method, "PUT");
  EXPECT_EQ(bench.call().origin.scheme, client::Origin::Scheme::https);
  EXPECT_EQ(bench.call().origin.host, "api.example");
  EXPECT_EQ(bench.call().origin.port, 8443);
  EXPECT_EQ(bench.call().path_and_query, "/v1?fixed=1");
  EXPECT_TRUE(bench.call().borrowed);
  EXPECT_EQ(bench.call().body, "body");
  EXPECT_THAT(bench.sent(),
              ElementsAre("Host: api.example:8443", "User-Agent: curl/8", "X-Forwarded-For: 192.0.2.7",
                          "X-Forwarded-Proto: http", "X-Forwarded-Host: shop.example", "X-Request-Id: req-1",
                          "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
  EXPECT_EQ(bench.call().options.cancel, &bench.context.cancel);
  EXPECT_EQ(bench.call().options.connect_timeout, 5s);
  EXPECT_EQ(bench.call().options.read_timeout, 5min);
  EXPECT_FALSE(bench.call().options.public_addresses_only);
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body, "answer");
  EXPECT_EQ(answer.headers.size(), 1U);
  EXPECT_EQ(answer.header("X-Up"), "1");
  EXPECT_FALSE(bench.build()->needs_values());
  EXPECT_EQ(bench.build()->constant(), nullptr);
  EXPECT_THAT(bench.mistakes(), IsEmpty());
}

TEST(Http, StarPassesWhatIsNotOverridden) {
  Bench bench(
      "type: http\nurl: http://up.example/\nheaders:\n  '*': '*'\n  x-own: mine\n  Authorization: 'Basic "
      "{q}'",
      declared);
  bench.run("POST", "/pets/1/x?q=s",
            {{"Host", "shop.example"},
             {"X-Own", "theirs"},
             {"AUTHORIZATION", "Bearer t"},
             {"Accept", "text/html"},
             {"Accept", "text/plain"},
             {"Content-Type", "text/plain"},
             {"Content-Length", "4"},
             {"Expect", "100-continue"},
             {"Connection", "X-Hop, keep-alive"},
             {"X-Hop", "1"},
             {"Keep-Alive", "1"},
             {"TE", "trailers"},
             {"Trailer", "X"},
             {"Transfer-Encoding", "chunked"},
             {"Upgrade", "h2c"},
             {"Proxy-Authorization", "p"},
             {"X-Forwarded-For", "203.0.113.1"},
             {"X-Forwarded-Port", "1"},
             {"Forwarded", "for=x"},
             {"X-Request-Id", "forged"},
             {"traceparent", "forged"},
             {"tracestate", "kept"},
             {"X-Empty", ""}},
            "body");
  EXPECT_THAT(
      without_added(bench.sent()),
      ElementsAre("Host: up.example", "x-own: mine", "Accept: text/html", "Accept: text/plain",
                  "Content-Type: text/plain", "tracestate: kept", "X-Empty: ", "Authorization: Basic s"));
  EXPECT_THAT(bench.sent(), Contains("X-Forwarded-For: 192.0.2.7"));
  EXPECT_THAT(bench.sent(), Contains("X-Request-Id: req-1"));
}

TEST(Http, ExplicitHeadersWinOverAddedOnes) {
  Bench bench(
      "type: http\nurl: http://up.example/\nheaders: {Host: 'inner.example:81', X-Forwarded-For: hidden, "
      "X-Request-Id: mine, User-Agent: sluice, X-Forwarded-Proto: gopher, X-Forwarded-Host: h, traceparent: "
      "t}");
  bench.run("GET", "/pets/1/x", {{"Host", "shop.example"}, {"User-Agent", "curl"}});
  EXPECT_THAT(bench.sent(),
              ElementsAre("Host: inner.example:81", "X-Forwarded-For: hidden", "X-Request-Id: mine",
                          "User-Agent: sluice", "X-Forwarded-Proto: gopher", "X-Forwarded-Host: h",
                          "traceparent: t"));
  EXPECT_EQ(bench.call().origin.host, "up.example");
}

TEST(Http, ListsAreCommaSeparatedAndEmptyEntriesFollowTheOption) {
  const std::string headers =
      "headers: {X-List: [a, '{q}', 5], X-Null: null, X-Empty: '', X-Missing: '{r}', X-Array: '{list}'}";
  Bench kept("type: http\nurl: http://up.example/\n" + headers, declared);
  kept.run("GET", "/pets/1/x?q=b&list=1&list=2");
  EXPECT_THAT(without_added(kept.sent()), ElementsAre("Host: up.example", "X-Null: ", "X-Empty: ",
                                                      "X-List: a,b,5", "X-Missing: ", "X-Array: 1,2"));
  for (const std::string option : {"omitEmptyHeaders: true\n", "omit_empty_headers: true\n"}) {
    Bench omitted("type: http\nurl: http://up.example/\n" + option + headers, declared);
    omitted.run("GET", "/pets/1/x?q=b&list=1");
    EXPECT_THAT(without_added(omitted.sent()),
                ElementsAre("Host: up.example", "X-List: a,b,5", "X-Array: 1"));
  }
  Bench star("type: http\nurl: http://up.example/\nomitEmptyHeaders: true\nheaders: {'*': '*'}");
  star.run("GET", "/pets/1/x", {{"X-Empty", ""}, {"X-Full", "1"}});
  EXPECT_THAT(without_added(star.sent()), ElementsAre("Host: up.example", "X-Full: 1"));
}

TEST(Http, HopByHopEntriesAreToldAndDropped) {
  Bench bench(
      "type: http\nurl: http://up.example/\nheaders: {Connection: close, Content-Length: '5', X-A: b}");
  bench.run("GET", "/pets/1/x");
  EXPECT_THAT(without_added(bench.sent()), ElementsAre("Host: up.example", "X-A: b"));
  EXPECT_THAT(bench.mistakes(), HasSubstr("warning: the header Connection"));
  EXPECT_THAT(bench.mistakes(), HasSubstr("warning: the header Content-Length"));
}

std::string target(const std::string& options, const std::string& asked) {
  Bench bench("type: http\n" + options, declared);
  const Answer answer = bench.run("GET", asked);
  return answer.error ? std::to_string(answer.status) : bench.call().path_and_query;
}

TEST(Http, Query) {
  EXPECT_EQ(target("url: http://h/p", "/pets/1/x?a=1"), "/p");
  EXPECT_EQ(target("url: 'http://h/p?'", "/pets/1/x?a=1"), "/p?");
  EXPECT_EQ(target("url: http://h/p\nquery: {'*': '*'}", "/pets/1/x?b=%20&a=1&a=2&&c"),
            "/p?b=%20&a=1&a=2&&c");
  EXPECT_EQ(target("url: http://h/p\nquery: {'*': '*'}", "/pets/1/x"), "/p");
  EXPECT_EQ(target("url: http://h\nquery: {a b: 'x&y=z', n: 5, l: [1, '{q}']}", "/pets/1/x?q=%26"),
            "/?a%20b=x%26y%3Dz&n=5&l=1,%26");
  EXPECT_EQ(
      target("url: 'http://h/p?own=1&a=own'\nquery: {'*': '*', a: mine}", "/pets/1/x?own=2&a=3&%61=4&b=5"),
      "/p?own=1&a=mine&b=5");
  EXPECT_EQ(target("url: http://h/p\nquery: {q: null, r: '{r}', s: ''}", "/pets/1/x"), "/p?q=&r=&s=");
  for (const std::string option : {"omitEmptyQueryParameters: true", "omit_empty_query_parameters: true"}) {
    EXPECT_EQ(target("url: http://h/p\n" + option + "\nquery: {'*': '*', q: null, r: '{r}', s: x}",
                     "/pets/1/x?e=&f&g=1"),
              "/p?s=x&g=1");
  }
  EXPECT_EQ(target("url: 'http://h/p?k={q}'\nquery: {'*': '*'}", "/pets/1/x?q=a%26b%3Dc&k=evil&z=1"),
            "/p?k=a%26b%3Dc&q=a%26b%3Dc&z=1");
}

TEST(Http, PathOfTheUrl) {
  EXPECT_EQ(target("url: 'http://h/v1/{id}/{rest}'", "/pets/a%20b/c/d%2Fe/"), "/v1/a%20b/c/d%2Fe/");
  EXPECT_EQ(target("url: 'http://h/{q}'", "/pets/1/x?q=../admin"), "/..%2Fadmin");
  EXPECT_EQ(target("url: 'http://h/{q}'", "/pets/1/x?q=.."), "400");
  EXPECT_EQ(target("url: 'http://h/{nope}'", "/pets/1/x"), "/%7Bnope%7D");
  EXPECT_EQ(target("url: 'http://h?k={q}'", "/pets/1/x?q=1"), "/?k=1");
}

TEST(Http, HostFromAParameter) {
  Bench bench("type: http\nurl: 'https://{q}/p'", declared);
  bench.run("GET", "/pets/1/x?q=Other.example:444");
  EXPECT_EQ(bench.call().origin.host, "other.example");
  EXPECT_EQ(bench.call().origin.port, 444);
  EXPECT_EQ(bench.call().path_and_query, "/p");
  EXPECT_TRUE(bench.call().options.public_addresses_only);
  EXPECT_THAT(bench.call().headers.get("Host"), testing::Optional(testing::Eq("other.example:444")));
  for (const std::string value : {"", "a/b", "u%40h", "h%3A1%40x", "%0d%0a"}) {
    const Answer answer = bench.run("GET", "/pets/1/x?q=" + value);
    EXPECT_EQ(answer.status, 400) << value;
    EXPECT_THAT(bench.client.calls, IsEmpty());
  }
  Bench open("type: http\nurl: 'https://{q}/p'", declared);
  open.environment.http_allow_private = true;
  open.run("GET", "/pets/1/x?q=127.0.0.1");
  EXPECT_FALSE(open.call().options.public_addresses_only);
  Bench header("type: http\nurl: http://up.example/\nheaders: {Host: '{q}'}", declared);
  EXPECT_EQ(header.run("GET", "/pets/1/x?q=a%20b").status, 400);
  EXPECT_EQ(header.run("GET", "/pets/1/x?q=a.example").status, 200);
}

TEST(Http, HeaderValuesFromAnAdversary) {
  Bench bench("type: http\nurl: http://up.example/\nheaders: {X-Q: '{q}'}", declared);
  for (const std::string value : {"%0D%0AX-Evil:%201", "%0A", "%00"}) {
    EXPECT_EQ(bench.run("GET", "/pets/1/x?q=" + value).status, 400);
    EXPECT_THAT(bench.client.calls, IsEmpty());
  }
}

TEST(Http, MethodsAndWhatHeadMeans) {
  Bench fixed("type: http\nurl: http://h/\nmethod: get");
  fixed.client.body_text = "four";
  const Answer for_head = fixed.run("HEAD", "/pets/1/x");
  EXPECT_EQ(fixed.call().method, "GET");
  EXPECT_EQ(for_head.body, "");
  EXPECT_EQ(for_head.head_content_length, 4U);
  EXPECT_EQ(fixed.run("POST", "/pets/1/x", {}, "b").body, "four");
  EXPECT_EQ(fixed.call().method, "GET");
  EXPECT_EQ(fixed.call().body, "b");

  Bench own("type: http\nurl: http://h/");
  own.client.head_content_length = 7;
  EXPECT_EQ(own.run("HEAD", "/pets/1/x").head_content_length, 7U);
  EXPECT_EQ(own.call().method, "HEAD");
  own.run("PURGE", "/pets/1/x");
  EXPECT_EQ(own.call().method, "PURGE");

  Bench head("type: http\nurl: http://h/\nmethod: HEAD");
  head.client.head_content_length = 7;
  EXPECT_EQ(head.run("GET", "/pets/1/x").head_content_length, std::nullopt);
}

TEST(Http, AnyIsTheMethodOfTheRequest) {
  Bench bench("type: http\nurl: http://h/\nmethod: ANY");
  EXPECT_EQ(bench.mistakes(), "");
  bench.run("PUT", "/pets/1/x", {}, "b");
  EXPECT_EQ(bench.call().method, "PUT");
}

TEST(Http, AnEmptyHostThatIsOmittedIsTheHostOfTheUrl) {
  Bench bench(
      "type: http\nurl: https://up.example/\nomitEmptyHeaders: true\n"
      "headers: {'*': '*', Host: '', Cookie: ''}");
  EXPECT_EQ(bench.mistakes(), "");
  bench.run("GET", "/pets/1/x", {{"Host", "shop.example"}, {"Cookie", "a=b"}});
  EXPECT_THAT(without_added(bench.sent()), ElementsAre("Host: up.example"));
  EXPECT_THAT(Bench("type: http\nurl: https://up.example/\nheaders: {Host: ''}").mistakes(),
              HasSubstr("error: the header Host"));
}

TEST(Http, AUrlOfATemplateThatNobodyRenderedIsNoErrorAndCallsNobody) {
  for (const char* url : {"http://${vm_ip}/x", "${backend_url}/x", "https://<your host>/", "$BACKEND"}) {
    Bench bench("type: http\nurl: '" + std::string(url) + "'");
    EXPECT_THAT(bench.mistakes(), StartsWith("warning: ")) << url;
    EXPECT_THAT(bench.mistakes(), Not(HasSubstr("error"))) << url;
    EXPECT_EQ(bench.run("GET", "/pets/1/x").status, 502) << url;
    EXPECT_THAT(bench.client.calls, IsEmpty());
  }
  // A leftover that leaves the host alone is sent as it stands.
  Bench path("type: http\nurl: 'http://h/${stage}/x'");
  path.run("GET", "/pets/1/x");
  EXPECT_EQ(path.call().path_and_query, "/$%7Bstage%7D/x");
}

TEST(Http, TimeoutsAndDeadline) {
  Bench bench("type: http\nurl: http://h/\ntimeouts: {connect: 0.5, read: 5}");
  bench.deadline = SteadyTime(1h);
  bench.run("GET", "/pets/1/x");
  EXPECT_EQ(bench.call().options.connect_timeout, 500ms);
  EXPECT_EQ(bench.call().options.read_timeout, 5s);
  EXPECT_EQ(bench.call().options.head_deadline, SteadyTime(1h));
  Bench one("type: http\nurl: http://h/\ntimeouts: {read: 1.25}");
  one.environment.connect_timeout = 7s;
  one.run("GET", "/pets/1/x");
  EXPECT_EQ(one.call().options.connect_timeout, 7s);
  EXPECT_EQ(one.call().options.read_timeout, 1250ms);
}

TEST(Http, BufferedBodiesAreSentAsBytes) {
  Bench bench("type: http\nurl: http://h/");
  bench.buffered_body = "seen";
  bench.run("POST", "/pets/1/x", {}, "unread");
  EXPECT_FALSE(bench.call().borrowed);
  EXPECT_EQ(bench.call().body, "seen");
}

TEST(Http, ErrorsOfTheClientAreTheAnswers) {
  Bench bench("type: http\nurl: http://h/");
  bench.client.error = upstream_error(ErrorCode::connect_timeout, "10.0.0.1");
  const Answer answer = bench.run("GET", "/pets/1/x");
  ASSERT_TRUE(answer.error.has_value());
  EXPECT_EQ(answer.error->code, ErrorCode::connect_timeout);
}

TEST(Http, TrustedPeersAreBelieved) {
  Bench bench("type: http\nurl: http://h/\nheaders: {'*': '*'}");
  bench.connection.peer_trusted = true;
  bench.run("GET", "/pets/1/x",
            {{"Host", "h"},
             {"X-Forwarded-For", "203.0.113.9"},
             {"X-Forwarded-Proto", "https"},
             {"X-Forwarded-Host", "www.example"},
             {"X-Forwarded-Port", "443"}});
  EXPECT_THAT(bench.sent(), Contains("X-Forwarded-For: 203.0.113.9, 192.0.2.7"));
  EXPECT_THAT(bench.sent(), Contains("X-Forwarded-Proto: https"));
  EXPECT_THAT(bench.sent(), Contains("X-Forwarded-Host: www.example"));
  EXPECT_THAT(bench.sent(), Contains("X-Forwarded-Port: 443"));
}

TEST(Http, Mistakes) {
  EXPECT_THAT(Bench("type: http").mistakes(), HasSubstr("error: the http integration needs `url`"));
  EXPECT_THAT(Bench("type: http\nurl: 5").mistakes(), HasSubstr("error: `url`"));
  EXPECT_THAT(Bench("type: http\nurl: ftp://h/").mistakes(), HasSubstr("http:// or https://"));
  EXPECT_THAT(Bench("type: http\nurl: unix:/run/x").mistakes(), HasSubstr("http:// or https://"));
  EXPECT_THAT(Bench("type: http\nurl: 'http://u:p@h/'").mistakes(), HasSubstr("error: "));
  EXPECT_THAT(Bench("type: http\nurl: 'http://h/#f'").mistakes(), HasSubstr("fragment"));
  EXPECT_THAT(Bench("type: http\nurl: '{q}://h/'", declared).mistakes(), HasSubstr("scheme"));
  EXPECT_THAT(Bench("type: http\nurl: 'http://h:99999/'").mistakes(), HasSubstr("error: "));
  EXPECT_THAT(Bench("type: http\nurl: http://h/\nmethod: CONNECT").mistakes(), HasSubstr("error: method"));
  EXPECT_THAT(Bench("type: http\nurl: http://h/\nmethod: 'A B'").mistakes(), HasSubstr("error: method"));
  EXPECT_THAT(Bench("type: http\nurl: http://h/\ntimeouts: {read: 0}").mistakes(),
              HasSubstr("error: `read`"));
  EXPECT_THAT(Bench("type: http\nurl: http://h/\ntimeouts: {raed: 1}").mistakes(),
              HasSubstr("warning: the key `raed`"));
  EXPECT_THAT(Bench("type: http\nurl: http://h/\ntimeouts: 5").mistakes(), HasSubstr("error: `timeouts`"));
  EXPECT_THAT(Bench("type: http\nurl: http://h/\nheaders: {'*': yes}").mistakes(), HasSubstr("warning: '*'"));
  EXPECT_THAT(Bench("type: http\nurl: http://h/\nheaders: {Host: 'a b'}").mistakes(),
              HasSubstr("error: the header Host"));
  EXPECT_THAT(Bench("type: http\nurl: http://h/\nurls: 1").mistakes(), HasSubstr("warning: the key `urls`"));
}

TEST(Http, AnEmptyUrlIsAWarningAndAnswers502) {
  Bench bench("type: http\nurl: ''");
  EXPECT_THAT(bench.mistakes(), StartsWith("warning: `url`"));
  const Answer answer = bench.run("GET", "/pets/1/x");
  ASSERT_TRUE(answer.error.has_value());
  EXPECT_EQ(answer.status, 502);
  EXPECT_EQ(answer.error->slug, "empty_option");
  EXPECT_THAT(bench.client.calls, IsEmpty());
}

TEST(Http, Explains) {
  Bench bench("type: http\nurl: 'https://api.example/{id}'\nmethod: POST\nheaders: {X-Q: '{q}'}", declared);
  const OrderedJson explained = bench.explain("GET", "/pets/7/x?q=1", {{"Host", "shop.example"}}, "text");
  const OrderedJson& shown = explained.at("request");
  EXPECT_EQ(shown.at("method"), "POST");
  EXPECT_EQ(shown.at("url"), "https://api.example/7");
  EXPECT_EQ(shown.at("headers").at("X-Q"), "1");
  EXPECT_EQ(shown.at("headers").at("Host"), "api.example");
  EXPECT_EQ(shown.at("body"), "text");
  EXPECT_THAT(bench.client.calls, IsEmpty());
  Bench host("type: http\nurl: 'https://{q}/p'", declared);
  EXPECT_EQ(host.explain("GET", "/pets/7/x?q=other.example").at("request").at("url"),
            "https://other.example/p");
}

}  // namespace
}  // namespace sluice::integrations
