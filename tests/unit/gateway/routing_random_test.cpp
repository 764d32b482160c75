// The router against a naive one that collects all templates that fit and sorts them by the letter of
// spec.md section 2.
#include <algorithm>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "sluice/gateway/router.hpp"
#include "sluice/spec/api.hpp"

namespace sluice::gateway {
namespace {

using Kind = spec::TemplateSegment::Kind;
using Strings = std::vector<std::string>;

/// Splits after the first slash: "/a//b/" → "a", "", "b", "".
Strings split(const std::string& path) {
  Strings out{""};
  for (const char byte : path.substr(1)) {
    if (byte == '/') {
      out.emplace_back();
    } else {
      out.back().push_back(byte);
    }
  }
  return out;
}

bool has_final_slash(const Strings& segments) {
  return segments.size() >= 2 && segments.back().empty() && segments != Strings{"", ""};
}

/// The first way, in order of the lengths of the parameters' values, that the pieces fit the text.
bool fit_pieces(const std::vector<spec::TemplateSegment::Piece>& pieces, std::size_t index,
                const std::string& text, Strings& values) {
  if (index == pieces.size()) {
    return text.empty();
  }
  const auto& piece = pieces[index];
  if (!piece.parameter) {
    return text.starts_with(piece.text) &&
           fit_pieces(pieces, index + 1, text.substr(piece.text.size()), values);
  }
  for (std::size_t length = 1; length <= text.size(); ++length) {
    values.push_back(text.substr(0, length));
    if (fit_pieces(pieces, index + 1, text.substr(length), values)) {
      return true;
    }
    values.pop_back();
  }
  return false;
}

bool fit_segments(const std::vector<spec::TemplateSegment>& wanted, std::size_t index, const Strings& path,
                  std::size_t at, Strings& values) {
  if (index == wanted.size()) {
    return at == path.size();
  }
  const spec::TemplateSegment& segment = wanted[index];
  if (at >= path.size()) {
    return false;
  }
  if (segment.kind == Kind::greedy) {
    if (path[at].empty()) {
      return false;
    }
    std::string value;
    for (std::size_t end = at + 1; end <= path.size(); ++end) {
      value += (end == at + 1 ? "" : "/") + path[end - 1];
      values.push_back(value);
      if (fit_segments(wanted, index + 1, path, end, values)) {
        return true;
      }
      values.pop_back();
    }
    return false;
  }
  const std::size_t before = values.size();
  bool fits = false;
  if (segment.kind == Kind::literal) {
    fits = path[at] == (segment.pieces.empty() ? std::string() : segment.pieces[0].text);
  } else if (segment.kind == Kind::parameter) {
    fits = !path[at].empty();
    values.push_back(path[at]);
  } else {
    fits = fit_pieces(segment.pieces, 0, path[at], values);
  }
  if (fits && fit_segments(wanted, index + 1, path, at + 1, values)) {
    return true;
  }
  values.resize(before);
  return false;
}

struct Candidate {
  std::size_t route = 0;
  bool exact = true;
  Strings values;
};

class Reference {
 public:
  Reference(const std::vector<RouteInput>& routes, bool ignore) : routes_(routes), ignore_(ignore) {}

  [[nodiscard]] std::vector<Candidate> candidates(const std::string& path) const {
    std::vector<Candidate> found;
    for (std::size_t route = 0; route < routes_.size(); ++route) {
      Candidate candidate{route, true, {}};
      const auto& segments = routes_[route].path_template.segments;
      Strings parts = split(path);
      bool fits = fit_segments(segments, 0, parts, 0, candidate.values);
      if (!fits && ignore_ && parts != Strings{""} && parts != Strings{"", ""}) {
        candidate.exact = false;
        // One final slash is ignored, the path's or the template's.
        if (has_final_slash(parts) == template_slash(route)) {
          continue;
        }
        if (has_final_slash(parts)) {
          parts.pop_back();
        } else {
          parts.emplace_back();
        }
        fits = fit_segments(segments, 0, parts, 0, candidate.values);
      }
      if (fits) {
        found.push_back(candidate);
      }
    }
    std::sort(found.begin(), found.end(),
              [&](const Candidate& one, const Candidate& two) { return before(one, two); });
    return found;
  }

