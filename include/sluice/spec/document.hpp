/// A document with everything it refers to: relative files, `$ref`s, `${var.NAME}` variables. spec.md
/// section 1.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "sluice/base/diagnostics.hpp"
#include "sluice/base/result.hpp"
#include "sluice/spec/node.hpp"

namespace sluice::spec {

/// Values given from outside (configuration, --var): name → YAML scalar text ("5" is an int, "true" a bool).
using VariableValues = std::map<std::string, std::string, std::less<>>;

/// Reads a file whole. Replaceable in tests.
using FileReader = std::function<Result<std::string>(const std::string& path)>;
FileReader real_file_reader();

struct LoadOptions {
  std::string file;  ///< as the user named it
  VariableValues variables;
  FileReader reader;  ///< empty: the real one
  NodeLimits limits;
};

/// Loaded, variables replaced. Immutable; shared by the snapshot that was compiled from it.
class Document {
 public:
  /// nullptr after an error that leaves nothing to look at; otherwise the tree, with errors in `diagnostics`.
  static std::shared_ptr<const Document> load(const LoadOptions& options, Diagnostics& diagnostics);
  virtual ~Document() = default;

  [[nodiscard]] virtual const Node& root() const noexcept = 0;
  /// Follows `$ref` until something else (a node without $ref is returned as it is). nullptr when it leads
  /// nowhere: then a diagnostic was already added by load().
  [[nodiscard]] virtual const Node* resolve(const Node& node) const noexcept = 0;
  /// The member of that key, `$ref` followed on both ends; nullptr when absent or broken.
  [[nodiscard]] const Node* get(const Node& node, std::string_view key) const noexcept;
  [[nodiscard]] virtual Place place(const Mark& mark) const = 0;
  [[nodiscard]] virtual const std::vector<std::string>& files() const noexcept = 0;
  /// Variables that the document declares, with the values in force (scalar text).
  [[nodiscard]] virtual const std::map<std::string, std::string, std::less<>>& variables() const noexcept = 0;
};

}  // namespace sluice::spec
