// The adapter of yaml-cpp: its event interface, so that scalars, merge keys, repeated keys and bounds are
// ours.
#include <algorithm>
#include <istream>
#include <streambuf>

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/node/node.h>
#include <yaml-cpp/parser.h>

#include "spec/node_builder.hpp"

namespace sluice::spec {
namespace {

/// Reads a text in place, then a tail.
class ViewBuffer final : public std::streambuf {
 public:
  ViewBuffer(std::string_view text, std::string_view tail) : tail_(tail) { set(text); }

 protected:
  int_type underflow() override {
    if (tail_.empty()) {
      return traits_type::eof();
    }
    set(tail_);
    tail_ = {};
    return traits_type::to_int_type(*gptr());
  }

 private:
  void set(std::string_view text) {
    // The get area is never written to; the interface of 1998 wants char*.
    char* begin = const_cast<char*>(text.data());
    setg(begin, begin, begin + text.size());
  }
  std::string_view tail_;
};

/// yaml-cpp lets the end of the input close a quote that nobody closed, where a line break or the quote
/// itself stands before it. A comment at the end takes that place from it, and means nothing otherwise.
std::string_view tail_for(std::string_view text) noexcept {
  const std::size_t last = text.find_last_not_of(" \t\r");
  if (last == std::string_view::npos) {
    return {};
  }
  if (text[last] == '\n') {
    return last + 1 == text.size() ? "#" : "\n#";
  }
  return text[last] == '"' || text[last] == '\'' ? "\n#" : "";
}

constexpr std::size_t encoding_mark_size = 4;

constexpr std::string_view core_tag = "tag:yaml.org,2002:";

class Events final : public YAML::EventHandler {
 public:
  explicit Events(NodeBuilder& builder) : builder_(builder) {}

  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    builder_.scalar(convert(mark), NodeKind::null, {}, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    builder_.alias(convert(mark), anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const Mark at = convert(mark);
    const bool plain = tag == "?" || tag.empty();
    builder_.scalar(at, kind_of(at, tag, value), value, anchor,
                    value == "<<" && (plain || tag == "tag:yaml.org,2002:merge"));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    check_tag(convert(mark), tag, "seq");
    builder_.start_sequence(convert(mark), anchor);
  }
  void OnSequenceEnd() override { builder_.end_sequence(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    check_tag(convert(mark), tag, "map");
    builder_.start_mapping(convert(mark), anchor);
  }
  void OnMapEnd() override { builder_.end_mapping(); }

  /// Of the last event.
  [[nodiscard]] std::size_t last_line() const noexcept { return last_line_; }

 private:
  [[nodiscard]] Mark convert(const YAML::Mark& mark) noexcept {
    last_line_ = static_cast<std::size_t>(mark.line < 0 ? 0 : mark.line) + 1;
    return builder_.mark(static_cast<std::size_t>(mark.line < 0 ? 0 : mark.line) + 1,
                         static_cast<std::size_t>(mark.column < 0 ? 0 : mark.column) + 1);
  }

  NodeKind kind_of(Mark at, const std::string& tag, const std::string& value) {
    if (tag == "?" || tag.empty()) {
      return plain_scalar_kind(value);
    }
    if (tag == "!") {
      return NodeKind::string;
    }
    const std::string_view name = core_name(tag);
    if (name == "str" || name == "binary" || name == "timestamp" || name == "merge") {
      return NodeKind::string;
    }
    const NodeKind plain = plain_scalar_kind(value);
    if (name == "null" && plain == NodeKind::null) {
      return plain;
    }
    if (name == "bool" && plain == NodeKind::boolean) {
      return plain;
    }
    if (name == "int" && plain == NodeKind::integer) {
      return plain;
    }
    if (name == "float" && (plain == NodeKind::integer || plain == NodeKind::number)) {
      return NodeKind::number;
    }
    if (name == "null" || name == "bool" || name == "int" || name == "float") {
      builder_.error(at, "bad-tag", "\"" + value + "\" is no value of the type !!" + std::string(name),
                     "remove the tag, or write a value of that type");
      return NodeKind::string;
    }
    unknown_tag(at, tag);
    return NodeKind::string;
  }

  void check_tag(Mark at, const std::string& tag, std::string_view wanted) {
    if (tag == "?" || tag == "!" || tag.empty() || core_name(tag) == wanted) {
      return;
    }
    if (!core_name(tag).empty()) {
      builder_.error(at, "bad-tag",
                     "a value of the type !!" + std::string(core_name(tag)) +
                         " cannot be written as a mapping or list here",
                     "remove the tag");
      return;
    }
    unknown_tag(at, tag);
  }

  void unknown_tag(Mark at, const std::string& tag) {
    builder_.warning(at, "unknown-tag", "the YAML tag " + tag + " means nothing here and is left out",
                     "remove it, or render the document with the tool that knows it");
  }

  static std::string_view core_name(std::string_view tag) noexcept {
    if (tag.substr(0, core_tag.size()) != core_tag) {
      return {};
    }
    return tag.substr(core_tag.size());
  }

  NodeBuilder& builder_;
  std::size_t last_line_ = 1;
};

/// Sees whether a later document of the stream holds anything.
class LaterDocument final : public YAML::EventHandler {
 public:
  struct Found {
    YAML::Mark mark;
  };
  void OnDocumentStart(const YAML::Mark& mark) override { mark_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnAlias(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override { throw Found{mark_}; }
  void OnScalar(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                const std::string& /*value*/) override {
    throw Found{mark_};
  }
  void OnSequenceStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                       YAML::EmitterStyle::value /*style*/) override {
    throw Found{mark_};
  }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                  YAML::EmitterStyle::value /*style*/) override {
    throw Found{mark_};
  }
  void OnMapEnd() override {}
  [[nodiscard]] const YAML::Mark& mark() const noexcept { return mark_; }

 private:
  YAML::Mark mark_;
};

std::string_view line_at(std::string_view text, std::size_t offset) noexcept {
  offset = std::min(offset, text.size());
  const std::size_t before = offset == 0 ? std::string_view::npos : text.rfind('\n', offset - 1);
  const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
  return text.substr(begin, std::min(text.find('\n', begin), text.size()) - begin);
}

std::size_t offset_of(const YAML::Mark& mark) noexcept {
  return static_cast<std::size_t>(mark.pos < 0 ? 0 : mark.pos);
}

bool is_indented_with_tabs(std::string_view line) noexcept {
  return line.substr(0, line.find_first_not_of(" \t")).find('\t') != std::string_view::npos;
}

std::string hint_for(std::string_view message, std::string_view line, std::size_t last_line) {
  const auto says = [&](std::string_view part) { return message.find(part) != std::string_view::npos; };
  if (says("tab") || is_indented_with_tabs(line)) {
    return "indent with spaces, not with tabs";
  }
  if (says("EOF in scalar")) {
    return "a quote that opens after line " + std::to_string(last_line) + " is never closed";
  }
  if (says("anchor is not defined")) {
    return "define the anchor (`&name`) before the alias, or put text that begins with * in quotes";
  }
  if (says("flow not found")) {
    return "close the bracket, and put text with { } [ ] in quotes";
  }
  if (line.find("${") != std::string_view::npos && line.find("[\"") != std::string_view::npos) {
    return "a quote inside `${…}` ends the text: render the template first, or put the whole in single "
           "quotes";
  }
  if (says("end of map") || says("end of sequence")) {
    return "look at the indentation of this line and of the one before";
  }
  if (says("illegal map value")) {
    return "put text that holds \": \" in quotes, and look at the indentation";
  }
  if (says("invalid unicode")) {
    return "YAML has no surrogate pairs: write the character itself, or \\U and eight digits";
  }
  if (says("unknown escape")) {
    return "write \\\\ for a backslash, or use single quotes";
  }
  return "look for a missing quote, a wrong indentation, or text with special characters that needs quotes";
}

/// A document that does not begin with `---` is text that the parser could not add to the one before.
bool begins_with_dashes(std::string_view text, const YAML::Mark& mark) noexcept {
  return line_at(text, offset_of(mark)).substr(0, 3) == "---";
}

}  // namespace

bool read_yaml(std::string_view text, NodeBuilder& builder) {
  // yaml-cpp looks at the first bytes for a mark of their encoding and puts them back: they must stand in one
  // piece.
  std::string whole;
  std::string_view first = text;
  std::string_view tail = tail_for(text);
  if (text.size() < encoding_mark_size) {
    first = whole.append(text).append(std::exchange(tail, {}));
  }
  ViewBuffer buffer(first, tail);
  std::istream stream(&buffer);
  const auto at = [&](const YAML::Mark& mark) {
    if (offset_of(mark) >= text.size()) {
      const std::size_t last_break = text.rfind('\n');
      return builder.mark(1 + static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')),
                          text.size() - (last_break == std::string_view::npos ? 0 : last_break + 1) + 1);
    }
    return builder.mark(static_cast<std::size_t>(mark.line < 0 ? 0 : mark.line) + 1,
                        static_cast<std::size_t>(mark.column < 0 ? 0 : mark.column) + 1);
  };
  Events events(builder);
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(events)) {
      builder.error(builder.mark(1, 1), "empty-document", "the file is empty");
      return false;
    }
    LaterDocument later;
    for (bool empty_one = false; parser.HandleNextDocument(later); empty_one = true) {
      // A last `---` with nothing after it is harmless. The parser can also begin empty documents at a token
      // that it never takes, for ever.
      if (empty_one || !begins_with_dashes(text, later.mark())) {
        throw LaterDocument::Found{later.mark()};
      }
    }
    return true;
  } catch (const StopParsing&) {
    return false;
  } catch (const LaterDocument::Found& found) {
    if (begins_with_dashes(text, found.mark)) {
      builder.error(at(found.mark), "several-documents", "the file holds more than one YAML document",
                    "keep one document a file and remove the `---` between them");
    } else {
      builder.error(at(found.mark), "yaml-syntax", "this is not YAML: text after the end of the document",
                    "write a space after the colon of a key, and look at the indentation");
    }
    return false;
  } catch (const YAML::DeepRecursion& failure) {
    builder.error(at(failure.mark), "document-too-deep", "values are nested too deeply here");
    return false;
  } catch (const YAML::Exception& failure) {
    builder.error(at(failure.mark), "yaml-syntax", "this is not YAML: " + failure.msg,
                  hint_for(failure.msg, line_at(text, offset_of(failure.mark)), events.last_line()));
    return false;
  }
}

}  // namespace sluice::spec
