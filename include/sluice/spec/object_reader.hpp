/// Typed access to a mapping with diagnostics: what every extension, integration and the configuration is
/// read with. Unknown keys (with the nearest known name), wrong kinds and missing keys are reported with
/// their place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/diagnostics.hpp"
#include "sluice/spec/document.hpp"

namespace sluice::spec {

class ObjectReader {
 public:
  /// `what` names the object in messages ("the dummy integration"). `unknown_keys`: what unknown keys are.
  /// A node that is no mapping is reported at once, and every getter then returns nothing.
  ObjectReader(const Document& document, const Node& node, std::string what, Diagnostics& diagnostics,
               Severity unknown_keys = Severity::warning);
  ObjectReader(const ObjectReader&) = delete;
  ObjectReader& operator=(const ObjectReader&) = delete;
  /// Reports keys that nobody asked for; keys that begin with "x-" (unless "x-yc-"/"x-sluice-") are free.
  ~ObjectReader();

  [[nodiscard]] bool has(std::string_view key);
  /// The node, `$ref` followed; marks the key as known. nullptr when absent.
  const Node* node(std::string_view key);
  /// First of several spellings that has a value; another one with another value is reported.
  const Node* node(std::initializer_list<std::string_view> keys);
  const Node& required_node(std::string_view key);  ///< reports; returns a null node when absent
  std::optional<std::string> string(std::string_view key);
  std::optional<std::string> string(std::initializer_list<std::string_view> keys);
  /// Strings, and scalars by their text.
  std::optional<std::string> scalar_text(std::string_view key);
  std::string required_string(std::string_view key, std::string_view hint = {});
  std::optional<bool> boolean(std::string_view key);
  std::optional<bool> boolean(std::initializer_list<std::string_view> keys);
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t min, std::int64_t max);
  std::optional<double> number(std::string_view key, double min, double max);
  /// One of `values`; otherwise an error that lists them.
  std::optional<std::string> one_of(std::string_view key, const std::vector<std::string_view>& values);
  /// Marks a key as known without reading it.
  void accept(std::string_view key);

  [[nodiscard]] const Node& self() const noexcept { return node_; }
  [[nodiscard]] const Document& document() const noexcept { return document_; }
  [[nodiscard]] Diagnostics& diagnostics() noexcept { return diagnostics_; }
  [[nodiscard]] Place place(const Node& node) const { return document_.place(node.mark); }
  void error(const Node& at, std::string_view rule, std::string message, std::string hint = {});
  void warning(const Node& at, std::string_view rule, std::string message, std::string hint = {});

 private:
  void tell_rivals(std::initializer_list<std::string_view> keys);
  void wrong_kind(const Node& at, std::string_view key, std::string_view wanted);
  const Document& document_;
  const Node& node_;
  std::string what_;
  Diagnostics& diagnostics_;
  Severity unknown_keys_;
  bool usable_;
  std::vector<std::string> known_;
};

}  // namespace sluice::spec
