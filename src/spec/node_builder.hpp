/// What both parsers (YAML events, JSON events) build a tree with: bounds, repeated keys, merge keys and
/// anchors are handled here, once. Private to layer spec.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sluice/base/diagnostics.hpp"
#include "sluice/spec/node.hpp"

namespace sluice::spec {

/// The kind that a plain (unquoted) scalar has by the YAML 1.2 core schema: `010` is an integer, `yes` a
/// string.
NodeKind plain_scalar_kind(std::string_view text) noexcept;

/// Thrown by the builder inside a parser's callback when a bound is passed, after the diagnostic was added;
/// caught by the adapter of that parser.
struct StopParsing {};

/// A parsed file. `root` is null after an error that leaves nothing.
struct ParsedFile {
  std::shared_ptr<const Node> root;
  /// String nodes that hold "${": where variables may stand; still to be written to. Some may not be part of
  /// the tree (what stood under a refused key).
  std::vector<std::shared_ptr<Node>> templated;
  /// Nodes, aliases counted as often as they are used.
  std::size_t nodes = 0;
};

/// Parses a file's text; see parse_node.
ParsedFile parse_file(std::string_view text, std::uint32_t file_index, const std::string& file_name,
                      Diagnostics& diagnostics, const NodeLimits& limits);

/// Receives the events of one document.
class NodeBuilder {
 public:
  NodeBuilder(std::uint32_t file_index, const std::string& file_name, Diagnostics& diagnostics,
              const NodeLimits& limits)
      : file_index_(file_index), file_name_(file_name), diagnostics_(diagnostics), limits_(limits) {}

  /// `anchor` 0: none. `plain_merge_key`: the scalar is an unquoted `<<`.
  void scalar(Mark mark, NodeKind kind, std::string text, std::size_t anchor = 0,
              bool plain_merge_key = false);
  void alias(Mark mark, std::size_t anchor);
  void start_mapping(Mark mark, std::size_t anchor = 0);
  void end_mapping();
  void start_sequence(Mark mark, std::size_t anchor = 0);
  void end_sequence();

  [[nodiscard]] Mark mark(std::size_t line, std::size_t column) const noexcept;
  void error(Mark mark, std::string_view rule, std::string message, std::string hint = {});
  void warning(Mark mark, std::string_view rule, std::string message, std::string hint = {});
  /// The finished tree.
  ParsedFile take();

 private:
  /// A value with what it weighs.
  struct Built {
    std::shared_ptr<Node> node;
    std::size_t weight = 1;  ///< nodes, aliases expanded
    std::size_t height = 1;  ///< levels
  };
  struct Merge {
    std::size_t position;  ///< among the members
    Mark mark;
    std::shared_ptr<const Node> value;
  };
  struct Frame {
    Built built;
    std::size_t anchor = 0;
    bool is_key = false;         ///< a mapping or list in the place of a key: read and dropped
    bool key_pending = false;    ///< mapping: a key was read, its value comes next
    bool key_dropped = false;    ///< the pending key was refused
    bool merge_pending = false;  ///< the pending key is `<<`
    Member pending;
    std::vector<Merge> merges;
    std::unordered_map<std::string, Mark> seen;
  };

  void count(Mark mark, std::size_t weight);
  void open(Mark mark, NodeKind kind, std::size_t anchor);
  void close();
  void place(Built built, Mark mark);
  void place_key(Mark mark, const Node& node, bool plain_merge_key);
  void add_merge(Frame& frame, Mark mark, const std::shared_ptr<const Node>& value);
  void apply_merges(Frame& frame);
  [[nodiscard]] bool wants_key() const noexcept;

  std::uint32_t file_index_;
  const std::string& file_name_;
  Diagnostics& diagnostics_;
  const NodeLimits& limits_;
  std::vector<Frame> frames_;
  std::unordered_map<std::size_t, Built> anchors_;
  std::shared_ptr<Node> root_;
  std::vector<std::shared_ptr<Node>> templated_;
  std::size_t nodes_ = 0;
};

/// The one place that knows yaml-cpp. Adds diagnostics; false when the text was not read to its end.
bool read_yaml(std::string_view text, NodeBuilder& builder);

struct JsonSyntaxError {
  std::size_t line = 1;
  std::size_t column = 1;
  std::string message;
};
/// How reading JSON ended: to the end, at a bound (a diagnostic was added), or at a mistake (none was added).
struct JsonEnd {
  bool complete = false;
  std::optional<JsonSyntaxError> syntax_error;
};
/// RFC 8259 through nlohmann's SAX interface.
JsonEnd read_json(std::string_view text, NodeBuilder& builder);

}  // namespace sluice::spec
