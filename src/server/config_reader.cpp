#include "config_reader.hpp"

#include <charconv>
#include <utility>

#include "sluice/base/codec.hpp"
#include "sluice/base/secrets.hpp"

namespace sluice::server {

Section::Section(ConfigContext& context, const spec::Node& node, std::string what)
    : spec::ObjectReader(context.document, node, std::move(what), context.diagnostics, Severity::error),
      context_(context) {}

std::optional<std::string> Section::text(std::string_view key) {
  const spec::Node* found = node(key);
  if (found == nullptr) {
    return std::nullopt;
  }
  if (!found->is_string()) {
    error(*found, "wrong-kind", "`" + std::string(key) + "` must be a string, not " + found->describe(),
          found->is_scalar() && !found->is_null() ? "put it in quotes" : "");
    return std::nullopt;
  }
  return found->text;
}

std::optional<std::string> Section::secret(std::string_view key) {
  const spec::Node* found = node(key);
  if (found == nullptr) {
    return std::nullopt;
  }
  if (!found->is_string()) {
    error(*found, "wrong-kind", "`" + std::string(key) + "` must be a string",
          "write it in quotes, or better as \"${env:NAME}\" or \"${file:PATH}\"");
    return std::nullopt;
  }
  keep_secret(found->text);
  return found->text;
}

std::optional<std::string> Section::path(std::string_view key) {
  std::optional<std::string> value = text(key);
  if (!value) {
    return std::nullopt;
  }
  if (value->empty()) {
    error(*node(key), "empty-value", "`" + std::string(key) + "` names no file");
    return std::nullopt;
  }
  return path_beside(context_.config.file, *value);
}

std::optional<Duration> Section::duration(std::string_view key, Duration min, Duration max) {
  const spec::Node* found = node(key);
  if (found == nullptr || found->is_null()) {
    return std::nullopt;
  }
  const std::string name = "`" + std::string(key) + "`";
  if (!found->is_scalar()) {
    error(*found, "wrong-kind", name + " must be a duration such as 3s, not " + found->describe());
    return std::nullopt;
  }
  const Result<Duration> parsed = parse_duration(found->text);
  if (parsed.has_error()) {
    error(*found, "bad-duration", name + " " + parsed.error().detail);
    return std::nullopt;
  }
  if (parsed.value() < min || parsed.value() > max) {
    error(*found, "out-of-range",
          name + " must be from " + format_duration(min) + " to " + format_duration(max));
    return std::nullopt;
  }
  return parsed.value();
}

std::optional<std::uint64_t> Section::size(std::string_view key, std::uint64_t min, std::uint64_t max) {
  const spec::Node* found = node(key);
  if (found == nullptr || found->is_null()) {
    return std::nullopt;
  }
  const std::string name = "`" + std::string(key) + "`";
  if (!found->is_scalar()) {
    error(*found, "wrong-kind", name + " must be a size such as 64KiB, not " + found->describe());
    return std::nullopt;
  }
  const Result<std::uint64_t> parsed = parse_size(found->text);
  if (parsed.has_error()) {
    error(*found, "bad-size", name + " " + parsed.error().detail);
    return std::nullopt;
  }
  if (parsed.value() < min || parsed.value() > max) {
    error(*found, "out-of-range", name + " must be from " + format_size(min) + " to " + format_size(max));
    return std::nullopt;
  }
  return parsed.value();
}

std::optional<std::uint64_t> Section::count(std::string_view key, std::uint64_t min, std::uint64_t max) {
  const spec::Node* found = node(key);
  if (found == nullptr || found->is_null()) {
    return std::nullopt;
  }
  const std::string name = "`" + std::string(key) + "`";
  const bool usable =
      found->kind == spec::NodeKind::integer || (found->is_string() && context_.expanded.contains(found));
  std::uint64_t value = 0;
  const char* const end = found->text.data() + found->text.size();
  const auto parsed = std::from_chars(found->text.data(), end, value);
  if (!usable || parsed.ec != std::errc{} || parsed.ptr != end) {
    if (found->kind == spec::NodeKind::integer) {
      error(*found, "out-of-range",
            name + " must be from " + std::to_string(min) + " to " + std::to_string(max));
    } else {
      error(*found, "wrong-kind",
            name + " must be a whole number, not " +
                (context_.expanded.contains(found) ? "what its reference gives" : found->describe()));
    }
    return std::nullopt;
  }
  if (value < min || value > max) {
    error(*found, "out-of-range",
          name + " must be from " + std::to_string(min) + " to " + std::to_string(max));
    return std::nullopt;
  }
  return value;
}

std::optional<bool> Section::flag(std::string_view key) {
  const spec::Node* found = node(key);
  if (found == nullptr || found->is_null()) {
    return std::nullopt;
  }
  const bool usable =
      found->kind == spec::NodeKind::boolean || (found->is_string() && context_.expanded.contains(found));
  if (usable && equals_ignore_case(found->text, "true")) {
    return true;
  }
  if (usable && equals_ignore_case(found->text, "false")) {
    return false;
  }
  error(*found, "wrong-kind",
        "`" + std::string(key) + "` must be true or false, not " +
            (context_.expanded.contains(found) ? "what its reference gives" : found->describe()));
  return std::nullopt;
}

std::vector<std::pair<std::string, const spec::Node*>> Section::texts(std::string_view key) {
  std::vector<std::pair<std::string, const spec::Node*>> out;
  const spec::Node* found = node(key);
  if (found == nullptr || found->is_null()) {
    return out;
  }
  if (found->is_string()) {
    out.emplace_back(found->text, found);
    return out;
  }
  for_each_item(context_, *found, key, [&](const spec::Node& item) {
    if (item.is_string()) {
      out.emplace_back(item.text, &item);
    } else {
      error(item, "wrong-kind", "`" + std::string(key) + "` lists strings, not " + item.describe());
    }
  });
  return out;
}

std::vector<std::pair<std::string, std::string>> Section::map(std::string_view key, bool secret_values) {
  std::vector<std::pair<std::string, std::string>> out;
  const spec::Node* found = node(key);
  if (found == nullptr) {
    return out;
  }
  for_each_member(context_, *found, key,
                  [&](const std::string& name, const spec::Node& value, const spec::Member&) {
                    if (!value.is_scalar() || value.is_null()) {
                      error(value, "wrong-kind",
                            "`" + std::string(key) + "." + name + "` must be a string, number or bool");
                      return;
                    }
                    if (secret_values) {
                      keep_secret(value.text);
                    }
                    out.emplace_back(name, value.text);
                  });
  return out;
}

std::optional<std::string> Section::url(std::string_view key) {
  std::optional<std::string> value = text(key);
  if (!value) {
    return std::nullopt;
  }
  const Result<client::Url> parsed = client::parse_url(*value);
  if (parsed.has_error()) {
    error(*node(key), "bad-url", "`" + std::string(key) + "` is no usable URL: " + parsed.error().detail);
    return std::nullopt;
  }
  return value;
}

void Section::keep_secret(const std::string& value) {
  context_.config.secrets.push_back({"***", value});
  remember_secret(value);
}

void Section::not_built(const spec::Node& at, std::string_view what, std::string_view effect) {
  warning(at, "not-built", std::string(what) + " is not built in this version and " + std::string(effect));
}

std::string path_beside(const std::string& base_file, std::string_view path) {
  if (path.starts_with('/')) {
    return std::string(path);
  }
  const std::size_t slash = base_file.rfind('/');
  std::string folder = slash == std::string::npos ? "" : base_file.substr(0, slash + 1);
  while (path.starts_with("./")) {
    path.remove_prefix(2);
  }
  return folder + std::string(path);
}

std::string normal_domain(std::string_view text) {
  std::string domain = to_lower(text);
  if (domain.ends_with('.')) {
    domain.pop_back();
  }
  std::string_view name = domain;
  if (name.starts_with("*.")) {
    name.remove_prefix(2);
  }
  if (name.empty() || name.size() > 253) {
    return {};
  }
  std::size_t label = 0;
  for (std::size_t index = 0; index <= name.size(); ++index) {
    if (index == name.size() || name[index] == '.') {
      if (label == 0 || label > 63 || name[index - 1] == '-') {
        return {};
      }
      label = 0;
      continue;
    }
    const char letter = name[index];
    const bool alphanumeric = (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9');
    if (!alphanumeric && letter != '_' && (letter != '-' || label == 0)) {
      return {};
    }
    ++label;
  }
  return domain;
}

}  // namespace sluice::server
