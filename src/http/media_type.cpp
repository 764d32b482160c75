#include "sluice/http/media_type.hpp"

#include <utility>

#include "sluice/base/codec.hpp"

namespace sluice::http {
namespace {

/// Cuts `text` at the next `separator` outside quotes and returns what was before it.
std::string_view next_part(std::string_view& text, char separator) noexcept {
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (quoted && text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      quoted = !quoted;
    } else if (text[at] == separator && !quoted) {
      const std::string_view part = text.substr(0, at);
      text.remove_prefix(at + 1);
      return part;
    }
  }
  return std::exchange(text, std::string_view());
}

/// A token or quoted string without its quotes; nullopt where it is neither.
std::optional<std::string> unquote(std::string_view text) {
  if (is_token(text)) {
    return std::string(text);
  }
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') {
    return std::nullopt;
  }
  text = text.substr(1, text.size() - 2);
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '"') {
      return std::nullopt;
    }
    if (text[at] == '\\') {
      ++at;
      if (at == text.size()) {
        return std::nullopt;
      }
    }
    out.push_back(text[at]);
  }
  return out;
}

struct Essence {
  std::string_view type;
  std::string_view subtype;
};

std::optional<Essence> split_essence(std::string_view text) noexcept {
  text = trim(text);
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || !is_token(text.substr(0, slash)) ||
      !is_token(text.substr(slash + 1))) {
    return std::nullopt;
  }
  return Essence{text.substr(0, slash), text.substr(slash + 1)};
}

/// "0.75" → 750; nullopt where it is no qvalue.
std::optional<int> parse_qvalue(std::string_view text) noexcept {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1') ||
      (text.size() > 1 && text[1] != '.')) {
    return std::nullopt;
  }
  int value = (text[0] - '0') * 1000;
  int weight = 100;
  for (std::size_t at = 2; at < text.size(); ++at, weight /= 10) {
    if (text[at] < '0' || text[at] > '9') {
      return std::nullopt;
    }
    value += (text[at] - '0') * weight;
  }
  return value <= 1000 ? std::optional<int>(value) : std::nullopt;
}

/// What one range says of one offer.
struct Verdict {
  int quality = -1;  ///< thousandths; -1: does not match
  int specificity = -1;
};

/// nullopt: the element is malformed.
std::optional<Verdict> judge(std::string_view element, const MediaType& offer) {
  std::string_view rest = element;
  const std::optional<Essence> essence = split_essence(next_part(rest, ';'));
  if (!essence || (essence->type == "*" && essence->subtype != "*")) {
    return std::nullopt;
  }
  Verdict verdict{1000, 0};
  if (essence->type == "*") {
    verdict.specificity = 0;
  } else if (!equals_ignore_case(essence->type, offer.type)) {
    verdict.specificity = -1;
  } else if (essence->subtype == "*") {
    verdict.specificity = 1;
  } else {
    verdict.specificity = equals_ignore_case(essence->subtype, offer.subtype) ? 2 : -1;
  }
  while (!rest.empty()) {
    const std::string_view parameter = trim(next_part(rest, ';'));
    if (parameter.empty()) {
      continue;
    }
    const std::size_t equals = parameter.find('=');
    const std::string_view name = parameter.substr(0, equals);
    if (!is_token(name)) {
      return std::nullopt;
    }
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : parameter.substr(equals + 1);
    if (equals_ignore_case(name, "q")) {
      const std::optional<int> quality = parse_qvalue(value);
      if (!quality) {
        return std::nullopt;
      }
      verdict.quality = *quality;
      break;  // what follows are extensions of Accept, not parameters of the type
    }
    if (verdict.specificity >= 0) {
      const std::optional<std::string_view> offered = offer.parameter(to_lower(name));
      if (offered) {
        const std::optional<std::string> wanted = unquote(value);
        const bool same = wanted && equals_ignore_case(*wanted, *offered);
        verdict.specificity = same ? verdict.specificity + 1 : -1;
      }
    }
  }
  if (verdict.specificity < 0) {
    verdict.quality = -1;
  }
  return verdict;
}

}  // namespace

std::optional<std::string_view> MediaType::parameter(std::string_view name) const noexcept {
  for (const auto& [its_name, value] : parameters) {
    if (its_name == name) {
      return value;
    }
  }
  return std::nullopt;
}

std::optional<MediaType> parse_media_type(std::string_view text) {
  std::string_view rest = text;
  const std::optional<Essence> essence = split_essence(next_part(rest, ';'));
  if (!essence) {
    return std::nullopt;
  }
  MediaType out{to_lower(essence->type), to_lower(essence->subtype), {}};
  while (!rest.empty()) {
    const std::string_view parameter = trim(next_part(rest, ';'));
    if (parameter.empty()) {
      continue;
    }
    const std::size_t equals = parameter.find('=');
    if (equals == std::string_view::npos || !is_token(parameter.substr(0, equals))) {
      return std::nullopt;
    }
    std::optional<std::string> value = unquote(parameter.substr(equals + 1));
    if (!value) {
      return std::nullopt;
    }
    out.parameters.emplace_back(to_lower(parameter.substr(0, equals)), std::move(*value));
  }
  return out;
}

std::optional<std::size_t> best_media_type(std::string_view accept, std::span<const MediaType> offers) {
  if (offers.empty()) {
    return std::nullopt;
  }
  if (accept == "*/*") {
    return 0;
  }
  std::optional<std::size_t> best;
  Verdict best_verdict{0, -1};
  bool any_element = false;
  for (std::size_t index = 0; index < offers.size(); ++index) {
    // The most specific range that matches decides the offer's quality.
    Verdict verdict;
    std::string_view rest = accept;
    while (!rest.empty()) {
      const std::string_view element = trim(next_part(rest, ','));
      if (element.empty()) {
        continue;
      }
      const std::optional<Verdict> one = judge(element, offers[index]);
      any_element = any_element || one.has_value();
      if (one && (one->specificity > verdict.specificity ||
                  (one->specificity == verdict.specificity && one->quality > verdict.quality))) {
        verdict = *one;
      }
    }
    if (verdict.quality > best_verdict.quality ||
        (verdict.quality > 0 && verdict.quality == best_verdict.quality &&
         verdict.specificity > best_verdict.specificity)) {
      best = index;
      best_verdict = verdict;
    }
  }
  return any_element ? best : std::optional<std::size_t>(0);
}

bool is_json_type(std::string_view content_type) noexcept {
  const std::optional<Essence> essence = split_essence(content_type.substr(0, content_type.find(';')));
  if (!essence) {
    return false;
  }
  constexpr std::string_view suffix = "+json";
  return (equals_ignore_case(essence->type, "application") && equals_ignore_case(essence->subtype, "json")) ||
         (essence->subtype.size() > suffix.size() &&
          equals_ignore_case(essence->subtype.substr(essence->subtype.size() - suffix.size()), suffix));
}

bool is_text_type(std::string_view content_type) noexcept {
  const std::optional<Essence> essence = split_essence(content_type.substr(0, content_type.find(';')));
  return essence && equals_ignore_case(essence->type, "text");
}

}  // namespace sluice::http
