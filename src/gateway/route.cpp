#include "gateway/route.hpp"

#include <algorithm>

#include "sluice/http/message.hpp"

namespace sluice::gateway::routing {
namespace {

/// Stands for "any text of one character or more" where a template is held against another one; no segment
/// of a real path contains it (NUL is refused).
constexpr std::string_view any_text("\0", 1);

std::size_t method_index(http::Method method) noexcept {
  return static_cast<std::size_t>(method);
}

/// Bytes of the character (UTF-8) that begins at `at`; whole bytes where the text is no UTF-8.
std::size_t character_end(std::string_view text, std::size_t at) noexcept {
  ++at;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) {
    ++at;
  }
  return at;
}

bool is_empty_literal(const Segment& segment) noexcept {
  return segment.kind == Segment::Kind::literal && literal_text(segment).empty();
}

/// A segment's text as `contains` holds it against another template.
std::string symbolic_text(const Segment& segment) {
  std::string out;
  for (const Segment::Piece& piece : segment.pieces) {
    out += piece.parameter ? any_text : std::string_view(piece.text);
  }
  return out;
}

/// Whether every text of `inner` fits `outer`; neither is greedy.
bool segment_contains(const Segment& outer, const Segment& inner) {
  switch (outer.kind) {
    case Segment::Kind::literal:
      return inner.kind == Segment::Kind::literal && literal_text(outer) == literal_text(inner);
    case Segment::Kind::partial:
      return inner.kind != Segment::Kind::greedy && match_partial(outer, symbolic_text(inner));
    case Segment::Kind::parameter:
    case Segment::Kind::greedy:
      break;
  }
  return !is_empty_literal(inner);
}

std::string_view kind_name(Segment::Kind kind) noexcept {
  switch (kind) {
    case Segment::Kind::literal:
      return "literal";
    case Segment::Kind::partial:
      return "partly literal";
    case Segment::Kind::parameter:
      return "a parameter";
    case Segment::Kind::greedy:
      break;
  }
  return "greedy";
}

std::string_view class_name(RouteClass route_class) noexcept {
  switch (route_class) {
    case RouteClass::literal:
      return "without parameters";
    case RouteClass::parameters:
      return "with parameters, none greedy,";
    case RouteClass::greedy:
      break;
  }
  return "with a greedy parameter";
}

void tell(std::string* rule, std::string text) {
  if (rule != nullptr) {
    *rule = std::move(text);
  }
}

}  // namespace

Route::Route(RouteInput input) : input_(std::move(input)) {
  const auto& segments = input_.path_template.segments;
  size_ = segments.size();
  // "//" is no "/" with a slash too many: its first segment is empty as well.
  if (size_ >= 2 && is_empty_literal(segments.back()) &&
      !(size_ == 2 && is_empty_literal(segments.front()))) {
    trailing_slash_ = true;
    --size_;
  }
  bool literal_so_far = true;
  for (std::size_t index = 0; index < size_; ++index) {
    const Segment::Kind kind = segments[index].kind;
    literal_so_far = literal_so_far && kind == Segment::Kind::literal;
    literal_prefix_ += literal_so_far ? 1 : 0;
    has_partial_ = has_partial_ || kind == Segment::Kind::partial;
    if (kind == Segment::Kind::greedy && greedy_at_ == no_index) {
      greedy_at_ = index;
    }
  }
  if (greedy_at_ != no_index) {
    class_ = RouteClass::greedy;
  } else if (literal_prefix_ != size_) {
    class_ = RouteClass::parameters;
  }

  std::array<std::int32_t, method_count> own{};
  own.fill(-1);
  for (std::size_t index = 0; index < input_.methods.size(); ++index) {
    const std::string& name = input_.methods[index];
    if (name.empty()) {
      any_ = static_cast<std::int32_t>(index);
    } else if (const http::Method method = http::parse_method(name); method != http::Method::extension) {
      own.at(method_index(method)) = static_cast<std::int32_t>(index);
    }
  }
  const std::int32_t get = own.at(method_index(http::Method::get));
  for (std::size_t method = 0; method < method_count; ++method) {
    operations_.at(method) = own.at(method) >= 0 ? own.at(method) : any_;
  }
  if (own.at(method_index(http::Method::head)) < 0 && get >= 0) {
    operations_.at(method_index(http::Method::head)) = get;
    head_from_get_ = true;
  }
  operations_.at(method_index(http::Method::connect)) = -1;
}

