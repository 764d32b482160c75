// Hiding of credentials in what `explain` shows.
#include <algorithm>
#include <array>

#include "sluice/base/codec.hpp"
#include "sluice/base/secrets.hpp"
#include "sluice/gateway/explain.hpp"

namespace sluice::gateway {
namespace {

constexpr std::string_view mask = "***";

/// Names are compared in lower case without '-' and '_'.
std::string plain_name(std::string_view name) {
  std::string out = to_lower(name);
  std::erase_if(out, [](char byte) { return byte == '-' || byte == '_'; });
  return out;
}

/// The scheme of an Authorization stays: it tells what is sent without giving it away.
std::string masked_value(std::string_view name, std::string_view value) {
  const std::string plain = plain_name(name);
  if (plain == "authorization" || plain == "proxyauthorization") {
    const std::size_t space = value.find(' ');
    if (space != std::string_view::npos && is_token(value.substr(0, space))) {
      return std::string(value.substr(0, space + 1)).append(mask);
    }
  }
  return std::string(mask);
}

/// Hides what stands under the names that is_secret_name() knows, and under some more.
class Masker {
 public:
  explicit Masker(const std::vector<std::string>& more_names) {
    for (const std::string& name : more_names) {
      names_.push_back(plain_name(name));
    }
  }

  void mask_value(OrderedJson& value) const {
    if (value.is_object()) {
      for (auto& [name, member] : value.items()) {
        if (hides(name)) {
          mask_below(name, member);
        } else if (name == "body" && member.is_string()) {
          member = mask_body(member.get<std::string>());
        } else if (is_listed(value, name)) {
          mask_below(value.at("name").get_ref<const std::string&>(), member);
        } else {
          mask_value(member);
        }
      }
    } else if (value.is_array()) {
      for (OrderedJson& item : value) {
        mask_value(item);
      }
    } else if (value.is_string()) {
      value = mask_secrets(mask_query(value.get<std::string>()));
    }
  }

 private:
  [[nodiscard]] bool hides(std::string_view name) const {
    return is_secret_name(name) || std::find(names_.begin(), names_.end(), plain_name(name)) != names_.end();
  }

  /// `{name: …, value: …}`, the form of lists of headers and parameters.
  [[nodiscard]] bool is_listed(const OrderedJson& object, std::string_view member) const {
    if (member != "value") {
      return false;
    }
    const auto name = object.find("name");
    return name != object.end() && name->is_string() && hides(name->get_ref<const std::string&>());
  }

  /// `name=value` after '?' or '&' where the name holds a credential.
  [[nodiscard]] std::string mask_query(const std::string& text) const {
    std::string out;
    std::size_t at = 0;
    while (at < text.size()) {
      const std::size_t start = text.find_first_of("?&", at);
      if (start == std::string::npos) {
        break;
      }
      out.append(text, at, start + 1 - at);
      at = start + 1;
      const std::size_t end = std::min(text.find_first_of("&#\" \n", at), text.size());
      const std::size_t equals = text.find('=', at);
      if (equals != std::string::npos && equals < end &&
          hides(percent_decode_lenient(std::string_view(text).substr(at, equals - at), true))) {
        out.append(text, at, equals + 1 - at);
        out += mask;
        at = end;
      }
    }
    return at == 0 ? text : out.append(text, at);
  }

  /// A body that is JSON is looked into; any other is held for a form.
  [[nodiscard]] std::string mask_body(const std::string& text) const {
    if (text.starts_with('{') || text.starts_with('[')) {
      if (parse_json(text)) {
        OrderedJson parsed = OrderedJson::parse(text);
        mask_value(parsed);
        return dump_json(parsed);
      }
    }
    return mask_secrets(mask_query('&' + text).substr(1));
  }

  /// Everything below a name that holds credentials.
  static void mask_below(std::string_view name, OrderedJson& value) {
    if (value.is_structured()) {
      for (OrderedJson& item : value) {
        mask_below(name, item);
      }
    } else if (value.is_string()) {
      value = masked_value(name, value.get_ref<const std::string&>());
    } else if (!value.is_null()) {
      value = mask;
    }
  }

  std::vector<std::string> names_;
};

}  // namespace

bool is_secret_name(std::string_view name) {
  constexpr std::array<std::string_view, 9> whole{"cookie", "setcookie", "cookies",   "sig", "passwd",
                                                  "pwd",    "jwt",       "sessionid", "sid"};
  constexpr std::array<std::string_view, 9> parts{"token",      "secret",     "apikey",
                                                  "signature",  "credential", "accesskey",
                                                  "privatekey", "password",   "authorization"};
  const std::string plain = plain_name(name);
  return std::find(whole.begin(), whole.end(), plain) != whole.end() ||
         std::any_of(parts.begin(), parts.end(),
                     [&](std::string_view part) { return plain.find(part) != std::string::npos; });
}

void mask_json(OrderedJson& value, const std::vector<std::string>& more_names) {
  Masker(more_names).mask_value(value);
}

}  // namespace sluice::gateway
