/// `${var.NAME}`: declarations in x-yc-apigateway.variables, values from outside, replacement in string
/// values. spec.md section 1. Private to layer spec.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/diagnostics.hpp"
#include "sluice/spec/document.hpp"

namespace sluice::spec {

class Variables {
 public:
  /// Declarations of a document's root, with the values in force. `file` names the root in diagnostics.
  Variables(const Node& root, const std::string& file, const VariableValues& given, std::size_t max_growth,
            Diagnostics& diagnostics);

  /// Replaces the references of a string node in place. Nodes of the declarations themselves stay.
  void replace(Node& node, const std::string& file);

  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& values() const noexcept {
    return texts_;
  }

 private:
  struct Value {
    NodeKind kind = NodeKind::string;
    std::string text;
  };
  void declare(const std::string& name, const Mark& mark, const Node& node, const VariableValues& given);
  void check_enum(const std::string& name, const Node& list, const Value& value, const Mark& at, bool given);
  void check_given(const Node* declarations, const VariableValues& given);
  [[nodiscard]] const Value* find(std::string_view name, const Node& at, const std::string& file);
  [[nodiscard]] Place place(const Mark& mark) const { return {file_, mark.line, mark.column}; }

  const std::string& file_;
  Diagnostics& diagnostics_;
  std::map<std::string, Value, std::less<>> values_;
  std::map<std::string, std::string, std::less<>> texts_;
  std::set<const Node*> declared_nodes_;
  std::size_t growth_left_;
};

}  // namespace sluice::spec
