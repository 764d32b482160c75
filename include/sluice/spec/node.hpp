/// A YAML or JSON document as a tree that remembers where everything stood. YAML 1.2 core schema scalars;
/// merge keys resolved; repeated keys, bombs and excessive depth refused with a diagnostic. Knows nothing of
/// OpenAPI.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/diagnostics.hpp"
#include "sluice/base/json.hpp"

namespace sluice::spec {

enum class NodeKind : std::uint8_t { null, boolean, integer, number, string, sequence, mapping };

/// Where a node stood. `file` indexes the owner's list of files.
struct Mark {
  std::uint32_t file = 0;
  std::uint32_t line = 1;
  std::uint32_t column = 1;
};

class Node;

struct Member;

/// Immutable once its document is loaded. Shared subtrees (aliases) are shared in memory.
class Node {
 public:
  NodeKind kind = NodeKind::null;
  Mark mark;
  /// Scalars: the text as written (numbers in the document's own digits), strings: the value.
  std::string text;
  std::vector<Member> members;                     ///< mapping, in document order
  std::vector<std::shared_ptr<const Node>> items;  ///< sequence

  [[nodiscard]] bool is_null() const noexcept { return kind == NodeKind::null; }
  [[nodiscard]] bool is_string() const noexcept { return kind == NodeKind::string; }
  [[nodiscard]] bool is_mapping() const noexcept { return kind == NodeKind::mapping; }
  [[nodiscard]] bool is_sequence() const noexcept { return kind == NodeKind::sequence; }
  [[nodiscard]] bool is_scalar() const noexcept { return kind < NodeKind::sequence; }
  [[nodiscard]] bool is_number() const noexcept {
    return kind == NodeKind::integer || kind == NodeKind::number;
  }
  /// The member of that key, or nullptr.
  [[nodiscard]] const Node* find(std::string_view key) const noexcept;
  [[nodiscard]] const Member* find_member(std::string_view key) const noexcept;
  /// "a mapping", "the string \"x\"", … for messages.
  [[nodiscard]] std::string describe() const;
};

struct Member {
  std::string key;  ///< integer keys (200:) as written
  Mark mark;        ///< of the key
  std::shared_ptr<const Node> value;
};

/// Plain JSON of a node (integers beyond 64 bits and numbers beyond a double become strings).
Json to_json(const Node& node);

struct NodeLimits {
  std::size_t max_bytes = 3'670'016;  ///< 3.5 MB (spec.md, first lines)
  std::size_t max_nodes = 1'000'000;  ///< after aliases are counted as often as they are used
  std::size_t max_depth = 100;
};

/// Parses YAML or JSON text (JSON when the first byte that is not white space is '{' or '['; errors of both
/// name the place). `file_index` is written into the marks, `file_name` into diagnostics. nullptr after an
/// error.
std::shared_ptr<const Node> parse_node(std::string_view text, std::uint32_t file_index,
                                       const std::string& file_name, Diagnostics& diagnostics,
                                       const NodeLimits& limits = {});

}  // namespace sluice::spec
