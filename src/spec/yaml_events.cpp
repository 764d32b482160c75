// The adapter of yaml-cpp: its event interface, so that scalars, merge keys, repeated keys and bounds are
// ours.
#include <istream>
#include <streambuf>

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "spec/node_builder.hpp"

namespace sluice::spec {
namespace {

/// Reads a text in place.
class ViewBuffer final : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    // The get area is never written to; the interface of 1998 wants char*.
    char* begin = const_cast<char*>(text.data());
    setg(begin, begin, begin + text.size());
  }
};

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

 private:
  [[nodiscard]] Mark convert(const YAML::Mark& mark) const noexcept {
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

 private:
  YAML::Mark mark_;
};

std::string hint_for(std::string_view message) {
  if (message.find("tab") != std::string_view::npos) {
    return "indent with spaces";
  }
  if (message.find("anchor is not defined") != std::string_view::npos) {
    return "define the anchor (`&name`) before the alias, or put text that begins with * in quotes";
  }
  if (message.find("end of map") != std::string_view::npos ||
      message.find("end of sequence") != std::string_view::npos) {
    return "look at the indentation of this line and of the one before";
  }
  if (message.find("illegal map value") != std::string_view::npos) {
    return "put text that holds \": \" in quotes, and look at the indentation";
  }
  if (message.find("invalid unicode") != std::string_view::npos) {
    return "YAML has no surrogate pairs: write the character itself, or \\U and eight digits";
  }
  return "look for a missing quote, a wrong indentation, or text with special characters that needs quotes";
}

}  // namespace

bool read_yaml(std::string_view text, NodeBuilder& builder) {
  ViewBuffer buffer(text);
  std::istream stream(&buffer);
  const auto at = [&](const YAML::Mark& mark) {
    return builder.mark(static_cast<std::size_t>(mark.line < 0 ? 0 : mark.line) + 1,
                        static_cast<std::size_t>(mark.column < 0 ? 0 : mark.column) + 1);
  };
  try {
    YAML::Parser parser(stream);
    Events events(builder);
    if (!parser.HandleNextDocument(events)) {
      builder.error(builder.mark(1, 1), "empty-document", "the file is empty");
      return false;
    }
    LaterDocument later;
    while (parser.HandleNextDocument(later)) {
    }
    return true;
  } catch (const StopParsing&) {
    return false;
  } catch (const LaterDocument::Found& found) {
    builder.error(at(found.mark), "several-documents", "the file holds more than one YAML document",
                  "keep one document a file and remove the `---` between them");
    return false;
  } catch (const YAML::DeepRecursion& failure) {
    builder.error(at(failure.mark), "document-too-deep", "values are nested too deeply here");
    return false;
  } catch (const YAML::Exception& failure) {
    builder.error(at(failure.mark), "yaml-syntax", "this is not YAML: " + failure.msg, hint_for(failure.msg));
    return false;
  }
}

}  // namespace sluice::spec