 private:
  [[nodiscard]] bool template_slash(std::size_t route) const {
    const std::string& text = routes_[route].path_template.text;
    return text.size() > 1 && text.back() == '/' && text != "//";
  }
  [[nodiscard]] int class_of(std::size_t route) const {
    int found = 1;
    for (const auto& segment : routes_[route].path_template.segments) {
      found = std::max(found, segment.kind == Kind::greedy ? 3 : segment.kind == Kind::literal ? 1 : 2);
    }
    return found;
  }
  [[nodiscard]] std::size_t length(std::size_t route) const {
    return routes_[route].path_template.text.size();
  }
  [[nodiscard]] std::size_t length_without_slash(std::size_t route) const {
    return length(route) - (template_slash(route) ? 1 : 0);
  }

  [[nodiscard]] bool before(const Candidate& one, const Candidate& two) const {
    if (class_of(one.route) != class_of(two.route)) {
      return class_of(one.route) < class_of(two.route);
    }
    if (class_of(one.route) == 2) {
      const auto& left = routes_[one.route].path_template.segments;
      const auto& right = routes_[two.route].path_template.segments;
      for (std::size_t index = 0; index < std::min(left.size(), right.size()); ++index) {
        if (left[index].kind != right[index].kind) {
          return left[index].kind < right[index].kind;
        }
      }
    }
    if (class_of(one.route) == 3 && length_without_slash(one.route) != length_without_slash(two.route)) {
      return length_without_slash(one.route) > length_without_slash(two.route);
    }
    if (one.exact != two.exact) {
      return one.exact;
    }
    if (class_of(one.route) != 1 && length(one.route) != length(two.route)) {
      return length(one.route) > length(two.route);
    }
    return one.route < two.route;
  }

  const std::vector<RouteInput>& routes_;
  bool ignore_;
};

class Generator {
 public:
  explicit Generator(unsigned seed) : engine_(seed) {}

  std::size_t below(std::size_t count) { return engine_() % count; }
  const std::string& pick(const Strings& list) { return list[below(list.size())]; }

  std::string make_template() {
    static const Strings plain{"a", "b", "ab", "a-b", "c"};
    static const Strings partial{"a{P}", "{P}-{P}", "{P}b", "x{P}y{P}", "{P}-b", "{P}{P}"};
    std::string out;
    bool greedy = false;
    int names = 0;
    const std::size_t depth = 1 + below(4);
    for (std::size_t index = 0; index < depth; ++index) {
      out += '/';
      const std::size_t kind = below(12);
      std::string segment = pick(plain);
      if (kind == 0 && !greedy) {
        segment = "{P+}";
        greedy = true;
      } else if (kind < 4) {
        segment = "{P}";
      } else if (kind < 6) {
        segment = pick(partial);
      } else if (kind == 6 && index + 1 < depth) {
        segment.clear();
      }
      for (std::size_t at = segment.find('P'); at != std::string::npos; at = segment.find('P')) {
        segment.replace(at, 1, "n" + std::string(below(3), 'x') + std::to_string(names++));
      }
      out += segment;
    }
    return below(5) == 0 ? out + '/' : out;
  }

  std::string make_path() {
    static const Strings texts{"a", "b", "ab", "a-b", "c", "x1y2", "b-b", "aab", "", "xaayb"};
    std::string out;
    const std::size_t depth = 1 + below(5);
    for (std::size_t index = 0; index < depth; ++index) {
      out += '/' + pick(texts);
    }
    return below(4) == 0 ? out + '/' : out;
  }

  Strings make_methods() {
    Strings methods;
    for (const char* name : {"GET", "POST", "HEAD", "", "LINK"}) {
      if (below(3) == 0) {
        methods.emplace_back(name);
      }
    }
    return methods;
  }

