#include "sluice/parameters/values.hpp"

#include <algorithm>

#include "sluice/base/codec.hpp"

namespace sluice::parameters {
namespace {

using spec::Parameter;
using spec::ParameterIn;
using spec::ParameterShape;
using spec::ParameterStyle;

/// How the raw texts of a place become values.
enum class Coding : std::uint8_t {
  decoded,  ///< path, header: nothing is left to decode
  query,    ///< percent-encoding, '+' is a space
  cookie,   ///< percent-encoding
};

std::string decode(std::string_view text, Coding coding) {
  switch (coding) {
    case Coding::query:
      return percent_decode_lenient(text, true);
    case Coding::cookie:
      return percent_decode_lenient(text, false);
    case Coding::decoded:
      break;
  }
  return std::string(text);
}

/// What separates items: one byte, or in a query also its encoded form (spaceDelimited, pipeDelimited).
struct Delimiter {
  char byte = ',';
  std::string_view encoded;  ///< "%20", "%7C"; hex digits compare without case
  bool plus = false;

  [[nodiscard]] std::size_t match(std::string_view text, std::size_t at) const noexcept {
    if (text[at] == byte || (plus && text[at] == '+')) {
      return 1;
    }
    if (!encoded.empty() && equals_ignore_case(text.substr(at, encoded.size()), encoded)) {
      return encoded.size();
    }
    return 0;
  }
};

Delimiter by(char byte) noexcept {
  Delimiter delimiter;
  delimiter.byte = byte;
  return delimiter;
}

std::vector<std::string_view> split(std::string_view text, const Delimiter& delimiter) {
  std::vector<std::string_view> parts;
  std::size_t start = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = delimiter.match(text, at);
    if (length == 0) {
      ++at;
      continue;
    }
    parts.push_back(text.substr(start, at - start));
    at += length;
    start = at;
  }
  parts.push_back(text.substr(start));
  return parts;
}

std::pair<std::string_view, std::string_view> split_pair(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return {text, {}};
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

/// A text that holds the whole value: "3,4,5", "R,100,G,200" or, exploded, "R=100,G=200".
Value read_delimited(ParameterShape shape, bool explode, std::string_view text, const Delimiter& delimiter,
                     Coding coding) {
  Value value;
  if (shape == ParameterShape::primitive) {
    value.present = true;
    value.items.push_back(decode(text, coding));
    return value;
  }
  if (text.empty()) {
    value.present = true;
    return value;
  }
  const std::vector<std::string_view> parts = split(text, delimiter);
  if (shape == ParameterShape::object && explode) {
    for (const std::string_view part : parts) {
      if (part.find('=') == std::string_view::npos) {
        return {};
      }
      const auto [name, content] = split_pair(part);
      value.items.push_back(decode(name, coding));
      value.items.push_back(decode(content, coding));
    }
  } else {
    if (shape == ParameterShape::object && parts.size() % 2 != 0) {
      return {};
    }
    for (const std::string_view part : parts) {
      value.items.push_back(decode(part, coding));
    }
  }
  value.present = true;
  return value;
}

Value read_matrix(const Parameter& parameter, std::string_view text) {
  Value value;
  if (!text.starts_with(';')) {
    return value;
  }
  const std::vector<std::string_view> parts = split(text.substr(1), by(';'));
  if (parameter.shape == ParameterShape::object && parameter.explode) {
    return read_delimited(parameter.shape, true, text.substr(1), by(';'), Coding::decoded);
  }
  for (const std::string_view part : parts) {
    const auto [name, content] = split_pair(part);
    if (name != parameter.name) {
      return {};
    }
    if (parameter.shape != ParameterShape::array || !parameter.explode) {
      return parts.size() == 1 ? read_delimited(parameter.shape, false, content, by(','), Coding::decoded)
                               : Value{};
    }
    value.items.emplace_back(content);
  }
  value.present = true;
  return value;
}

Value read_path(const Parameter& parameter, std::string_view text) {
  switch (parameter.style) {
    case ParameterStyle::label:
      if (!text.starts_with('.')) {
        return {};
      }
      return read_delimited(parameter.shape, parameter.explode, text.substr(1),
                            by(parameter.explode ? '.' : ','), Coding::decoded);
    case ParameterStyle::matrix:
      return read_matrix(parameter, text);
    default:
      return read_delimited(parameter.shape, parameter.explode, text, by(','), Coding::decoded);
  }
}

/// Pairs of a query or a Cookie header: names decoded, values as they came.
struct RawPair {
  std::string name;
  std::string_view raw;
};

void read_pairs(std::vector<RawPair>& pairs, std::string_view text, char separator, Coding coding) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (coding == Coding::cookie) {
      part = trim(part);
    }
    if (part.empty()) {
      continue;
    }
    const auto [name, raw] = split_pair(part);
    pairs.push_back({decode(name, coding), raw});
  }
}

