// `parameters` of path items and operations: places, styles, shapes, defaults.
#include <algorithm>
#include <array>
#include <unordered_set>

#include "sluice/base/codec.hpp"
#include "sluice/spec/object_reader.hpp"

#include "spec/checks.hpp"
#include "spec/suggest.hpp"

namespace sluice::spec {
namespace {

/// Schemas looked at to find out whether a parameter is a list; allOf may branch without end.
constexpr std::size_t max_schemas = 64;

struct StyleName {
  std::string_view name;
  ParameterStyle style;
  std::array<bool, 4> allowed;  ///< by ParameterIn
};

constexpr std::array<StyleName, 7> styles{{
    {"simple", ParameterStyle::simple, {true, false, true, false}},
    {"label", ParameterStyle::label, {true, false, false, false}},
    {"matrix", ParameterStyle::matrix, {true, false, false, false}},
    {"form", ParameterStyle::form, {false, true, false, true}},
    {"spaceDelimited", ParameterStyle::space_delimited, {false, true, false, false}},
    {"pipeDelimited", ParameterStyle::pipe_delimited, {false, true, false, false}},
    {"deepObject", ParameterStyle::deep_object, {false, true, false, false}},
}};

constexpr std::array<std::string_view, 4> places{"path", "query", "header", "cookie"};

std::optional<ParameterShape> shape_of_type(std::string_view type) {
  if (type == "array") {
    return ParameterShape::array;
  }
  if (type == "object") {
    return ParameterShape::object;
  }
  if (type.empty() || type == "null") {
    return std::nullopt;
  }
  return ParameterShape::primitive;
}

std::optional<ParameterShape> find_shape(const Document& document, const Node& schema,
                                         std::size_t& schemas_left) {
  if (schemas_left == 0 || !schema.is_mapping()) {
    return std::nullopt;
  }
  --schemas_left;
  const Node* type = document.get(schema, "type");
  if (type != nullptr && type->is_string()) {
    return shape_of_type(type->text);
  }
  if (type != nullptr && type->is_sequence()) {
    for (const auto& item : type->items) {
      if (const std::optional<ParameterShape> shape = shape_of_type(item->text)) {
        return shape;
      }
    }
  }
  if (schema.find("items") != nullptr) {
    return ParameterShape::array;
  }
  if (schema.find("properties") != nullptr || schema.find("additionalProperties") != nullptr) {
    return ParameterShape::object;
  }
  for (const std::string_view key : {"allOf", "oneOf", "anyOf"}) {
    const Node* parts = document.get(schema, key);
    if (parts == nullptr) {
      continue;
    }
    for (const auto& item : parts->items) {
      const Node* part = document.resolve(*item);
      if (part == nullptr) {
        continue;
      }
      if (schemas_left == 0) {
        return std::nullopt;
      }
      if (const std::optional<ParameterShape> shape = find_shape(document, *part, schemas_left)) {
        return shape;
      }
    }
  }
  return std::nullopt;
}

std::string scalar_text(const Node& node) {
  if (node.kind == NodeKind::boolean) {
    return node.text[0] == 't' || node.text[0] == 'T' ? "true" : "false";
  }
  if (node.is_null()) {
    return {};
  }
  return node.is_scalar() ? node.text : dump_json(to_json(node));
}

std::optional<std::vector<std::string>> default_of(const Document& document, const Node* schema) {
  const Node* value = schema == nullptr || !schema->is_mapping() ? nullptr : schema->find("default");
  if (value == nullptr || value->is_null()) {
    return std::nullopt;
  }
  value = document.resolve(*value);
  if (value == nullptr) {
    return std::nullopt;
  }
  std::vector<std::string> values;
  if (value->is_sequence()) {
    for (const auto& item : value->items) {
      values.push_back(scalar_text(*item));
    }
  } else if (value->is_mapping()) {
    for (const Member& member : value->members) {
      values.push_back(member.key);
      values.push_back(scalar_text(*member.value));
    }
  } else {
    values.push_back(scalar_text(*value));
  }
  return values;
}

void read_style(Checking& checking, const Node& node, Parameter& parameter) {
  parameter.style = parameter.in == ParameterIn::path || parameter.in == ParameterIn::header
                        ? ParameterStyle::simple
                        : ParameterStyle::form;
  const Node* style = checking.document.get(node, "style");
  if (style != nullptr && !style->is_null()) {
    std::vector<std::string_view> allowed;
    bool found = false;
    for (const StyleName& name : styles) {
      if (!name.allowed.at(static_cast<std::size_t>(parameter.in))) {
        continue;
      }
      allowed.push_back(name.name);
      if (style->is_string() && style->text == name.name) {
        parameter.style = name.style;
        found = true;
      }
    }
    if (!found) {
      std::string hint = "use ";
      for (std::size_t at = 0; at < allowed.size(); ++at) {
        hint += (at == 0 ? "" : ", ") + std::string(allowed[at]);
      }
      checking.warning(style->mark, "unknown-value",
                       "a parameter in " + std::string(to_string(parameter.in)) +
                           " has no such `style`: the default is used, it is " + style->describe(),
                       hint);
    }
  }
  parameter.explode = parameter.style == ParameterStyle::form;
  const Node* explode = checking.document.get(node, "explode");
  if (explode == nullptr || explode->is_null()) {
    return;
  }
  if (explode->kind == NodeKind::boolean) {
    parameter.explode = explode->text[0] == 't' || explode->text[0] == 'T';
  } else {
    checking.warning(explode->mark, "unknown-value",
                     "`explode` must be true or false: the default is used, it is " + explode->describe());
  }
}

std::optional<ParameterIn> read_place(Checking& checking, const Node& node, const std::string& name,
                                      bool report) {
  const Node* in = checking.document.get(node, "in");
  if (in == nullptr || in->is_null()) {
    if (report) {
      checking.error(node.mark, "missing-option", "the parameter " + name + " needs `in`",
                     "write path, query, header or cookie");
    }
    return std::nullopt;
  }
  for (std::size_t at = 0; at < places.size(); ++at) {
    if (in->is_string() && in->text == places.at(at)) {
      return static_cast<ParameterIn>(at);
    }
  }
  if (report) {
    const std::string_view near =
        in->is_string() ? suggest(checking.diagnostics, in->text, {places.begin(), places.end()})
                        : std::string_view();
    std::string hint = "use path, query, header or cookie";
    if (in->text == "body" || in->text == "formData") {
      hint = "OpenAPI 3 describes bodies with `requestBody`";
    } else if (!near.empty()) {
      hint = "did you mean `" + std::string(near) + "`?";
    }
    checking.warning(in->mark, "unknown-value",
                     "the parameter " + name + " is left out: `in` is " + in->describe(), std::move(hint));
  }
  return std::nullopt;
}

/// Names of one place are compared as they are, but for headers.
std::string identity(const Parameter& parameter) {
  std::string text(1, static_cast<char>(parameter.in));
  return text + (parameter.in == ParameterIn::header ? to_lower(parameter.name) : parameter.name);
}

void read_schema(Checking& checking, const Node& node, Parameter& parameter) {
  const Document& document = checking.document;
  parameter.schema = document.get(node, "schema");
  if (parameter.schema == nullptr) {
    // With `content` the value is a text of that media type: no style, no shape.
    const Node* content = document.get(node, "content");
    if (content != nullptr && content->is_mapping() && !content->members.empty()) {
      const Node* media = document.resolve(*content->members.front().value);
      parameter.content = media == nullptr ? nullptr : document.get(*media, "schema");
      parameter.default_values = default_of(document, parameter.content);
    }
    return;
  }
  std::size_t schemas_left = max_schemas;
  parameter.shape = find_shape(document, *parameter.schema, schemas_left).value_or(ParameterShape::primitive);
  parameter.default_values = default_of(document, parameter.schema);
}

}  // namespace

std::string_view to_string(ParameterIn in) noexcept {
  return places.at(static_cast<std::size_t>(in));
}

std::vector<Parameter> read_parameters(Checking& checking, const Node& list, const PathTemplate& path) {
  std::vector<Parameter> parameters;
  if (list.is_null()) {
    return parameters;
  }
  if (!list.is_sequence()) {
    checking.error(list.mark, "wrong-type", "`parameters` must be a list, it is " + list.describe(),
                   "begin each parameter with `- name: …`");
    return parameters;
  }
  if (!checking.spend(list.items.size(), list.mark)) {
    return parameters;
  }
  const std::vector<std::string> in_template = path.parameter_names();
  std::unordered_set<std::string> seen;
  for (const auto& item : list.items) {
    const Node* node = checking.document.resolve(*item);
    if (node == nullptr) {
      continue;
    }
    // A shared parameter is looked at once, whoever uses it.
    const bool report = checking.checked.insert(node).second;
    if (!node->is_mapping()) {
      if (report) {
        checking.error(node->mark, "wrong-type",
                       "a parameter must be a mapping or a $ref, it is " + node->describe());
      }
      continue;
    }
    check_keys(checking, *node, KeyPlace::parameter);
    const Node* name = checking.document.get(*node, "name");
    if (name == nullptr || !name->is_scalar() || name->is_null() || name->text.empty()) {
      if (report) {
        checking.error(name == nullptr ? node->mark : name->mark, "missing-option",
                       "a parameter needs `name`",
                       "write the name of the path, query, header or cookie "
                       "parameter");
      }
      continue;
    }
    Parameter parameter;
    parameter.name = name->text;
    parameter.mark = node->mark;
    const std::optional<ParameterIn> in = read_place(checking, *node, parameter.name, report);
    if (!in) {
      continue;
    }
    parameter.in = *in;
    if (parameter.in == ParameterIn::path && parameter.name.back() == '+') {
      parameter.name.pop_back();  // written as in the template: {name+}
    }
    Diagnostics ignored;
    Checking quiet(checking.document, report ? checking.diagnostics : ignored);
    read_style(quiet, *node, parameter);
    const Node* required = checking.document.get(*node, "required");
    parameter.required =
        parameter.in == ParameterIn::path || (required != nullptr && required->kind == NodeKind::boolean &&
                                              (required->text[0] == 't' || required->text[0] == 'T'));
    read_schema(checking, *node, parameter);
    if (!seen.insert(identity(parameter)).second) {
      checking.warning(item->mark, "repeated-parameter",
                       "the parameter " + parameter.name + " in " + std::string(to_string(parameter.in)) +
                           " stands twice in one list: the first one holds",
                       "remove or rename one of them");
      continue;
    }
    // A path that is no template was reported already.
    if (parameter.in == ParameterIn::path && !path.text.empty() &&
        std::find(in_template.begin(), in_template.end(), parameter.name) == in_template.end()) {
      const std::string_view near =
          suggest(checking.diagnostics, parameter.name, {in_template.begin(), in_template.end()});
      checking.warning(item->mark, "unused-path-parameter",
                       "the path " + path.text + " has no parameter {" + parameter.name + "}",
                       near.empty() ? "remove it, or write it into the path"
                                    : "did you mean `" + std::string(near) + "`?");
      continue;
    }
    parameters.push_back(std::move(parameter));
  }
  return parameters;
}

std::vector<Parameter> merge_parameters(const std::vector<Parameter>& path_item,
                                        const std::vector<Parameter>& operation, const PathTemplate& path,
                                        const Mark& mark) {
  std::unordered_set<std::string> seen;
  for (const Parameter& parameter : operation) {
    seen.insert(identity(parameter));
  }
  std::vector<Parameter> merged;
  for (const Parameter& parameter : path_item) {
    if (seen.insert(identity(parameter)).second) {
      merged.push_back(parameter);
    }
  }
  merged.insert(merged.end(), operation.begin(), operation.end());
  for (std::string& name : path.parameter_names()) {
    Parameter parameter;
    parameter.name = std::move(name);
    parameter.in = ParameterIn::path;
    parameter.style = ParameterStyle::simple;
    parameter.explode = false;
    parameter.required = true;
    parameter.declared = false;
    parameter.mark = mark;
    if (seen.insert(identity(parameter)).second) {
      merged.push_back(std::move(parameter));
    }
  }
  return merged;
}

}  // namespace sluice::spec
