#include "integrations/common/options.hpp"

#include <algorithm>

#include "sluice/base/codec.hpp"

namespace sluice::integrations {

using parameters::Landing;
using parameters::ParameterSet;
using parameters::TextTemplate;

bool FieldTemplate::is_constant() const noexcept {
  return std::all_of(values.begin(), values.end(),
                     [](const TextTemplate& value) { return value.is_constant(); });
}

std::optional<TextTemplate> compile_template(spec::ObjectReader& reader, const spec::Node& at,
                                             std::string_view text, Landing landing,
                                             const ParameterSet& set) {
  Result<TextTemplate> compiled = TextTemplate::compile(text, landing, set);
  if (!compiled) {
    reader.error(at, rule_option, compiled.error().detail);
    return std::nullopt;
  }
  return std::move(*compiled);
}

bool check_header_name(spec::ObjectReader& reader, const spec::Node& at, std::string_view name) {
  if (is_token(name)) {
    return true;
  }
  reader.error(at, rule_option, "\"" + sanitize_utf8(name) + "\" is no valid header name",
               "use letters, digits and '-'");
  return false;
}

std::vector<FieldTemplate> read_fields(spec::ObjectReader& reader, std::string_view key, Landing landing,
                                       const ParameterSet& set, const spec::Node** star) {
  std::vector<FieldTemplate> fields;
  const spec::Node* map = reader.node(key);
  if (map == nullptr || map->is_null()) {
    return fields;
  }
  if (!map->is_mapping()) {
    reader.error(*map, "wrong-type",
                 '`' + std::string(key) + "` of an integration must be a mapping, it is " + map->describe());
    return fields;
  }
  for (const spec::Member& member : map->members) {
    const spec::Node* value = reader.document().resolve(*member.value);
    if (value == nullptr) {
      continue;
    }
    if (member.key == "*" && star != nullptr) {
      *star = value;
      continue;
    }
    if (landing == Landing::header && !check_header_name(reader, *value, member.key)) {
      continue;
    }
    FieldTemplate field;
    field.name = member.key;
    const auto add = [&](const spec::Node& item) {
      if (!item.is_scalar()) {
        reader.error(item, rule_option,
                     "the value of \"" + sanitize_utf8(member.key) + "\" in " + std::string(key) +
                         " must be a text or a list of texts, not " + item.describe());
        return;
      }
      if (auto compiled = compile_template(reader, item, item.is_null() ? "" : item.text, landing, set)) {
        field.values.push_back(std::move(*compiled));
      }
    };
    if (value->is_sequence()) {
      for (const std::shared_ptr<const spec::Node>& item : value->items) {
        if (const spec::Node* resolved = reader.document().resolve(*item)) {
          add(*resolved);
        }
      }
    } else {
      add(*value);
    }
    fields.push_back(std::move(field));
  }
  return fields;
}

std::optional<std::string> read_service_account(spec::ObjectReader& reader) {
  std::optional<std::string> found =
      reader.string({"service_account_id", "serviceAccountId", "service_account"});
  if (found && found->empty()) {
    found.reset();
  }
  return found;
}

void warn_not_built(gateway::BuildContext& context, const spec::Node& at, std::string_view what) {
  context.not_built = true;
  context.diagnostics.warning(context.document.place(at.mark), "not-built",
                              std::string(what) + " is built in a later version; the operation answers 501");
}

DeepTemplate::DeepTemplate(const spec::Node& node, const spec::Document& document, const ParameterSet& set) {
  collect(node, document, set, Json::json_pointer(), base_, 0);
}

void DeepTemplate::collect(const spec::Node& node, const spec::Document& document, const ParameterSet& set,
                           const Json::json_pointer& at, Json& out, std::size_t depth) {
  constexpr std::size_t max_depth = 100;
  const spec::Node* resolved = document.resolve(node);
  if (resolved == nullptr || depth > max_depth) {
    return;
  }
  if (resolved->is_mapping()) {
    out = Json::object();
    for (const spec::Member& member : resolved->members) {
      const std::string key = sanitize_utf8(member.key);
      collect(*member.value, document, set, at / key, out[key], depth + 1);
    }
  } else if (resolved->is_sequence()) {
    out = Json::array();
    for (std::size_t index = 0; index < resolved->items.size(); ++index) {
      out.push_back(nullptr);
      collect(*resolved->items[index], document, set, at / index, out[index], depth + 1);
    }
  } else if (resolved->is_string()) {
    out = sanitize_utf8(resolved->text);
    Result<TextTemplate> text = TextTemplate::compile(resolved->text, Landing::plain, set);
    if (text && !text->is_constant()) {
      places_.push_back({at, std::move(*text)});
    }
  } else {
    out = spec::to_json(*resolved);
  }
}

Json DeepTemplate::render(const parameters::Values& values) const {
  Json result = base_;
  for (const Place& place : places_) {
    // A plain template cannot fail.
    result[place.at] = sanitize_utf8(place.text.render(values).value());
  }
  return result;
}

OrderedJson explain_headers(const http::Headers& headers) {
  OrderedJson result = OrderedJson::object();
  for (const http::Headers::Field& field : headers) {
    const std::string name = sanitize_utf8(field.name);
    OrderedJson value = sanitize_utf8(field.value);
    if (!result.contains(name)) {
      result[name] = std::move(value);
    } else if (result[name].is_array()) {
      result[name].push_back(std::move(value));
    } else {
      OrderedJson list = OrderedJson::array();
      list.push_back(result[name]);
      list.push_back(std::move(value));
      result[name] = std::move(list);
    }
  }
  return result;
}

std::string explain_url(const client::Origin& origin, std::string_view authority,
                        std::string_view path_and_query) {
  std::string url;
  switch (origin.scheme) {
    case client::Origin::Scheme::http:
      url = "http://";
      break;
    case client::Origin::Scheme::https:
      url = "https://";
      break;
    case client::Origin::Scheme::unix_socket:
      url = "unix:" + origin.host + ":";
      return url.append(path_and_query);
  }
  return url.append(authority).append(path_and_query);
}

OrderedJson explain_body(const std::optional<std::string>& body) {
  if (!body || body->empty()) {
    return nullptr;
  }
  return sanitize_utf8(*body);
}

OrderedJson explain_response(const http::Response& response) {
  OrderedJson result = OrderedJson::object();
  OrderedJson& shown = result["response"];
  shown["status"] = response.status;
  shown["headers"] = explain_headers(response.headers);
  const auto* body = std::get_if<std::string>(&response.body);
  shown["body"] = explain_body(body == nullptr ? std::nullopt : std::optional<std::string>(*body));
  return result;
}

}  // namespace sluice::integrations