Value read_deep_object(const Parameter& parameter, const std::vector<RawPair>& pairs, Coding coding) {
  Value value;
  for (const RawPair& pair : pairs) {
    std::string_view name = pair.name;
    if (!name.starts_with(parameter.name)) {
      continue;
    }
    name.remove_prefix(parameter.name.size());
    if (name.size() < 3 || name.front() != '[' || name.back() != ']') {
      continue;
    }
    name = name.substr(1, name.size() - 2);
    if (name.find_first_of("[]") != std::string_view::npos) {
      continue;
    }
    value.present = true;
    value.items.emplace_back(name);
    value.items.push_back(decode(pair.raw, coding));
  }
  return value;
}

Value read_exploded_object(const ParameterSet& set, std::size_t index, const std::vector<RawPair>& pairs,
                           Coding coding) {
  Value value;
  for (const RawPair& pair : pairs) {
    if (set.is_property(index, pair.name)) {
      value.present = true;
      value.items.push_back(pair.name);
      value.items.push_back(decode(pair.raw, coding));
    }
  }
  return value;
}

/// form, spaceDelimited, pipeDelimited and deepObject.
Value read_form(const ParameterSet& set, std::size_t index, const std::vector<RawPair>& pairs,
                Coding coding) {
  const Parameter& parameter = set.parameters()[index];
  if (parameter.style == ParameterStyle::deep_object) {
    return read_deep_object(parameter, pairs, coding);
  }
  if (parameter.shape == ParameterShape::object && parameter.explode &&
      parameter.style == ParameterStyle::form) {
    return read_exploded_object(set, index, pairs, coding);
  }
  Delimiter delimiter;
  if (parameter.style == ParameterStyle::space_delimited) {
    delimiter = {.byte = ' ', .encoded = "%20", .plus = true};
  } else if (parameter.style == ParameterStyle::pipe_delimited) {
    delimiter = {.byte = '|', .encoded = "%7C"};
  }
  Value value;
  for (const RawPair& pair : pairs) {
    if (pair.name != parameter.name) {
      continue;
    }
    if (parameter.shape == ParameterShape::primitive) {
      if (value.present) {
        value.earlier.push_back(std::move(value.items.front()));
        value.items.clear();
      }
      value.present = true;
      value.items.push_back(decode(pair.raw, coding));
    } else if (parameter.shape == ParameterShape::array && parameter.explode) {
      value.present = true;
      value.exploded = true;
      value.items.push_back(decode(pair.raw, coding));
    } else {
      Value part = read_delimited(parameter.shape, false, pair.raw, delimiter, coding);
      if (!part.present) {
        return {};
      }
      value.present = true;
      std::move(part.items.begin(), part.items.end(), std::back_inserter(value.items));
    }
  }
  return value;
}

Value read_header(const Parameter& parameter, const http::Headers& headers) {
  Value value;
  std::string joined;
  for (const http::Headers::Field& field : headers) {
    if (!equals_ignore_case(field.name, parameter.name)) {
      continue;
    }
    if (parameter.shape == ParameterShape::primitive) {
      if (value.present) {
        value.earlier.push_back(std::move(value.items.front()));
        value.items.clear();
      }
      value.items.emplace_back(field.value);
    } else {
      joined.append(value.present ? "," : "").append(field.value);
    }
    value.present = true;
  }
  if (!value.present || parameter.shape == ParameterShape::primitive) {
    return value;
  }
  value = read_delimited(parameter.shape, parameter.explode, joined, by(','), Coding::decoded);
  for (std::string& item : value.items) {
    item = std::string(trim(item));
  }
  return value;
}

