#include "spec/variables.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "spec/node_builder.hpp"
#include "spec/suggest.hpp"

namespace sluice::spec {
namespace {

constexpr std::string_view opening = "${var.";

std::string_view name_of(NodeKind kind) {
  switch (kind) {
    case NodeKind::boolean:
      return "a boolean";
    case NodeKind::integer:
      return "an integer";
    case NodeKind::number:
      return "a number";
    default:
      return "a string";
  }
}

/// Booleans are written in one way.
std::string canonical(NodeKind kind, std::string_view text) {
  if (kind == NodeKind::boolean) {
    return text[0] == 't' || text[0] == 'T' ? "true" : "false";
  }
  return std::string(text);
}

void collect(const Node& node, std::set<const Node*>& into) {
  if (!into.insert(&node).second) {
    return;
  }
  for (const Member& member : node.members) {
    collect(*member.value, into);
  }
  for (const auto& item : node.items) {
    collect(*item, into);
  }
}

std::vector<std::string_view> names_of(const std::map<std::string, std::string, std::less<>>& map) {
  std::vector<std::string_view> names;
  names.reserve(map.size());
  for (const auto& [name, value] : map) {
    names.push_back(name);
  }
  return names;
}

}  // namespace

Variables::Variables(const Node& root, const std::string& file, const VariableValues& given,
                     std::size_t max_growth, Diagnostics& diagnostics)
    : file_(file), diagnostics_(diagnostics), growth_left_(max_growth) {
  const Node* extension = root.find("x-yc-apigateway");
  const Node* declarations = extension == nullptr ? nullptr : extension->find("variables");
  if (declarations != nullptr && !declarations->is_null()) {
    if (!declarations->is_mapping()) {
      diagnostics_.error(place(declarations->mark), "wrong-type",
                         "`variables` must be a mapping of names, it is " + declarations->describe(),
                         "write `NAME: {default: VALUE}`");
    }
    collect(*declarations, declared_nodes_);
    for (const Member& member : declarations->members) {
      declare(member.key, member.mark, *member.value, given);
    }
  }
  check_given(declarations, given);
}

void Variables::declare(const std::string& name, const Mark& mark, const Node& node,
                        const VariableValues& given) {
  Value value;
  // Even a declaration with mistakes declares its name: one mistake, one message.
  const auto keep = [&] {
    texts_[name] = value.text;
    values_[name] = value;
  };
  if (!node.is_mapping()) {
    diagnostics_.error(place(node.is_null() ? mark : node.mark), "wrong-type",
                       "the variable " + name + " must be a mapping, it is " + node.describe(),
                       "write `" + name + ": {default: VALUE}`");
    keep();
    return;
  }
  constexpr std::array<std::string_view, 3> known{"default", "enum", "description"};
  for (const Member& member : node.members) {
    if (std::find(known.begin(), known.end(), member.key) == known.end() && member.key.substr(0, 2) != "x-") {
      const std::string_view near = suggest(diagnostics_, member.key, {known.begin(), known.end()});
      diagnostics_.warning(place(member.mark), "unknown-key",
                           "the key \"" + member.key + "\" means nothing in the variable " + name,
                           near.empty() ? "remove it" : "did you mean `" + std::string(near) + "`?");
    }
  }
  const Node* initial = node.find("default");
  if (initial == nullptr || initial->is_null()) {
    diagnostics_.error(place(mark), "missing-option", "the variable " + name + " has no `default`",
                       "add the value that holds where none is given");
    keep();
    return;
  }
  if (!initial->is_scalar()) {
    diagnostics_.error(
        place(initial->mark), "wrong-type",
        "the `default` of the variable " + name + " must be a scalar, it is " + initial->describe(),
        "use a string, a number or a boolean");
    keep();
    return;
  }
  value.kind = initial->kind;
  value.text = canonical(initial->kind, initial->text);
  const Node* allowed = node.find("enum");
  if (allowed != nullptr && !allowed->is_null() && !allowed->is_sequence()) {
    diagnostics_.error(
        place(allowed->mark), "wrong-type",
        "the `enum` of the variable " + name + " must be a list, it is " + allowed->describe());
    allowed = nullptr;
  }
  if (allowed != nullptr && allowed->is_sequence()) {
    check_enum(name, *allowed, value, initial->mark, false);
  }
  const auto from_outside = given.find(name);
  if (from_outside != given.end()) {
    const std::string& text = from_outside->second;
    const NodeKind kind = plain_scalar_kind(text);
    const bool fits = value.kind == NodeKind::string || kind == value.kind ||
                      (value.kind == NodeKind::number && kind == NodeKind::integer);
    if (!fits) {
      diagnostics_.error(place(mark), "variable-type",
                         "the value \"" + text + "\" given for the variable " + name + " is not " +
                             std::string(name_of(value.kind)) + ", as its default is",
                         "give a value of that type, or write the default in quotes");
    } else {
      value.text = canonical(value.kind, text);
      if (allowed != nullptr && allowed->is_sequence()) {
        check_enum(name, *allowed, value, mark, true);
      }
    }
  }
  keep();
}

void Variables::check_enum(const std::string& name, const Node& list, const Value& value, const Mark& at,
                           bool given) {
  std::string choices;
  for (const auto& item : list.items) {
    const std::string text = canonical(item->kind, item->text);
    if (item->is_scalar() && text == value.text) {
      return;
    }
    choices += (choices.empty() ? "" : ", ") + text;
  }
  diagnostics_.error(place(at), "variable-enum",
                     std::string(given ? "the value" : "the default") + " \"" + value.text +
                         "\" of the variable " + name + " is not in its `enum`",
                     choices.empty() ? "the list is empty: remove it" : "use one of: " + choices);
}

void Variables::check_given(const Node* declarations, const VariableValues& given) {
  for (const auto& [name, text] : given) {
    if (texts_.find(name) != texts_.end()) {
      continue;
    }
    const std::string_view near =
        worth_suggesting(diagnostics_) ? suggest(diagnostics_, name, names_of(texts_)) : std::string_view();
    const Mark mark = declarations == nullptr ? Mark{} : declarations->mark;
    diagnostics_.error(place(mark), "unknown-variable",
                       "a value is given for the variable " + name + ", which the document does not declare",
                       near.empty() ? "declare it under x-yc-apigateway.variables, or do not give it"
                                    : "did you mean " + std::string(near) + "?");
  }
}

const Variables::Value* Variables::find(std::string_view name, const Node& at, const std::string& file) {
  const auto found = values_.find(name);
  if (found != values_.end()) {
    return &found->second;
  }
  const std::string_view near =
      worth_suggesting(diagnostics_) ? suggest(diagnostics_, name, names_of(texts_)) : std::string_view();
  diagnostics_.error({file, at.mark.line, at.mark.column}, "undeclared-variable",
                     "${var." + std::string(name) +
                         "} is not declared: either a gateway variable that nobody declared under "
                         "x-yc-apigateway.variables, or a Terraform variable that was never rendered",
                     near.empty() ? "declare it (`" + std::string(name) +
                                        ": {default: VALUE}`), or render the template before use"
                                  : "did you mean " + std::string(near) + "?");
  return nullptr;
}

void Variables::replace(Node& node, const std::string& file) {
  if (declared_nodes_.count(&node) != 0) {
    return;
  }
  const std::string& text = node.text;
  std::string out;
  std::size_t from = 0;
  std::size_t at = text.find(opening);
  while (at != std::string::npos) {
    const std::size_t end = text.find('}', at);
    if (end == std::string::npos) {
      break;
    }
    if (at > 0 && text[at - 1] == '$') {
      // `$${` is an escape of Terraform's templates: the linter tells, nothing is replaced.
      at = text.find(opening, end);
      continue;
    }
    const std::string_view name =
        std::string_view(text).substr(at + opening.size(), end - at - opening.size());
    const Value* value = find(name, node, file);
    if (value != nullptr) {
      if (value->text.size() > growth_left_) {
        diagnostics_.error({file, node.mark.line, node.mark.column}, "document-too-large",
                           "replacing variables makes the document larger than it may be",
                           "use shorter values, or fewer references");
        return;
      }
      growth_left_ -= value->text.size();
      if (at == 0 && end + 1 == text.size()) {
        node.kind = value->kind;
        node.text = value->text;
        return;
      }
      out.append(text, from, at - from);
      out += value->text;
      from = end + 1;
    }
    at = text.find(opening, end);
  }
  if (from > 0) {
    out.append(text, from);
    node.text = std::move(out);
  }
}

}  // namespace sluice::spec
