// Routes that look alike, and routes that no request can reach: spec.md section 2 says who goes first.
#include <algorithm>
#include <map>

#include "spec/checks.hpp"

namespace sluice::spec {
namespace {

using Kind = TemplateSegment::Kind;

/// Equal for templates that differ in the names of their parameters only.
std::string shape_of(const PathTemplate& path) {
  std::string shape;
  for (const TemplateSegment& segment : path.segments) {
    shape += '/';
    for (const TemplateSegment::Piece& piece : segment.pieces) {
      if (!piece.parameter) {
        shape += piece.text;
      } else {
        shape += segment.kind == Kind::greedy ? std::string_view("\0+", 2) : std::string_view("\0", 1);
      }
    }
  }
  return shape;
}

/// Whether `wide` matches every segment that `narrow` matches; conservative: false when in doubt.
bool covers(const TemplateSegment& wide, const TemplateSegment& narrow) {
  if (wide.kind == Kind::literal) {
    return narrow.kind == Kind::literal && wide.pieces.front().text == narrow.pieces.front().text;
  }
  if (wide.kind == Kind::parameter) {
    return narrow.kind != Kind::greedy &&
           (narrow.kind != Kind::literal || !narrow.pieces.front().text.empty());
  }
  return false;
}

std::size_t greedy_at(const PathTemplate& path) {
  const auto found =
      std::find_if(path.segments.begin(), path.segments.end(),
                   [](const TemplateSegment& segment) { return segment.kind == Kind::greedy; });
  return static_cast<std::size_t>(found - path.segments.begin());
}

/// Both are greedy.
bool covers(const PathTemplate& wide, const PathTemplate& narrow) {
  const std::size_t wide_head = greedy_at(wide);
  const std::size_t narrow_head = greedy_at(narrow);
  const std::size_t wide_tail = wide.segments.size() - wide_head - 1;
  const std::size_t narrow_tail = narrow.segments.size() - narrow_head - 1;
  if (wide_head > narrow_head || wide_tail > narrow_tail) {
    return false;
  }
  for (std::size_t at = 0; at < wide_head; ++at) {
    if (!covers(wide.segments[at], narrow.segments[at])) {
      return false;
    }
  }
  for (std::size_t at = 1; at <= wide_tail; ++at) {
    if (!covers(wide.segments[wide.segments.size() - at], narrow.segments[narrow.segments.size() - at])) {
      return false;
    }
  }
  return true;
}

bool has_method(const Path& path, std::string_view method) {
  return std::any_of(path.operations.begin(), path.operations.end(),
                     [&](const Operation& operation) { return operation.method == method; });
}

/// The methods of `hidden` that `first` has as well, as a list for people.
std::string common_methods(const Path& first, const Path& hidden) {
  std::string methods;
  for (const Operation& operation : hidden.operations) {
    if (has_method(first, "") || has_method(first, operation.method)) {
      methods += (methods.empty() ? "" : ", ") + (operation.method.empty() ? "any method" : operation.method);
    }
  }
  return methods;
}

std::string line_of(const Checking& checking, const Mark& mark) {
  const Place place = checking.document.place(mark);
  return place.file + ':' + std::to_string(place.line);
}

}  // namespace

void check_routes(Checking& checking, const std::vector<Path>& paths,
                  const std::vector<PathTemplate>& templates) {
  std::map<std::string, std::size_t> shapes;
  std::vector<std::size_t> greedy;
  for (std::size_t at = 0; at < paths.size(); ++at) {
    if (templates[at].segments.empty()) {
      continue;  // a mistake, reported
    }
    const auto [entry, fresh] = shapes.emplace(shape_of(templates[at]), at);
    if (!fresh) {
      const Path& before = paths[entry->second];
      checking.warning(paths[at].mark, "ambiguous-template",
                       paths[at].template_text + " differs from " + before.template_text + " (" +
                           line_of(checking, before.mark) + ") in the names of its parameters only",
                       "put their operations under one path");
    } else if (templates[at].is_greedy()) {
      greedy.push_back(at);
    }
  }
  // Of two greedy templates the longer text goes first, in a tie the earlier.
  std::sort(greedy.begin(), greedy.end(), [&](std::size_t left, std::size_t right) {
    const std::size_t left_size = paths[left].template_text.size();
    const std::size_t right_size = paths[right].template_text.size();
    return left_size != right_size ? left_size > right_size : left < right;
  });
  constexpr std::size_t most = 1000;
  for (std::size_t later = 1; later < std::min(greedy.size(), most); ++later) {
    for (std::size_t first = 0; first < later; ++first) {
      const Path& hidden = paths[greedy[later]];
      const Path& winner = paths[greedy[first]];
      if (!covers(templates[greedy[first]], templates[greedy[later]])) {
        continue;
      }
      const std::string methods = common_methods(winner, hidden);
      if (!methods.empty()) {
        checking.warning(hidden.mark, "shadowed-route",
                         "no request reaches " + hidden.template_text + " (" + methods +
                             "): " + winner.template_text + " (" + line_of(checking, winner.mark) +
                             ") matches all of its paths and goes first, as its text is longer",
                         "shorten the name of the greedy parameter of the wider template");
        break;
      }
    }
  }
}

}  // namespace sluice::spec
