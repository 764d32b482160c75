#include "spec/node_builder.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace sluice::spec {
namespace {

bool is_digit(char byte) noexcept {
  return byte >= '0' && byte <= '9';
}

template <std::size_t Count>
bool any_of(std::string_view text, const std::array<std::string_view, Count>& words) noexcept {
  return std::find(words.begin(), words.end(), text) != words.end();
}

std::size_t digits_at(std::string_view text, std::size_t at) noexcept {
  std::size_t count = 0;
  while (at + count < text.size() && is_digit(text[at + count])) {
    ++count;
  }
  return count;
}

/// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?; integers are the part without '.' and
/// exponent.
NodeKind number_kind(std::string_view text) noexcept {
  std::size_t at = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  const std::size_t whole = digits_at(text, at);
  at += whole;
  if (at == text.size()) {
    return whole > 0 ? NodeKind::integer : NodeKind::string;
  }
  if (text[at] == '.') {
    const std::size_t fraction = digits_at(text, at + 1);
    if (whole == 0 && fraction == 0) {
      return NodeKind::string;
    }
    at += 1 + fraction;
  } else if (whole == 0) {
    return NodeKind::string;
  }
  if (at == text.size()) {
    return NodeKind::number;
  }
  if (text[at] != 'e' && text[at] != 'E') {
    return NodeKind::string;
  }
  ++at;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) {
    ++at;
  }
  const std::size_t exponent = digits_at(text, at);
  return exponent > 0 && at + exponent == text.size() ? NodeKind::number : NodeKind::string;
}

bool is_based_integer(std::string_view text) noexcept {
  if (text.size() < 3 || text[0] != '0' || (text[1] != 'x' && text[1] != 'o')) {
    return false;
  }
  return std::all_of(text.begin() + 2, text.end(), [&](char byte) {
    if (text[1] == 'o') {
      return byte >= '0' && byte <= '7';
    }
    return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
  });
}

/// Beyond this many members a frame looks its keys up in a hash table.
constexpr std::size_t small_mapping = 12;

}  // namespace

NodeKind plain_scalar_kind(std::string_view text) noexcept {
  constexpr std::array<std::string_view, 5> nulls{"", "~", "null", "Null", "NULL"};
  constexpr std::array<std::string_view, 6> booleans{"true", "True", "TRUE", "false", "False", "FALSE"};
  constexpr std::array<std::string_view, 12> specials{".inf",  ".Inf",  ".INF",  "-.inf", "-.Inf", "-.INF",
                                                      "+.inf", "+.Inf", "+.INF", ".nan",  ".NaN",  ".NAN"};
  if (any_of(text, nulls)) {
    return NodeKind::null;
  }
  if (any_of(text, booleans)) {
    return NodeKind::boolean;
  }
  if (any_of(text, specials)) {
    return NodeKind::number;
  }
  if (is_based_integer(text)) {
    return NodeKind::integer;
  }
  return number_kind(text);
}

Mark NodeBuilder::mark(std::size_t line, std::size_t column) const noexcept {
  return {file_index_, static_cast<std::uint32_t>(line), static_cast<std::uint32_t>(column)};
}

void NodeBuilder::error(Mark mark, std::string_view rule, std::string message, std::string hint) {
  diagnostics_.error({file_name_, mark.line, mark.column}, rule, std::move(message), std::move(hint));
}

void NodeBuilder::warning(Mark mark, std::string_view rule, std::string message, std::string hint) {
  diagnostics_.warning({file_name_, mark.line, mark.column}, rule, std::move(message), std::move(hint));
}

bool NodeBuilder::wants_key() const noexcept {
  return !frames_.empty() && frames_.back().built.node->is_mapping() && !frames_.back().key_pending;
}

void NodeBuilder::count(Mark mark, std::size_t weight) {
  nodes_ += weight;
  if (nodes_ > limits_.max_nodes) {
    error(mark, "document-too-complex",
          "the document has more than " + std::to_string(limits_.max_nodes) +
              " values (aliases count as often as they are used)",
          "use fewer aliases, or split the document");
    throw StopParsing{};
  }
}

void NodeBuilder::scalar(Mark mark, NodeKind kind, std::string text, std::size_t anchor,
                         bool plain_merge_key) {
  auto node = std::make_shared<Node>();
  node->kind = kind;
  node->mark = mark;
  node->text = std::move(text);
  if (wants_key()) {
    place_key(mark, *node, plain_merge_key);
    if (anchor != 0) {
      anchors_[anchor] = {std::move(node)};
    }
    return;
  }
  count(mark, 1);
  if (kind == NodeKind::string && node->text.find("${") != std::string::npos) {
    templated_.push_back(node);
  }
  Built built{std::move(node)};
  if (anchor != 0) {
    anchors_[anchor] = built;
  }
  place(std::move(built), mark);
}

void NodeBuilder::alias(Mark mark, std::size_t anchor) {
  const auto found = anchors_.find(anchor);
  if (found == anchors_.end()) {
    error(mark, "alias-cycle", "the alias stands inside the value that it names",
          "write the inner value out, or use $ref, which may be recursive in schemas");
    scalar(mark, NodeKind::null, {});
    return;
  }
  // A copy: place() may grow the table.
  Built built = found->second;
  if (wants_key()) {
    if (built.node->is_scalar()) {
      place_key(mark, *built.node, false);
    } else {
      error(mark, "non-scalar-key", "a key must be a scalar, this alias names " + built.node->describe());
      frames_.back().key_pending = true;
      frames_.back().key_dropped = true;
    }
    return;
  }
  count(mark, built.weight);
  if (frames_.size() + built.height > limits_.max_depth) {
    error(mark, "document-too-deep",
          "values are nested deeper than " + std::to_string(limits_.max_depth) + " levels here");
    throw StopParsing{};
  }
  place(std::move(built), mark);
}

