// The tables of data/routing: documents' templates and methods, requests, what answers.
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sluice/base/json.hpp"
#include "sluice/gateway/router.hpp"
#include "sluice/spec/api.hpp"

namespace sluice::gateway {
namespace {

Json read_table(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::ostringstream text;
  text << stream.rdbuf();
  auto parsed = parse_json(text.str());
  EXPECT_TRUE(parsed) << file << ": " << (parsed ? "" : parsed.error().detail);
  return parsed ? *parsed : Json::object();
}

std::vector<RouteInput> make_routes(const Json& templates) {
  std::vector<RouteInput> routes;
  for (const Json& entry : templates) {
    const auto text = entry.at(0).get<std::string>();
    auto parsed = spec::parse_path_template(text);
    EXPECT_TRUE(parsed) << text;
    if (parsed) {
      routes.push_back({*parsed, entry.at(1).get<std::vector<std::string>>()});
    }
  }
  return routes;
}

void check_found(const Router& router, const std::vector<RouteInput>& routes, const Match& match,
                 const http::CanonicalPath& path, const Json& wanted) {
  ASSERT_EQ(match.outcome, Match::Outcome::found);
  const RouteInput& route = routes.at(match.route);
  EXPECT_EQ(route.path_template.text, wanted.at("template").get<std::string>());
  if (wanted.contains("method")) {
    EXPECT_EQ(route.methods.at(match.operation), wanted.at("method").get<std::string>());
  }
  if (wanted.contains("head_from_get")) {
    EXPECT_EQ(match.head_from_get, wanted.at("head_from_get").get<bool>());
  }
  const auto captures = router.capture(match.route, path);
  if (wanted.contains("parameters")) {
    Json got = Json::object();
    for (const parameters::PathCapture& capture : captures) {
      got[std::string(capture.name)] = capture.value;
    }
    EXPECT_EQ(got, wanted.at("parameters"));
  }
  if (wanted.contains("segments")) {
    ASSERT_EQ(captures.size(), 1U);
    EXPECT_TRUE(captures[0].greedy);
    EXPECT_EQ(captures[0].segments, wanted.at("segments").get<std::vector<std::string>>());
  }
}

void check_request(const Router& router, const std::vector<RouteInput>& routes, const Json& wanted) {
  const auto line = wanted.at("request").get<std::string>();
  SCOPED_TRACE(line);
  const std::string method = line.substr(0, line.find(' '));
  const auto path = http::CanonicalPath::parse(line.substr(method.size() + 1));
  ASSERT_TRUE(path);
  const Match match = router.match(http::parse_method(method), method, *path);
  const int status = wanted.value("status", 200);
  if (status == 200) {
    check_found(router, routes, match, *path, wanted);
  } else if (status == 404) {
    EXPECT_EQ(match.outcome, Match::Outcome::not_found);
    EXPECT_EQ(router.allow(*path), "");
  } else {
    ASSERT_EQ(status, 405);
    EXPECT_EQ(match.outcome, Match::Outcome::method_not_allowed);
    EXPECT_EQ(router.allow(*path), wanted.at("allow").get<std::string>());
  }
  // What `explain` says agrees with what the router did.
  const auto verdicts = router.explain(http::parse_method(method), method, *path);
  EXPECT_EQ(verdicts.size(), routes.size());
  for (const RouteVerdict& verdict : verdicts) {
    EXPECT_FALSE(verdict.reason.empty());
    EXPECT_EQ(verdict.chosen, status == 200 && verdict.route == match.route) << verdict.reason;
    EXPECT_TRUE(!verdict.chosen || (verdict.path_matches && verdict.method_matches));
    if (status == 404) {
      EXPECT_FALSE(verdict.path_matches) << routes.at(verdict.route).path_template.text;
    }
  }
}

class RoutingTable : public testing::TestWithParam<std::string> {};

TEST_P(RoutingTable, AnswersAsWritten) {
  const Json table =
      read_table(std::filesystem::path(SLUICE_SOURCE_DIR) / "tests/unit/gateway/data/routing" / GetParam());
  ASSERT_TRUE(table.contains("cases"));
  for (const Json& item : table.at("cases")) {
    SCOPED_TRACE(item.at("name").get<std::string>());
    const std::vector<RouteInput> routes = make_routes(item.at("templates"));
    const auto router = Router::build(routes, item.value("ignoreTrailingSlashes", true));
    for (const Json& request : item.at("requests")) {
      check_request(*router, routes, request);
    }
  }
}

std::vector<std::string> tables() {
  std::vector<std::string> names;
  const std::filesystem::path folder =
      std::filesystem::path(SLUICE_SOURCE_DIR) / "tests/unit/gateway/data/routing";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Files, RoutingTable, testing::ValuesIn(tables()),
                         [](const auto& file) { return file.param.substr(0, file.param.find('.')); });

std::vector<RouteInput> routes_of(const std::vector<std::pair<std::string, std::vector<std::string>>>& list) {
  std::vector<RouteInput> routes;
  routes.reserve(list.size());
  for (const auto& [text, methods] : list) {
    routes.push_back({*spec::parse_path_template(text), methods});
  }
  return routes;
}

using Texts = std::vector<std::pair<std::string, std::string>>;

Texts shadows(const std::vector<std::pair<std::string, std::vector<std::string>>>& list,
              bool ignore_slashes = true) {
  const auto routes = routes_of(list);
  Texts texts;
  for (const auto& [winner, loser] : Router::build(routes, ignore_slashes)->shadowed()) {
    texts.emplace_back(routes[winner].path_template.text, routes[loser].path_template.text);
  }
  return texts;
}

TEST(Shadowed, TellsWhatCanNeverMatch) {
  EXPECT_EQ(shadows({{"/{a}", {"GET"}}, {"/{b}", {"GET"}}}), (Texts{{"/{a}", "/{b}"}}));
  EXPECT_EQ(shadows({{"/{a}", {"GET"}}, {"/{long}", {"GET"}}}), (Texts{{"/{long}", "/{a}"}}));
  EXPECT_EQ(shadows({{"/{g+}", {"GET"}}, {"/{path+}", {""}}}), (Texts{{"/{path+}", "/{g+}"}}));
  EXPECT_EQ(shadows({{"/a/b/{g+}", {"GET"}}, {"/{everything+}", {"GET"}}}),
            (Texts{{"/{everything+}", "/a/b/{g+}"}}));
  EXPECT_EQ(shadows({{"/{x}-{y}", {"GET"}}, {"/a{longer-name}-b", {"GET"}}}), (Texts{}));
  EXPECT_EQ(shadows({{"/{longer-names}-{y}", {"GET"}}, {"/a{x}-b", {"GET"}}}),
            (Texts{{"/{longer-names}-{y}", "/a{x}-b"}}));
  EXPECT_EQ(shadows({{"/a%20b", {"GET"}}, {"/a b", {"GET"}}}), (Texts{{"/a%20b", "/a b"}}));
  EXPECT_EQ(shadows({{"/a/{long+}/x", {"GET"}}, {"/a/{g+}/b/x", {"GET"}}}),
            (Texts{{"/a/{long+}/x", "/a/{g+}/b/x"}}));
}

TEST(Shadowed, LeavesAloneWhatCanMatch) {
  EXPECT_EQ(shadows({{"/{a}", {"GET"}}, {"/{b}", {"POST"}}}), (Texts{}));
  EXPECT_EQ(shadows({{"/{a}", {"GET"}}, {"/{b}", {""}}}), (Texts{}));
  EXPECT_EQ(shadows({{"/a", {"GET"}}, {"/a/", {"GET"}}, {"/{p}", {"GET"}}, {"/{g+}", {"GET"}}}), (Texts{}));
  EXPECT_EQ(shadows({{"/{a}/", {"GET"}}, {"/{b}", {"GET"}}}), (Texts{}));
  EXPECT_EQ(shadows({{"/{everything+}", {"GET"}}, {"/a/{g+}", {"GET", "POST"}}}), (Texts{}));
  EXPECT_EQ(shadows({{"/{longer-name}/{g+}", {"GET"}}, {"/{g+}", {"GET"}}}), (Texts{}));
  EXPECT_EQ(shadows({{"/a/{longer-name+}/b", {"GET"}}, {"/a/{g+}", {"GET"}}}), (Texts{}));
  EXPECT_EQ(shadows({{"/x{longer-name}", {"GET"}}, {"/{p}", {"GET"}}}), (Texts{}));
  EXPECT_EQ(shadows({{"/a/{longer+}/", {"GET"}}, {"/a/{g+}", {"GET"}}}, false), (Texts{}));
  EXPECT_EQ(shadows({{"/{a}", {}}, {"/{b}", {}}}), (Texts{}));
}

TEST(Shadowed, HeadIsCoveredByGet) {
  EXPECT_EQ(shadows({{"/{a}", {"GET"}}, {"/{b}", {"HEAD"}}}), (Texts{{"/{a}", "/{b}"}}));
}

TEST(RouterOrder, ListsRoutesAsTheyAreTried) {
  const auto routes = routes_of({{"/{g+}", {"GET"}},
                                 {"/a/{long-name+}", {"GET"}},
                                 {"/{p}", {"GET"}},
                                 {"/x.{p}", {"GET"}},
                                 {"/b", {"GET"}},
                                 {"/a/{p}", {"GET"}},
                                 {"/a", {"GET"}}});
  std::vector<std::string> texts;
  for (const std::size_t index : Router::build(routes, true)->order()) {
    texts.push_back(routes[index].path_template.text);
  }
  EXPECT_THAT(texts,
              testing::ElementsAre("/b", "/a", "/a/{p}", "/x.{p}", "/{p}", "/a/{long-name+}", "/{g+}"));
}

std::map<std::string, std::string> reasons(const std::vector<RouteInput>& routes, const std::string& method,
                                           const std::string& text, bool ignore_slashes = true) {
  const auto path = http::CanonicalPath::parse(text);
  std::map<std::string, std::string> out;
  for (const RouteVerdict& verdict :
       Router::build(routes, ignore_slashes)->explain(http::parse_method(method), method, *path)) {
    out[routes[verdict.route].path_template.text] = verdict.reason;
  }
  return out;
}

TEST(RouterExplain, SaysWhyEachTemplateLost) {
  const auto routes = routes_of({{"/a/b", {"POST"}},
                                 {"/a/{p}", {"GET", ""}},
                                 {"/{q}/b", {"GET"}},
                                 {"/{g+}", {"GET"}},
                                 {"/c/b", {"GET"}},
                                 {"/a/x{p}", {"GET"}},
                                 {"/a/b/{p}", {"GET"}},
                                 {"/a/b/c/{g+}", {"GET"}}});
  auto why = reasons(routes, "GET", "/a/b");
  EXPECT_EQ(why["/a/b"], "has no operation for GET (it has: POST)");
  EXPECT_EQ(why["/a/{p}"], "fits the path");
  EXPECT_EQ(why["/{q}/b"], "gives way to /a/{p}: segment 1 decides: literal comes before a parameter");
  EXPECT_EQ(why["/{g+}"],
            "gives way to /a/{p}: a template with parameters, none greedy, comes before one with a greedy "
            "parameter");
  EXPECT_EQ(why["/c/b"], "segment 1 is \"a\", the template wants \"c\"");
  EXPECT_EQ(why["/a/x{p}"], "segment 2 is \"b\", which does not fit \"x{p}\"");
  EXPECT_EQ(why["/a/b/{p}"], "the path has 2 segments, the template 3 segments");
  EXPECT_EQ(why["/a/b/c/{g+}"], "the path has 2 segments, the template at least 4 segments");
  why = reasons(routes, "HEAD", "/a/b/");
  EXPECT_EQ(why["/a/{p}"], "fits the path, its final slash ignored; HEAD is answered by GET's operation");
  EXPECT_EQ(reasons(routes, "PUT", "/a/b")["/a/{p}"],
            "fits the path; answered by x-yc-apigateway-any-method");
  EXPECT_EQ(reasons(routes, "GET", "/a//x")["/a/b/{p}"], "segment 2 is empty, the template wants \"b\"");
  EXPECT_EQ(reasons(routes, "GET", "/a/")["/a/{p}"], "the path has 1 segment, the template 2 segments");
}

TEST(RouterExplain, NamesTheSlash) {
  const auto routes = routes_of({{"/a", {"GET"}}, {"/b/", {"GET"}}, {"/c/{p}/d", {"GET"}}});
  EXPECT_EQ(reasons(routes, "GET", "/a/", false)["/a"],
            "the path ends in a slash, the template does not (ignoreTrailingSlashes is false)");
  EXPECT_EQ(reasons(routes, "GET", "/b", false)["/b/"],
            "the template ends in a slash, the path does not (ignoreTrailingSlashes is false)");
  EXPECT_EQ(reasons(routes, "GET", "/c//d", false)["/c/{p}/d"], "segment 2 is empty, and {p} needs a value");
}

TEST(Router, AnEmptyOneFindsNothing) {
  const auto router = Router::build({}, true);
  const auto path = http::CanonicalPath::parse("/");
  EXPECT_EQ(router->match(http::Method::get, "GET", *path).outcome, Match::Outcome::not_found);
  EXPECT_TRUE(router->order().empty());
}

TEST(Router, LongAndDeepPathsAreHarmless) {
  const auto routes = routes_of({{"/{a}/{b}", {"GET"}}, {"/x/{g+}/y", {"GET"}}});
  const auto router = Router::build(routes, true);
  std::string deep = "/x";
  for (int depth = 0; depth < 4000; ++depth) {
    deep += "/y";
  }
  const auto path = http::CanonicalPath::parse(deep);
  ASSERT_TRUE(path);
  EXPECT_EQ(router->match(http::Method::get, "GET", *path).route, 1U);
  const auto captures = router->capture(1, *path);
  ASSERT_EQ(captures.size(), 1U);
  EXPECT_EQ(captures[0].segments.size(), 3999U);
}

}  // namespace
}  // namespace sluice::gateway
