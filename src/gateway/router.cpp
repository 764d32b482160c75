#include "sluice/gateway/router.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "sluice/base/codec.hpp"

#include "gateway/route.hpp"
#include "gateway/segment_table.hpp"

namespace sluice::gateway {
namespace {

using routing::Fit;
using routing::fit;
using routing::no_index;
using routing::PathView;
using routing::Route;
using routing::RouteClass;
using routing::Segment;
using routing::SegmentTable;

/// A list of routes inside one vector of all lists.
struct Range {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

/// A node of the tree of templates with parameters. An edge is a literal segment (SegmentTable), a partly
/// literal one whatever its pattern, or a parameter; so the first leaf found, trying edges in that order, is
/// the first by the segment rule, and the patterns are checked at the leaf.
struct TreeNode {
  std::uint32_t partial = 0;  ///< 0: none (the root is nobody's child)
  std::uint32_t parameter = 0;
  Range leaves;  ///< templates that end here, the longer first
  Range greedy;  ///< greedy templates whose literal prefix ends here, the longer first
};

class IndexedRouter final : public Router {
 public:
  IndexedRouter(std::vector<RouteInput> inputs, bool ignore_trailing_slashes)
      : ignore_slashes_(ignore_trailing_slashes) {
    routes_.reserve(inputs.size());
    for (RouteInput& input : inputs) {
      routes_.emplace_back(std::move(input));
    }
    index();
  }

  [[nodiscard]] Match match(http::Method method, std::string_view method_text,
                            const http::CanonicalPath& path) const override {
    Match match;
    visit(path, [&](std::size_t route) {
      const std::size_t operation = routes_[route].operation(method, method_text);
      if (operation == no_index) {
        match.outcome = Match::Outcome::method_not_allowed;
        return false;
      }
      match.outcome = Match::Outcome::found;
      match.route = route;
      match.operation = operation;
      match.head_from_get = method == http::Method::head && routes_[route].head_from_get();
      return true;
    });
    return match;
  }

  [[nodiscard]] std::string allow(const http::CanonicalPath& path) const override {
    std::array<bool, routing::method_count> known{};
    std::vector<std::string_view> extensions;
    visit(path, [&](std::size_t at) {
      const Route& route = routes_[at];
      for (std::size_t method = 0; method < known.size(); ++method) {
        known[method] = known[method] || route.operation(static_cast<http::Method>(method), {}) != no_index;
      }
      for (const std::string& name : route.methods()) {
        if (!name.empty() && http::parse_method(name) == http::Method::extension) {
          extensions.emplace_back(name);
        }
      }
      return false;
    });
    std::string out;
    const auto add = [&](std::string_view name) {
      out += out.empty() ? "" : ", ";
      out += name;
    };
    for (std::size_t method = 0; method < known.size(); ++method) {
      if (known[method]) {
        add(http::method_name(static_cast<http::Method>(method)));
      }
    }
    std::sort(extensions.begin(), extensions.end());
    extensions.erase(std::unique(extensions.begin(), extensions.end()), extensions.end());
    for (const std::string_view name : extensions) {
      add(name);
    }
    return out;
  }

  [[nodiscard]] std::vector<parameters::PathCapture> capture(std::size_t index,
                                                             const http::CanonicalPath& path) const override;
  [[nodiscard]] std::vector<std::size_t> order() const override;
  [[nodiscard]] std::vector<RouteVerdict> explain(http::Method method, std::string_view method_text,
                                                  const http::CanonicalPath& path) const override;
  [[nodiscard]] std::vector<std::pair<std::size_t, std::size_t>> shadowed() const override;

 private:
  void index();
  void index_literals();
  void index_tree();
  std::uint32_t child(std::uint32_t node, const Segment& segment);
  Range store(std::vector<std::uint32_t>& list);

  /// Calls `visitor(route)` for the templates that fit the path, in their order, until it returns true.
  template <class Visitor>
  void visit(const http::CanonicalPath& path, const Visitor& visitor) const {
    const PathView view(path);
    std::string_view key = path.text();
    if (view.trailing_slash) {
      key.remove_suffix(1);
    }
    if (const std::uint32_t found = literals_.find(0, key); found != SegmentTable::none) {
      if (visit_list(view, literal_lists_[found], false, visitor)) {
        return;
      }
    }
    if (has_parameters_ && visit_tree(view, 0, 0, visitor)) {
      return;
    }
    if (has_greedy_) {
      visit_greedy(view, visitor);
    }
  }