void NodeBuilder::open(Mark mark, NodeKind kind, std::size_t anchor) {
  count(mark, 1);
  if (frames_.size() >= limits_.max_depth) {
    error(mark, "document-too-deep",
          "values are nested deeper than " + std::to_string(limits_.max_depth) + " levels here");
    throw StopParsing{};
  }
  Frame frame;
  frame.is_key = wants_key();
  if (frame.is_key) {
    error(mark, "non-scalar-key", "a key must be a scalar, not a mapping or a list",
          "if this was meant as text with braces, put it in quotes");
  }
  frame.built.node = std::make_shared<Node>();
  frame.built.node->kind = kind;
  frame.built.node->mark = mark;
  frame.anchor = anchor;
  frames_.push_back(std::move(frame));
}

void NodeBuilder::start_mapping(Mark mark, std::size_t anchor) {
  open(mark, NodeKind::mapping, anchor);
}
void NodeBuilder::start_sequence(Mark mark, std::size_t anchor) {
  open(mark, NodeKind::sequence, anchor);
}
void NodeBuilder::end_sequence() {
  close();
}
void NodeBuilder::end_mapping() {
  apply_merges(frames_.back());
  close();
}

void NodeBuilder::close() {
  Frame frame = std::move(frames_.back());
  frames_.pop_back();
  if (frame.anchor != 0) {
    anchors_[frame.anchor] = frame.built;
  }
  if (frame.is_key) {
    frames_.back().key_pending = true;
    frames_.back().key_dropped = true;
    return;
  }
  const Mark mark = frame.built.node->mark;
  place(std::move(frame.built), mark);
}

void NodeBuilder::place_key(Mark mark, const Node& node, bool plain_merge_key) {
  Frame& frame = frames_.back();
  frame.key_pending = true;
  frame.key_dropped = false;
  frame.merge_pending = plain_merge_key;
  if (plain_merge_key) {
    frame.pending.mark = mark;
    return;
  }
  std::string key = node.is_null() && node.text.empty() ? "null" : node.text;
  const Mark* before = nullptr;
  const std::vector<Member>& members = frame.built.node->members;
  if (members.size() < small_mapping) {
    for (const Member& member : members) {
      if (member.key == key) {
        before = &member.mark;
      }
    }
  } else {
    if (frame.seen.empty()) {
      for (const Member& member : members) {
        frame.seen.emplace(member.key, member.mark);
      }
    }
    const auto [entry, fresh] = frame.seen.emplace(key, mark);
    if (!fresh) {
      before = &entry->second;
    }
  }
  if (before != nullptr) {
    error(mark, "repeated-key",
          "the key \"" + key + "\" stands twice in one mapping, first at line " +
              std::to_string(before->line) + ", column " + std::to_string(before->column),
          "remove or rename one of them");
    frame.key_dropped = true;
    return;
  }
  frame.pending.key = std::move(key);
  frame.pending.mark = mark;
}

void NodeBuilder::place(Built built, Mark mark) {
  if (frames_.empty()) {
    root_ = std::move(built.node);
    return;
  }
  Frame& frame = frames_.back();
  frame.built.weight += built.weight;
  frame.built.height = std::max(frame.built.height, built.height + 1);
  Node& parent = *frame.built.node;
  if (parent.is_sequence()) {
    parent.items.push_back(std::move(built.node));
    return;
  }
  frame.key_pending = false;
  if (frame.merge_pending) {
    frame.merge_pending = false;
    add_merge(frame, mark, built.node);
    return;
  }
  if (frame.key_dropped) {
    return;
  }
  if (built.node->is_null() && built.node->text.empty() && built.node.use_count() == 1) {
    // Nothing was written: the key's place says more than the next token's.
    built.node->mark = frame.pending.mark;
  }
  frame.pending.value = std::move(built.node);
  parent.members.push_back(std::exchange(frame.pending, {}));
}

void NodeBuilder::add_merge(Frame& frame, Mark mark, const std::shared_ptr<const Node>& value) {
  const auto add_one = [&](const std::shared_ptr<const Node>& source) {
    if (source->is_mapping()) {
      frame.merges.push_back({frame.built.node->members.size(), mark, source});
      return;
    }
    error(mark, "bad-merge", "`<<` merges mappings only, this is " + source->describe(),
          "name an anchor of a mapping (`<<: *name`) or a list of such");
  };
  if (!value->is_sequence()) {
    add_one(value);
    return;
  }
  for (const auto& item : value->items) {
    add_one(item);
  }
}

void NodeBuilder::apply_merges(Frame& frame) {
  if (frame.merges.empty()) {
    return;
  }
  // Explicit keys win over merged ones, earlier merges over later ones; merged keys stand where `<<` stood.
  std::vector<Member>& own = frame.built.node->members;
  std::unordered_map<std::string_view, bool> taken;
  for (const Member& member : own) {
    taken.emplace(member.key, true);
  }
  std::vector<Member> all;
  std::size_t next = 0;
  for (const Merge& merge : frame.merges) {
    while (next < merge.position) {
      all.push_back(own[next++]);
    }
    for (const Member& member : merge.value->members) {
      if (taken.emplace(member.key, true).second) {
        all.push_back(member);
      }
    }
  }
  while (next < own.size()) {
    all.push_back(own[next++]);
  }
  own = std::move(all);
}

ParsedFile NodeBuilder::take() {
  return {std::move(root_), std::move(templated_), nodes_};
}

}  // namespace sluice::spec
