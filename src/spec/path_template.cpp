#include <algorithm>
#include <utility>

#include "sluice/base/codec.hpp"
#include "sluice/spec/api.hpp"

namespace sluice::spec {
namespace {

using Kind = TemplateSegment::Kind;

/// A parameter between braces: "name" or "name+".
struct Braces {
  std::string name;
  bool greedy = false;
};

Result<Braces> parse_braces(std::string_view inside) {
  Braces braces;
  if (!inside.empty() && inside.back() == '+') {
    braces.greedy = true;
    inside.remove_suffix(1);
  }
  if (inside.empty()) {
    return config_error("a parameter without a name");
  }
  if (inside.find('+') != std::string_view::npos) {
    return config_error("the + of a greedy parameter stands before its closing brace");
  }
  braces.name = std::string(inside);
  return braces;
}

Result<TemplateSegment> parse_segment(std::string_view text) {
  TemplateSegment segment;
  std::string literal;
  const auto end_literal = [&] {
    if (!literal.empty()) {
      segment.pieces.push_back({false, std::move(literal)});
      literal.clear();
    }
  };
  bool greedy = false;
  std::size_t at = 0;
  while (at < text.size()) {
    if (text[at] == '}') {
      return config_error("a } without its {");
    }
    if (text[at] != '{') {
      const std::size_t end = std::min(text.find_first_of("{}", at), text.size());
      const std::string_view written = text.substr(at, end - at);
      if (written.find_first_of("?#") != std::string_view::npos) {
        return config_error("a path holds no query (?) and no fragment (#)");
      }
      const std::optional<std::string> decoded = percent_decode(written);
      if (!decoded || decoded->find('\0') != std::string::npos) {
        return config_error("a % without two hex digits (or %00)");
      }
      literal += *decoded;
      at = end;
      continue;
    }
    const std::size_t end = text.find_first_of("{}", at + 1);
    if (end == std::string_view::npos || text[end] == '{') {
      return config_error("a { without its }");
    }
    Result<Braces> braces = parse_braces(text.substr(at + 1, end - at - 1));
    if (!braces) {
      return braces.error();
    }
    end_literal();
    if (!segment.pieces.empty() && segment.pieces.back().parameter) {
      return config_error("two parameters with nothing between them");
    }
    segment.pieces.push_back({true, std::move(braces->name)});
    greedy = greedy || braces->greedy;
    at = end + 1;
  }
  end_literal();
  if (segment.pieces.empty()) {
    segment.pieces.push_back({false, {}});
  }
  if (greedy && segment.pieces.size() != 1) {
    return config_error("a greedy parameter must be a whole segment");
  }
  if (segment.pieces.size() > 1) {
    segment.kind = Kind::partial;
  } else if (greedy) {
    segment.kind = Kind::greedy;
  } else {
    segment.kind = segment.pieces.front().parameter ? Kind::parameter : Kind::literal;
  }
  return segment;
}

}  // namespace

Result<PathTemplate> parse_path_template(std::string_view text) {
  if (text.empty() || text.front() != '/') {
    return config_error("a path begins with /");
  }
  PathTemplate parsed;
  parsed.text = std::string(text);
  std::string_view rest = text.substr(1);
  bool greedy = false;
  while (true) {
    const std::size_t end = std::min(rest.find('/'), rest.size());
    Result<TemplateSegment> segment = parse_segment(rest.substr(0, end));
    if (!segment) {
      return segment.error();
    }
    if (segment->kind == Kind::literal &&
        (segment->pieces.front().text == "." || segment->pieces.front().text == "..")) {
      return config_error("no request has a . or .. segment: they are resolved before routing");
    }
    if (segment->kind == Kind::greedy && std::exchange(greedy, true)) {
      return config_error("two greedy parameters");
    }
    parsed.segments.push_back(std::move(*segment));
    if (end == rest.size()) {
      break;
    }
    rest.remove_prefix(end + 1);
  }
  std::vector<std::string> names = parsed.parameter_names();
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    return config_error("the parameter " + *twice + " stands twice");
  }
  return parsed;
}

bool PathTemplate::has_parameters() const noexcept {
  return std::any_of(segments.begin(), segments.end(),
                     [](const TemplateSegment& segment) { return segment.kind != Kind::literal; });
}

bool PathTemplate::is_greedy() const noexcept {
  return std::any_of(segments.begin(), segments.end(),
                     [](const TemplateSegment& segment) { return segment.kind == Kind::greedy; });
}

std::vector<std::string> PathTemplate::parameter_names() const {
  std::vector<std::string> names;
  for (const TemplateSegment& segment : segments) {
    for (const TemplateSegment::Piece& piece : segment.pieces) {
      if (piece.parameter) {
        names.push_back(piece.text);
      }
    }
  }
  return names;
}

}  // namespace sluice::spec