  /// First those whose final slash is as the path's, then, where it does not count, the others.
  template <class Visitor>
  [[nodiscard]] bool visit_list(const PathView& view, Range list, bool check, const Visitor& visitor) const {
    for (const bool exact : {true, false}) {
      for (std::uint32_t at = list.begin; at < list.end; ++at) {
        const Route& route = routes_[lists_[at]];
        if ((route.trailing_slash() == view.trailing_slash) == exact &&
            (!check || !route.has_partial() || routing::match_partials(route, view.path)) &&
            visitor(lists_[at])) {
          return true;
        }
      }
      if (!ignore_slashes_) {
        break;
      }
    }
    return false;
  }

  template <class Visitor>
  [[nodiscard]] bool visit_tree(const PathView& view, std::uint32_t at, std::size_t depth,
                                const Visitor& visitor) const {
    const TreeNode& node = nodes_[at];
    if (depth == view.size) {
      return visit_list(view, node.leaves, true, visitor);
    }
    const std::string_view text = view.path.segment(depth);
    if (const std::uint32_t next = edges_.find(at, text);
        next != SegmentTable::none && visit_tree(view, next, depth + 1, visitor)) {
      return true;
    }
    if (text.empty()) {
      return false;
    }
    return (node.partial != 0 && visit_tree(view, node.partial, depth + 1, visitor)) ||
           (node.parameter != 0 && visit_tree(view, node.parameter, depth + 1, visitor));
  }

  /// The greedy templates lie along the path's literal way through the tree. Their order is by length over
  /// all of these lists, so the best one that was not yet visited is looked for until the visitor is content.
  template <class Visitor>
  void visit_greedy(const PathView& view, const Visitor& visitor) const {
    std::size_t last = no_index;
    Fit last_fit = Fit::none;
    for (;;) {
      std::size_t best = no_index;
      Fit best_fit = Fit::none;
      std::uint32_t node = 0;
      for (std::size_t depth = 0;; ++depth) {
        const Range list = nodes_[node].greedy;
        for (std::uint32_t at = list.begin; at < list.end; ++at) {
          const std::size_t candidate = lists_[at];
          if (best != no_index && routes_[candidate].order_length() < routes_[best].order_length()) {
            break;
          }
          const Fit how = fit(routes_[candidate], view, ignore_slashes_);
          if (how != Fit::none && (last == no_index || comes_before(last, last_fit, candidate, how)) &&
              (best == no_index || comes_before(candidate, how, best, best_fit))) {
            best = candidate;
            best_fit = how;
          }
        }
        if (depth == view.size) {
          break;
        }
        node = edges_.find(node, view.path.segment(depth));
        if (node == SegmentTable::none) {
          break;
        }
      }
      if (best == no_index || visitor(best)) {
        return;
      }
      last = best;
      last_fit = best_fit;
    }
  }

  [[nodiscard]] bool comes_before(std::size_t left, Fit left_fit, std::size_t right, Fit right_fit) const {
    const int order = routing::compare(routes_[left], left_fit, routes_[right], right_fit);
    return order != 0 ? order < 0 : left < right;
  }

