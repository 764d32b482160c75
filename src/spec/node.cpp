#include "sluice/spec/node.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "sluice/base/codec.hpp"

#include "spec/node_builder.hpp"

namespace sluice::spec {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

std::string shortened(std::string_view text) {
  constexpr std::size_t longest = 40;
  if (text.size() <= longest) {
    return std::string(text);
  }
  std::size_t end = longest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
    --end;
  }
  return std::string(text.substr(0, end)) + "…";
}

struct Position {
  std::size_t line = 1;
  std::size_t column = 1;
};

Position position_of(std::string_view text, std::size_t offset) {
  Position position;
  for (std::size_t at = 0; at < offset; ++at) {
    if (text[at] == '\n') {
      ++position.line;
      position.column = 1;
    } else {
      ++position.column;
    }
  }
  return position;
}

/// The first byte that no text file holds: a control byte other than TAB, LF and CR.
std::size_t find_control_byte(std::string_view text) noexcept {
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') {
      return at;
    }
  }
  return std::string_view::npos;
}

std::size_t find_ill_formed(std::string_view text) noexcept {
  // is_valid_utf8 tells no place; halving finds the line.
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    if (!is_valid_utf8(text.substr(at, end - at))) {
      return at;
    }
    at = end + 1;
  }
  return 0;
}

bool ends_with_json(std::string_view name) noexcept {
  return name.size() >= 5 && equals_ignore_case(name.substr(name.size() - 5), ".json");
}

Json number_to_json(const Node& node) {
  std::string_view text = node.text;
  if (!text.empty() && text.front() == '+') {
    text.remove_prefix(1);
  }
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  if (node.kind == NodeKind::integer) {
    if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'o')) {
      std::uint64_t value = 0;
      const auto read = std::from_chars(begin + 2, end, value, text[1] == 'x' ? 16 : 8);
      return read.ec == std::errc{} ? Json(value) : Json(node.text);
    }
    std::int64_t value = 0;
    if (std::from_chars(begin, end, value).ec == std::errc{}) {
      return value;
    }
    std::uint64_t large = 0;
    if (std::from_chars(begin, end, large).ec == std::errc{}) {
      return large;
    }
    return node.text;
  }
  double value = 0;
  const auto read = std::from_chars(begin, end, value);
  if (read.ec == std::errc{} && read.ptr == end && std::isfinite(value)) {
    return value;
  }
  return node.text;
}

}  // namespace

const Member* Node::find_member(std::string_view key) const noexcept {
  for (const Member& member : members) {
    if (member.key == key) {
      return &member;
    }
  }
  return nullptr;
}

const Node* Node::find(std::string_view key) const noexcept {
  const Member* member = find_member(key);
  return member == nullptr ? nullptr : member->value.get();
}

std::string Node::describe() const {
  switch (kind) {
    case NodeKind::null:
      return "empty";
    case NodeKind::boolean:
      return "the boolean " + text;
    case NodeKind::integer:
    case NodeKind::number:
      return "the number " + shortened(text);
    case NodeKind::string:
      return "the string \"" + shortened(text) + "\"";
    case NodeKind::sequence:
      return "a list";
    case NodeKind::mapping:
      return "a mapping";
  }
  return "something else";
}

Json to_json(const Node& node) {
  switch (node.kind) {
    case NodeKind::null:
      return nullptr;
    case NodeKind::boolean:
      return node.text[0] == 't' || node.text[0] == 'T';
    case NodeKind::integer:
    case NodeKind::number:
      return number_to_json(node);
    case NodeKind::string:
      return node.text;
    case NodeKind::sequence: {
      Json list = Json::array();
      for (const auto& item : node.items) {
        list.push_back(to_json(*item));
      }
      return list;
    }
    case NodeKind::mapping: {
      Json object = Json::object();
      for (const Member& member : node.members) {
        object[member.key] = to_json(*member.value);
      }
      return object;
    }
  }
  return nullptr;
}