std::size_t Route::operation(http::Method method, std::string_view method_text) const noexcept {
  std::int32_t found = any_;
  if (method != http::Method::extension) {
    found = operations_[method_index(method)];
  } else {
    for (std::size_t index = 0; index < input_.methods.size(); ++index) {
      if (input_.methods[index] == method_text) {
        return index;
      }
    }
  }
  return found < 0 ? no_index : static_cast<std::size_t>(found);
}

bool Route::covers_methods(const Route& other) const noexcept {
  return std::all_of(other.methods().begin(), other.methods().end(), [&](const std::string& name) {
    return name.empty() ? any_ >= 0 : operation(http::parse_method(name), name) != no_index;
  });
}

PathView::PathView(const http::CanonicalPath& its_path) noexcept
    : path(its_path),
      trailing_slash(its_path.size() >= 2 && its_path.segment(its_path.size() - 1).empty() &&
                     !(its_path.size() == 2 && its_path.segment(0).empty())),
      size(its_path.size() - (trailing_slash ? 1 : 0)) {}

std::string_view literal_text(const Segment& segment) noexcept {
  return segment.pieces.empty() ? std::string_view() : std::string_view(segment.pieces.front().text);
}

bool match_partial(const Segment& segment, std::string_view text, std::vector<std::string_view>* captures) {
  std::size_t at = 0;
  for (std::size_t index = 0; index < segment.pieces.size(); ++index) {
    const Segment::Piece& piece = segment.pieces[index];
    const bool last = index + 1 == segment.pieces.size();
    if (!piece.parameter) {
      // A literal behind a parameter was found with it.
      if (!text.substr(at).starts_with(piece.text)) {
        return false;
      }
      at += piece.text.size();
      if (last && at != text.size()) {
        return false;
      }
      continue;
    }
    if (at >= text.size()) {
      return false;
    }
    std::size_t end = text.size();
    if (!last) {
      const Segment::Piece& next = segment.pieces[index + 1];
      const std::size_t from = character_end(text, at);
      if (next.parameter) {
        end = from;
      } else if (index + 2 == segment.pieces.size()) {
        // The last literal stands at the end, wherever else its text occurs.
        if (text.size() < from + next.text.size() || !text.ends_with(next.text)) {
          return false;
        }
        end = text.size() - next.text.size();
      } else {
        end = text.find(next.text, from);
        if (end == std::string_view::npos) {
          return false;
        }
      }
    }
    if (captures != nullptr) {
      captures->push_back(text.substr(at, end - at));
    }
    at = end;
  }
  return at == text.size();
}

bool match_segment(const Segment& segment, std::string_view text) {
  switch (segment.kind) {
    case Segment::Kind::literal:
      return literal_text(segment) == text;
    case Segment::Kind::partial:
      return match_partial(segment, text);
    case Segment::Kind::parameter:
    case Segment::Kind::greedy:
      break;
  }
  return !text.empty();
}

bool match_prefix(const Route& route, const http::CanonicalPath& path, std::size_t count) {
  if (route.route_class() != RouteClass::greedy ? count != route.size() : count < route.size()) {
    return false;
  }
  const std::size_t more = count - route.size();
  for (std::size_t index = 0; index < route.size(); ++index) {
    const std::size_t at = index > route.greedy_at() ? index + more : index;
    if (!match_segment(route.segment(index), path.segment(at))) {
      return false;
    }
  }
  return true;
}

bool match_partials(const Route& route, const http::CanonicalPath& path) {
  for (std::size_t index = 0; index < route.size(); ++index) {
    const Segment& segment = route.segment(index);
    if (segment.kind == Segment::Kind::partial && !match_partial(segment, path.segment(index))) {
      return false;
    }
  }
  return true;
}