std::vector<RawPair> cookie_pairs(const http::Headers& headers) {
  std::vector<RawPair> pairs;
  for (const http::Headers::Field& field : headers) {
    if (field.id == http::FieldId::cookie) {
      read_pairs(pairs, field.value, ';', Coding::cookie);
    }
  }
  return pairs;
}

const Value& absent() noexcept {
  static const Value value;
  return value;
}

}  // namespace

std::string Value::text() const {
  std::string out;
  for (const std::string& item : items) {
    if (&item != &items.front()) {
      out.push_back(',');
    }
    out.append(item);
  }
  return out;
}

ParameterSet::ParameterSet(std::vector<Parameter> parameters) : parameters_(std::move(parameters)) {
  properties_.resize(parameters_.size());
  for (std::size_t index = 0; index < parameters_.size(); ++index) {
    const Parameter& parameter = parameters_[index];
    has_.at(static_cast<std::size_t>(parameter.in)) = true;
    const spec::Node* properties =
        parameter.schema == nullptr ? nullptr : parameter.schema->find("properties");
    if (properties != nullptr && properties->is_mapping()) {
      for (const spec::Member& member : properties->members) {
        properties_[index].push_back(member.key);
      }
    }
  }
}

bool ParameterSet::contains(std::string_view name) const noexcept {
  return std::any_of(parameters_.begin(), parameters_.end(),
                     [&](const Parameter& parameter) { return parameter.name == name; });
}

std::vector<std::size_t> ParameterSet::find(std::string_view name) const {
  std::vector<std::size_t> found;
  for (const ParameterIn in :
       {ParameterIn::path, ParameterIn::query, ParameterIn::header, ParameterIn::cookie}) {
    for (std::size_t index = 0; index < parameters_.size(); ++index) {
      if (parameters_[index].in == in && parameters_[index].name == name) {
        found.push_back(index);
      }
    }
  }
  return found;
}

bool ParameterSet::is_property(std::size_t index, std::string_view name) const noexcept {
  const std::vector<std::string>& properties = properties_[index];
  if (!properties.empty()) {
    return std::find(properties.begin(), properties.end(), name) != properties.end();
  }
  return std::none_of(parameters_.begin(), parameters_.end(), [&](const Parameter& parameter) {
    return parameter.in == parameters_[index].in && parameter.name == name;
  });
}

Values Values::extract(const ParameterSet& set, const http::Request& request,
                       std::vector<PathCapture> captures) {
  Values values;
  values.captures_ = std::move(captures);
  values.values_.reserve(set.parameters().size());
  std::vector<RawPair> query;
  std::vector<RawPair> cookies;
  if (set.has(ParameterIn::query)) {
    read_pairs(query, request.query, '&', Coding::query);
  }
  if (set.has(ParameterIn::cookie)) {
    cookies = cookie_pairs(request.headers);
  }
  for (std::size_t index = 0; index < set.parameters().size(); ++index) {
    const Parameter& parameter = set.parameters()[index];
    Value value;
    switch (parameter.in) {
      case ParameterIn::path:
        if (const PathCapture* capture = values.capture(parameter.name)) {
          value = read_path(parameter, capture->value);
        }
        break;
      case ParameterIn::query:
        value = read_form(set, index, query, Coding::query);
        break;
      case ParameterIn::header:
        value = read_header(parameter, request.headers);
        break;
      case ParameterIn::cookie:
        value = read_form(set, index, cookies, Coding::cookie);
        break;
    }
    if (!value.present && parameter.default_values) {
      value.present = true;
      value.from_default = true;
      value.items = *parameter.default_values;
    }
    values.values_.push_back(std::move(value));
  }
  return values;
}

const Value& Values::first(const std::vector<std::size_t>& indices) const noexcept {
  for (const std::size_t index : indices) {
    if (index < values_.size() && values_[index].present) {
      return values_[index];
    }
  }
  return absent();
}

const PathCapture* Values::capture(std::string_view name) const noexcept {
  for (const PathCapture& capture : captures_) {
    if (capture.name == name) {
      return &capture;
    }
  }
  return nullptr;
}

}  // namespace sluice::parameters