  bool ignore_slashes_;
  bool has_parameters_ = false;
  bool has_greedy_ = false;
  std::vector<Route> routes_;
  std::vector<std::uint32_t> lists_;
  SegmentTable literals_;  ///< canonical text without final slash → literal_lists_
  std::vector<Range> literal_lists_;
  SegmentTable edges_;  ///< (node, literal segment) → node
  std::vector<TreeNode> nodes_;
};

Range IndexedRouter::store(std::vector<std::uint32_t>& list) {
  const auto begin = static_cast<std::uint32_t>(lists_.size());
  lists_.insert(lists_.end(), list.begin(), list.end());
  return {begin, static_cast<std::uint32_t>(lists_.size())};
}

void IndexedRouter::index() {
  index_literals();
  index_tree();
}

void IndexedRouter::index_literals() {
  std::vector<std::vector<std::uint32_t>> lists;
  for (std::uint32_t at = 0; at < routes_.size(); ++at) {
    const Route& route = routes_[at];
    if (route.route_class() != RouteClass::literal) {
      continue;
    }
    std::string key;
    for (std::size_t index = 0; index < route.size(); ++index) {
      key.push_back('/');
      append_percent_encoded(key, routing::literal_text(route.segment(index)), PercentSet::pchar);
    }
    const std::uint32_t list = literals_.insert(0, key, static_cast<std::uint32_t>(lists.size()));
    if (list == lists.size()) {
      lists.emplace_back();
    }
    lists[list].push_back(at);
  }
  for (std::vector<std::uint32_t>& list : lists) {
    literal_lists_.push_back(store(list));
  }
}

std::uint32_t IndexedRouter::child(std::uint32_t node, const Segment& segment) {
  const auto fresh = static_cast<std::uint32_t>(nodes_.size());
  std::uint32_t found = 0;
  if (segment.kind == Segment::Kind::literal) {
    found = edges_.insert(node, routing::literal_text(segment), fresh);
  } else {
    std::uint32_t& edge =
        segment.kind == Segment::Kind::partial ? nodes_[node].partial : nodes_[node].parameter;
    found = edge == 0 ? (edge = fresh) : edge;
  }
  if (found == fresh) {
    nodes_.emplace_back();
  }
  return found;
}

void IndexedRouter::index_tree() {
  nodes_.emplace_back();
  std::vector<std::vector<std::uint32_t>> leaves;
  std::vector<std::vector<std::uint32_t>> greedy;
  for (std::uint32_t at = 0; at < routes_.size(); ++at) {
    const Route& route = routes_[at];
    if (route.route_class() == RouteClass::literal) {
      continue;
    }
    const bool is_greedy = route.route_class() == RouteClass::greedy;
    (is_greedy ? has_greedy_ : has_parameters_) = true;
    std::uint32_t node = 0;
    for (std::size_t index = 0; index < (is_greedy ? route.literal_prefix() : route.size()); ++index) {
      node = child(node, route.segment(index));
    }
    leaves.resize(nodes_.size());
    greedy.resize(nodes_.size());
    (is_greedy ? greedy : leaves)[node].push_back(at);
  }
  leaves.resize(nodes_.size());
  greedy.resize(nodes_.size());
  for (std::size_t node = 0; node < nodes_.size(); ++node) {
    const auto longer_first = [&](std::size_t (*length)(const Route&)) {
      return [this, length](std::uint32_t one, std::uint32_t two) {
        const std::size_t left = length(routes_[one]);
        const std::size_t right = length(routes_[two]);
        return left != right ? left > right : one < two;
      };
    };
    std::sort(leaves[node].begin(), leaves[node].end(),
              longer_first([](const Route& route) { return route.text().size(); }));
    std::sort(greedy[node].begin(), greedy[node].end(),
              longer_first([](const Route& route) { return route.order_length(); }));
    nodes_[node].leaves = store(leaves[node]);
    nodes_[node].greedy = store(greedy[node]);
  }
}

std::vector<parameters::PathCapture> IndexedRouter::capture(std::size_t index,
                                                            const http::CanonicalPath& path) const {
  std::vector<parameters::PathCapture> captures;
  const Route& route = routes_[index];
  std::size_t used = 0;
  if (route.route_class() == RouteClass::literal ||
      fit(route, PathView(path), ignore_slashes_, &used) == Fit::none) {
    return captures;
  }
  std::size_t at = 0;
  for (std::size_t part = 0; part < route.size(); ++part) {
    const Segment& segment = route.segment(part);
    if (segment.kind == Segment::Kind::greedy) {
      parameters::PathCapture& greedy = captures.emplace_back();
      greedy.name = segment.pieces.front().text;
      greedy.greedy = true;
      const std::size_t end = at + used - route.size() + 1;
      greedy.value = path.joined(at, end);
      for (; at < end; ++at) {
        greedy.segments.emplace_back(path.segment(at));
      }
      continue;
    }
    if (segment.kind == Segment::Kind::parameter) {
      parameters::PathCapture& whole = captures.emplace_back();
      whole.name = segment.pieces.front().text;
      whole.value = path.segment(at);
    } else if (segment.kind == Segment::Kind::partial) {
      std::vector<std::string_view> values;
      routing::match_partial(segment, path.segment(at), &values);
      std::size_t value = 0;
      for (const Segment::Piece& piece : segment.pieces) {
        if (piece.parameter) {
          parameters::PathCapture& partial = captures.emplace_back();
          partial.name = piece.text;
          partial.value = values.at(value++);
        }
      }
    }
    ++at;
  }
  return captures;
}

std::vector<std::size_t> IndexedRouter::order() const {
  std::vector<std::size_t> order(routes_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t one, std::size_t two) { return comes_before(one, Fit::exact, two, Fit::exact); });
  return order;
}

/// Why the path does not fit the template, for people.
std::string misfit(const Route& route, const PathView& view) {
  const bool greedy = route.route_class() == RouteClass::greedy;
  const auto segments = [](std::size_t count) {
    return std::to_string(count) + (count == 1 ? " segment" : " segments");
  };
  if (greedy ? view.size < route.size() : view.size != route.size()) {
    return "the path has " + segments(view.size) + ", the template " + (greedy ? "at least " : "") +
           segments(route.size());
  }
  const std::size_t more = view.size - route.size();
  for (std::size_t index = 0; index < route.size(); ++index) {
    const std::size_t at = index > route.greedy_at() ? index + more : index;
    const std::string_view text = view.path.segment(at);
    const Segment& segment = route.segment(index);
    if (routing::match_segment(segment, text)) {
      continue;
    }
    std::string out = "segment " + std::to_string(at + 1) + " is ";
    out += text.empty() ? "empty" : '"' + std::string(text) + '"';
    switch (segment.kind) {
      case Segment::Kind::literal:
        return out + ", the template wants \"" + std::string(routing::literal_text(segment)) + '"';
      case Segment::Kind::partial:
        out += ", which does not fit \"";
        for (const Segment::Piece& piece : segment.pieces) {
          out += piece.parameter ? '{' + piece.text + '}' : piece.text;
        }
        return out + '"';
      case Segment::Kind::parameter:
      case Segment::Kind::greedy:
        return out + ", and {" + segment.pieces.front().text + "} needs a value";
    }
  }
  return view.trailing_slash
             ? "the path ends in a slash, the template does not (ignoreTrailingSlashes is false)"
             : "the template ends in a slash, the path does not (ignoreTrailingSlashes is false)";
}

std::string method_list(const Route& route) {
  std::string out;
  for (const std::string& name : route.methods()) {
    out += out.empty() ? "" : ", ";
    out += name.empty() ? "any other method" : name;
  }
  return out.empty() ? "none" : out;
}

std::vector<RouteVerdict> IndexedRouter::explain(http::Method method, std::string_view method_text,
                                                 const http::CanonicalPath& path) const {
  const Match found = match(method, method_text, path);
  const PathView view(path);
  std::vector<RouteVerdict> verdicts;
  for (const std::size_t index : order()) {
    const Route& route = routes_[index];
    RouteVerdict& verdict = verdicts.emplace_back();
    verdict.route = index;
    const Fit how = fit(route, view, ignore_slashes_);
    verdict.path_matches = how != Fit::none;
    verdict.method_matches = route.operation(method, method_text) != no_index;
    verdict.chosen = found.outcome == Match::Outcome::found && found.route == index;
    if (!verdict.path_matches) {
      verdict.reason = misfit(route, view);
    } else if (!verdict.method_matches) {
      verdict.reason =
          "has no operation for " + std::string(method_text) + " (it has: " + method_list(route) + ')';
    } else if (!verdict.chosen) {
      const Route& winner = routes_[found.route];
      std::string rule;
      routing::compare(winner, fit(winner, view, ignore_slashes_), route, how, &rule);
      verdict.reason = "gives way to " + winner.text() + ": " + rule;
    } else {
      verdict.reason = how == Fit::exact ? "fits the path" : "fits the path, its final slash ignored";
      if (found.head_from_get) {
        verdict.reason += "; HEAD is answered by GET's operation";
      } else if (route.methods()[found.operation].empty()) {
        verdict.reason += "; answered by x-yc-apigateway-any-method";
      }
    }
  }
  return verdicts;
}

std::vector<std::pair<std::size_t, std::size_t>> IndexedRouter::shadowed() const {
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  // A winner that contains the loser stands in the same list (same kinds, same literals), or, greedy, in a
  // list along the loser's literal prefix.
  const auto hides = [&](std::size_t winner, std::size_t loser) {
    const Route& one = routes_[winner];
    const Route& two = routes_[loser];
    const bool longer =
        one.route_class() == RouteClass::greedy && ignore_slashes_ && one.order_length() > two.order_length();
    return winner != loser && !two.methods().empty() &&
           (longer || (one.trailing_slash() == two.trailing_slash() &&
                       comes_before(winner, Fit::exact, loser, Fit::exact))) &&
           one.covers_methods(two) && routing::contains(one, two);
  };
  const auto search = [&](Range list, std::size_t loser) {
    for (std::uint32_t at = list.begin; at < list.end; ++at) {
      if (hides(lists_[at], loser)) {
        pairs.emplace_back(lists_[at], loser);
        return true;
      }
    }
    return false;
  };
  for (const Range list : literal_lists_) {
    for (std::uint32_t at = list.begin; at < list.end; ++at) {
      search(list, lists_[at]);
    }
  }
  for (const TreeNode& node : nodes_) {
    for (std::uint32_t at = node.leaves.begin; at < node.leaves.end; ++at) {
      search(node.leaves, lists_[at]);
    }
    for (std::uint32_t at = node.greedy.begin; at < node.greedy.end; ++at) {
      const Route& loser = routes_[lists_[at]];
      std::uint32_t way = 0;
      for (std::size_t depth = 0; !search(nodes_[way].greedy, lists_[at]) && depth < loser.literal_prefix();
           ++depth) {
        way = edges_.find(way, routing::literal_text(loser.segment(depth)));
      }
    }
  }
  std::sort(pairs.begin(), pairs.end(),
            [](const auto& one, const auto& two) { return one.second < two.second; });
  return pairs;
}

}  // namespace

std::unique_ptr<const Router> Router::build(std::vector<RouteInput> routes, bool ignore_trailing_slashes) {
  return std::make_unique<IndexedRouter>(std::move(routes), ignore_trailing_slashes);
}

}  // namespace sluice::gateway