Fit fit(const Route& route, const PathView& view, bool ignore_trailing_slashes, std::size_t* used) {
  const auto result = [&](Fit how, std::size_t count) {
    if (used != nullptr) {
      *used = count;
    }
    return how;
  };
  // A greedy parameter may take the final slash itself: then nothing was ignored.
  if (route.route_class() == RouteClass::greedy && !route.trailing_slash() && view.trailing_slash &&
      match_prefix(route, view.path, view.path.size())) {
    return result(Fit::exact, view.path.size());
  }
  const bool exact = route.trailing_slash() == view.trailing_slash;
  if ((!exact && !ignore_trailing_slashes) || !match_prefix(route, view.path, view.size)) {
    return Fit::none;
  }
  return result(exact ? Fit::exact : Fit::lenient, view.size);
}

int compare(const Route& left, Fit left_fit, const Route& right, Fit right_fit, std::string* rule) {
  const auto before = [](auto one, auto two) { return one < two ? -1 : 1; };
  if (left.route_class() != right.route_class()) {
    const Route& first = left.route_class() < right.route_class() ? left : right;
    const Route& second = left.route_class() < right.route_class() ? right : left;
    tell(rule, "a template " + std::string(class_name(first.route_class())) + " comes before one " +
                   std::string(class_name(second.route_class())));
    return before(left.route_class(), right.route_class());
  }
  if (left.route_class() == RouteClass::parameters) {
    for (std::size_t index = 0; index < std::min(left.size(), right.size()); ++index) {
      const Segment::Kind one = left.segment(index).kind;
      const Segment::Kind two = right.segment(index).kind;
      if (one != two) {
        tell(rule, "segment " + std::to_string(index + 1) +
                       " decides: " + std::string(kind_name(std::min(one, two))) + " comes before " +
                       std::string(kind_name(std::max(one, two))));
        return before(one, two);
      }
    }
  }
  if (left.route_class() == RouteClass::greedy && left.order_length() != right.order_length()) {
    tell(rule, "the longer template comes first");
    return before(right.order_length(), left.order_length());
  }
  if (left_fit != right_fit) {
    tell(rule, "the one whose final slash is as the path's comes first");
    return before(right_fit, left_fit);
  }
  if (left.route_class() != RouteClass::literal && left.text().size() != right.text().size()) {
    tell(rule, "the longer template comes first");
    return before(right.text().size(), left.text().size());
  }
  tell(rule, "the one that stands first in the document comes first");
  return 0;
}

bool contains(const Route& outer, const Route& inner) {
  if (outer.route_class() != RouteClass::greedy) {
    if (inner.route_class() == RouteClass::greedy || outer.size() != inner.size()) {
      return false;
    }
    for (std::size_t index = 0; index < outer.size(); ++index) {
      if (!segment_contains(outer.segment(index), inner.segment(index))) {
        return false;
      }
    }
    return true;
  }
  const std::size_t head = outer.greedy_at();
  const std::size_t tail = outer.size() - head - 1;
  if (inner.size() < outer.size() || is_empty_literal(inner.segment(head))) {
    return false;
  }
  // What stands fixed in `outer` must meet something fixed in `inner`.
  if (inner.route_class() == RouteClass::greedy &&
      (inner.greedy_at() < head || inner.size() - inner.greedy_at() - 1 < tail)) {
    return false;
  }
  for (std::size_t index = 0; index < head; ++index) {
    if (!segment_contains(outer.segment(index), inner.segment(index))) {
      return false;
    }
  }
  for (std::size_t back = 1; back <= tail; ++back) {
    if (!segment_contains(outer.segment(outer.size() - back), inner.segment(inner.size() - back))) {
      return false;
    }
  }
  return true;
}

bool same_shape(const Route& left, const Route& right) {
  if (left.size() != right.size() || left.trailing_slash() != right.trailing_slash()) {
    return false;
  }
  for (std::size_t index = 0; index < left.size(); ++index) {
    const Segment& one = left.segment(index);
    const Segment& two = right.segment(index);
    if (one.kind != two.kind || symbolic_text(one) != symbolic_text(two)) {
      return false;
    }
  }
  return true;
}

}  // namespace sluice::gateway::routing
