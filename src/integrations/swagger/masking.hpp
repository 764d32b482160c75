/// Which texts of a document are not shown. Private to the swagger integration.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/spec/document.hpp"

namespace sluice::integrations {

inline constexpr std::string_view hidden_text = "***";

/// Hides secrets and hosts in texts.
class TextMask {
 public:
  explicit TextMask(const spec::Document& document);
  [[nodiscard]] std::string apply(const std::string& text) const;

 private:
  void collect_secrets(const spec::Document& document);
  void collect_hosts(const spec::Document& document, const spec::Node& node, bool inside, std::size_t depth);
  void note_hosts(std::string_view text);
  [[nodiscard]] bool hides_host(std::string_view host, bool in_url) const;
  [[nodiscard]] std::string without_hosts(const std::string& text) const;

  std::vector<std::string> secrets_;  ///< longest first
  std::set<std::string, std::less<>> hosts_;
  std::set<const spec::Node*> seen_;
};

}  // namespace sluice::integrations