 private:
  std::mt19937 engine_;
};

std::size_t own_operation(const Strings& methods, const std::string& method) {
  const auto find = [&](const std::string& name) {
    return static_cast<std::size_t>(std::find(methods.begin(), methods.end(), name) - methods.begin());
  };
  if (method == "CONNECT") {
    return methods.size();
  }
  if (find(method) < methods.size()) {
    return find(method);
  }
  if (method == "HEAD" && find("GET") < methods.size()) {
    return find("GET");
  }
  return find("");
}

void compare_once(const Router& router, const Reference& reference, const std::vector<RouteInput>& routes,
                  const std::string& text, const std::string& method) {
  SCOPED_TRACE(method + ' ' + text);
  const auto path = http::CanonicalPath::parse(text);
  ASSERT_TRUE(path);
  const auto candidates = reference.candidates(text);
  const auto winner = std::find_if(candidates.begin(), candidates.end(), [&](const Candidate& candidate) {
    const Strings& methods = routes[candidate.route].methods;
    return own_operation(methods, method) < methods.size();
  });
  const Match match = router.match(http::parse_method(method), method, *path);
  if (winner == candidates.end()) {
    ASSERT_EQ(match.outcome,
              candidates.empty() ? Match::Outcome::not_found : Match::Outcome::method_not_allowed);
    return;
  }
  ASSERT_EQ(match.outcome, Match::Outcome::found);
  ASSERT_EQ(routes[match.route].path_template.text, routes[winner->route].path_template.text);
  EXPECT_EQ(match.operation, own_operation(routes[match.route].methods, method));
  Strings values;
  for (const auto& capture : router.capture(match.route, *path)) {
    values.push_back(capture.value);
  }
  EXPECT_EQ(values, winner->values) << routes[match.route].path_template.text;
}

TEST(RoutingRandom, AgreesWithTheRulesTakenLiterally) {
  std::size_t found = 0;
  for (unsigned seed = 1; seed <= 250; ++seed) {
    Generator generator(seed);
    std::set<std::string> seen;
    std::vector<RouteInput> routes;
    const std::size_t count = 1 + generator.below(25);
    for (std::size_t index = 0; index < count; ++index) {
      const std::string text = generator.make_template();
      auto parsed = spec::parse_path_template(text);
      if (parsed && seen.insert(text).second) {
        routes.push_back({*parsed, generator.make_methods()});
      }
    }
    const bool ignore = seed % 3 != 0;
    const auto router = Router::build(routes, ignore);
    const Reference reference(routes, ignore);
    for (int request = 0; request < 120; ++request) {
      static const Strings methods{"GET", "POST", "HEAD", "LINK", "PUT", "CONNECT"};
      const std::string path = generator.make_path();
      const std::string& method = generator.pick(methods);
      SCOPED_TRACE("seed " + std::to_string(seed));
      compare_once(*router, reference, routes, path, method);
      if (testing::Test::HasFatalFailure()) {
        std::string list;
        for (const RouteInput& route : routes) {
          list += route.path_template.text + '\n';
        }
        FAIL() << list;
      }
      found += reference.candidates(path).empty() ? 0 : 1;
    }
    for (const auto& [winner, loser] : router->shadowed()) {
      // What is called shadowed is never chosen, whatever comes.
      for (int request = 0; request < 300; ++request) {
        const auto path = http::CanonicalPath::parse(generator.make_path());
        for (const char* method : {"GET", "POST", "HEAD", "LINK", "PUT"}) {
          const Match match = router->match(http::parse_method(method), method, *path);
          EXPECT_FALSE(match.outcome == Match::Outcome::found && match.route == loser)
              << routes[winner].path_template.text << " does not hide " << routes[loser].path_template.text
              << " at " << path->text();
        }
      }
    }
  }
  EXPECT_GT(found, 3000U);
}

}  // namespace
}  // namespace sluice::gateway