namespace {

void append(Diagnostics& to, const Diagnostics& from) {
  for (const Diagnostic& diagnostic : from.items()) {
    to.add(diagnostic);
  }
}

/// Whether text that begins with a bracket may have been meant as YAML: neither the file's name nor what
/// follows the bracket says JSON.
bool may_be_yaml(std::string_view text, std::string_view file_name) noexcept {
  const std::size_t bracket = text.find_first_of("{[");
  const std::size_t next = text.find_first_not_of(" \t\r\n", bracket + 1);
  return !ends_with_json(file_name) && next != std::string_view::npos &&
         std::string_view("\"{}[]0123456789-,:").find(text[next]) == std::string_view::npos;
}

/// A file named .json, or text that begins with a bracket: JSON, or YAML written in brackets.
ParsedFile parse_braces(std::string_view text, std::uint32_t file_index, const std::string& file_name,
                        Diagnostics& diagnostics, const NodeLimits& limits) {
  Diagnostics found;
  NodeBuilder builder(file_index, file_name, found, limits);
  const JsonEnd end = read_json(text, builder);
  if (!end.syntax_error) {
    append(diagnostics, found);
    return end.complete ? builder.take() : ParsedFile{};
  }
  if (may_be_yaml(text, file_name)) {
    NodeBuilder yaml_builder(file_index, file_name, diagnostics, limits);
    return read_yaml(text, yaml_builder) ? yaml_builder.take() : ParsedFile{};
  }
  diagnostics.error({file_name, static_cast<std::uint32_t>(end.syntax_error->line),
                     static_cast<std::uint32_t>(end.syntax_error->column)},
                    "json-syntax", "this is not JSON: " + end.syntax_error->message,
                    "look for a missing quote, comma or bracket before this place");
  return {};
}

}  // namespace

ParsedFile parse_file(std::string_view text, std::uint32_t file_index, const std::string& file_name,
                      Diagnostics& diagnostics, const NodeLimits& limits) {
  if (text.size() > limits.max_bytes) {
    diagnostics.error({file_name, 1, 1}, "document-too-large",
                      "the file has " + std::to_string(text.size()) + " bytes, at most " +
                          std::to_string(limits.max_bytes) + " are read",
                      "move parts into files beside it, or drop examples");
    return {};
  }
  if (text.substr(0, 3) == byte_order_mark) {
    text.remove_prefix(3);
  }
  if (!is_valid_utf8(text)) {
    const Position position = position_of(text, find_ill_formed(text));
    diagnostics.error({file_name, static_cast<std::uint32_t>(position.line), 1}, "not-utf8",
                      "this line is not UTF-8", "save the file as UTF-8");
    return {};
  }
  if (const std::size_t at = find_control_byte(text); at != std::string_view::npos) {
    const Position position = position_of(text, at);
    diagnostics.error(
        {file_name, static_cast<std::uint32_t>(position.line), static_cast<std::uint32_t>(position.column)},
        "control-character", "a control character stands here", "remove it");
    return {};
  }
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) {
    diagnostics.error({file_name, 1, 1}, "empty-document", "the file is empty");
    return {};
  }
  if (text[first] == '{' || text[first] == '[' || ends_with_json(file_name)) {
    return parse_braces(text, file_index, file_name, diagnostics, limits);
  }
  NodeBuilder builder(file_index, file_name, diagnostics, limits);
  return read_yaml(text, builder) ? builder.take() : ParsedFile{};
}

std::shared_ptr<const Node> parse_node(std::string_view text, std::uint32_t file_index,
                                       const std::string& file_name, Diagnostics& diagnostics,
                                       const NodeLimits& limits) {
  const std::size_t errors_before = diagnostics.error_count();
  ParsedFile file = parse_file(text, file_index, file_name, diagnostics, limits);
  return diagnostics.error_count() == errors_before ? std::move(file.root) : nullptr;
}

}  // namespace sluice::spec
