// One walk over everything that the document means: leftovers of templating, authorizers and extensions that
// have no effect where they stand, mappings.
#include <algorithm>
#include <functional>
#include <unordered_map>

#include "sluice/spec/leftovers.hpp"

#include "spec/checks.hpp"
#include "spec/walk.hpp"

namespace sluice::spec {
namespace {

bool is_name_start(char byte) noexcept {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
         static_cast<unsigned char>(byte) >= 0x80;
}

std::string_view until(std::string_view text, std::size_t from, std::string_view closing) {
  constexpr std::size_t longest = 100;
  const std::string_view window = text.substr(from, longest + closing.size());
  const std::size_t end = window.find(closing);
  return end == std::string_view::npos ? std::string_view() : window.substr(0, end);
}

std::string_view trim_spaces(std::string_view text) {
  while (!text.empty() && text.front() == ' ') {
    text.remove_prefix(1);
  }
  return text;
}

/// `${NAME…}` and `$${…}` (Terraform, shells). `${.a.b}` is a reference of x-yc-schema-mapping.
std::string_view find_dollar(std::string_view text) {
  for (std::size_t at = text.find("${"); at != std::string_view::npos; at = text.find("${", at + 2)) {
    const std::string_view inside = until(text, at + 2, "}");
    if (at > 0 && text[at - 1] == '$' && !inside.empty()) {
      return text.substr(at - 1, inside.size() + 4);
    }
    const std::string_view name = trim_spaces(inside);
    if (!name.empty() && is_name_start(name.front()) && name.substr(0, 4) != "var.") {
      return text.substr(at, inside.size() + 3);
    }
  }
  return {};
}

/// `{{ NAME }}` (Jinja, Helm, Mustache).
std::string_view find_double_braces(std::string_view text) {
  for (std::size_t at = text.find("{{"); at != std::string_view::npos; at = text.find("{{", at + 1)) {
    const std::string_view inside = until(text, at + 2, "}}");
    const bool word = inside.find_first_of("{}:\"") == std::string_view::npos;
    if (!inside.empty() && word) {
      return text.substr(at, inside.size() + 4);
    }
  }
  return {};
}

/// `<your bucket>`; never in texts that look like HTML or XML.
std::string_view find_angles(std::string_view text) {
  if (text.find("</") != std::string_view::npos || text.find("/>") != std::string_view::npos ||
      text.find("<!") != std::string_view::npos || text.find("<?") != std::string_view::npos) {
    return {};
  }
  for (std::size_t at = text.find('<'); at != std::string_view::npos; at = text.find('<', at + 1)) {
    const std::string_view inside = until(text, at + 1, ">");
    if (!inside.empty() && is_name_start(inside.front()) &&
        inside.find_first_of("<=@\"'") == std::string_view::npos) {
      return text.substr(at, inside.size() + 2);
    }
  }
  return {};
}

/// `$NAME` of a shell, where it is the whole value; `$latest` is a tag.
std::string_view find_shell_name(std::string_view text) {
  const bool name =
      text.size() > 2 && text[0] == '$' && text[1] >= 'A' && text[1] <= 'Z' &&
      text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", 1) == std::string_view::npos;
  return name ? text : std::string_view();
}

class Lint {
 public:
  Lint(Checking& checking, const std::vector<SecurityScheme>& schemes) : checking_(checking) {
    for (const SecurityScheme& scheme : schemes) {
      if (scheme.authorizer != nullptr) {
        effective_.insert(scheme.authorizer);
      }
    }
  }

  void run(const Node& root) {
    queue(root, Role::object);
    while (!waiting_.empty()) {
      const auto [node, role] = waiting_.back();
      waiting_.pop_back();
      visit(*node, role);
    }
  }

  /// Backwards from the mappings over children and references.
  std::unordered_set<const Node*> reaching() {
    std::unordered_set<const Node*> found(mapped_.begin(), mapped_.end());
    if (found.empty()) {
      return found;
    }
    std::unordered_map<const Node*, std::vector<const Node*>> parents;
    for (const auto& [node, roles] : visited_) {
      for (const Member& member : node->members) {
        parents[member.value.get()].push_back(node);
      }
      for (const auto& item : node->items) {
        parents[item.get()].push_back(node);
      }
      const Node* target = checking_.document.resolve(*node);
      if (target != nullptr && target != node) {
        parents[target].push_back(node);
      }
    }
    std::vector<const Node*> waiting(found.begin(), found.end());
    while (!waiting.empty()) {
      const Node* node = waiting.back();
      waiting.pop_back();
      for (const Node* parent : parents[node]) {
        if (found.insert(parent).second) {
          waiting.push_back(parent);
        }
      }
    }
    return found;
  }

