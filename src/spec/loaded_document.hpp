/// Document's only implementation: plain data that the loader fills. Private to layer spec.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "sluice/spec/document.hpp"

namespace sluice::spec {

class LoadedDocument final : public Document {
 public:
  std::vector<std::string> files_read;
  std::vector<std::shared_ptr<const Node>> roots;  ///< by file; null: could not be read
  std::unordered_map<const Node*, const Node*> targets;
  std::map<std::string, std::string, std::less<>> values;

  [[nodiscard]] const Node& root() const noexcept override { return *roots.front(); }
  [[nodiscard]] const Node* resolve(const Node& node) const noexcept override;
  [[nodiscard]] Place place(const Mark& mark) const override;
  [[nodiscard]] const std::vector<std::string>& files() const noexcept override { return files_read; }
  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& variables() const noexcept override {
    return values;
  }
};

}  // namespace sluice::spec