 private:
  void queue(const Node& node, Role role) {
    if (role == Role::data || role == Role::prose || node.is_scalar()) {
      return;
    }
    auto& seen = visited_[&node];
    const auto bit = static_cast<std::uint8_t>(1U << static_cast<unsigned>(role));
    if ((seen & bit) == 0) {
      seen = static_cast<std::uint8_t>(seen | bit);
      waiting_.emplace_back(&node, role);
    }
  }

  void value(const Node& node, Role role) {
    if (node.is_string() && role != Role::data && role != Role::prose) {
      leftover(node, role);
    }
    queue(node, role);
  }

  void visit(const Node& node, Role role) {
    const Node* target = checking_.document.resolve(node);
    if (target != nullptr && target != &node) {
      queue(*target, role);
      siblings(node, *target);
    }
    for (const Member& member : node.members) {
      if (role != Role::names && role != Role::content) {
        key(node, member);
      }
      value(*member.value, child_role(role, member.key, *member.value));
    }
    for (const auto& item : node.items) {
      value(*item, role);
    }
  }

  /// OpenAPI 3.0: what stands beside a $ref is ignored; path items are merged (api.cpp).
  void siblings(const Node& node, const Node& target) {
    if (checking_.openapi_3_1 || checking_.keys_checked.count(&node) != 0) {
      return;
    }
    for (const Member& member : node.members) {
      if (member.key == "$ref" || member.key == "description" || member.key == "summary" ||
          (member.key.substr(0, 2) == "x-" && member.key.substr(0, 5) != "x-yc-")) {
        continue;
      }
      const Node* other = target.find(member.key);
      if (other != nullptr && other->is_scalar() && other->text == member.value->text) {
        continue;
      }
      checking_.warning(member.mark, "ref-siblings", '`' + member.key + "` beside a $ref is ignored",
                        "put it into the object that the $ref names, or leave out the $ref");
      return;
    }
  }

  void key(const Node& owner, const Member& member) {
    if (member.key.substr(0, 5) != "x-yc-") {
      return;
    }
    if (member.key == "x-yc-apigateway-authorizer") {
      const Node* target = checking_.document.resolve(*member.value);
      if (target != nullptr && effective_.count(target) == 0) {
        checking_.error(member.mark, "misplaced-authorizer",
                        "an authorizer has no effect here: nothing is protected by it",
                        "put it into a scheme under components.securitySchemes, and name that scheme in "
                        "`security`");
      }
    } else if (member.key == "x-yc-status-mapping") {
      if (const Node* target = checking_.document.resolve(*member.value)) {
        check_status_mapping(checking_, *target);
      }
    } else if (member.key == "x-yc-schema-mapping") {
      mapped_.push_back(&owner);
      if (const Node* target = checking_.document.resolve(*member.value)) {
        check_schema_mapping(checking_, *target);
      }
    } else if (checking_.keys_checked.count(&owner) == 0 && !is_known_extension(member.key)) {
      report_unknown_extension(checking_, member);
    }
  }

  /// A dummy's content may be a page with scripts of its own, so there only texts without markup are looked
  /// at.
  void leftover(const Node& node, Role role) {
    if (role == Role::content && node.text.find('<') != std::string::npos) {
      return;
    }
    const std::string_view found = find_leftover(node.text);
    if (!found.empty()) {
      checking_.warning(node.mark, "template-leftover",
                        "\"" + std::string(found) + "\" looks like a placeholder that nobody filled in",
                        "render the template first, or write the value; `${var.NAME}` is what the gateway "
                        "replaces itself");
    }
  }

  Checking& checking_;
  std::unordered_set<const Node*> effective_;
  std::unordered_map<const Node*, std::uint8_t> visited_;
  std::vector<std::pair<const Node*, Role>> waiting_;
  std::vector<const Node*> mapped_;
};

}  // namespace

std::string_view find_leftover(std::string_view text) {
  text = text.substr(0, text.find_last_not_of('\n') + 1);
  if (text.find('\n') != std::string_view::npos) {
    return {};
  }
  std::string_view found = find_dollar(text);
  if (found.empty()) {
    found = find_double_braces(text);
  }
  if (found.empty()) {
    found = find_shell_name(text);
  }
  if (found.empty() && text.find('<') != std::string_view::npos) {
    found = find_angles(text);
  }
  return found;
}

std::unordered_set<const Node*> lint_document(Checking& checking, const Node& root,
                                              const std::vector<SecurityScheme>& schemes) {
  Lint lint(checking, schemes);
  lint.run(root);
  return lint.reaching();
}

}  // namespace sluice::spec
