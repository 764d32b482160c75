/// `{name}` in a substituting option, compiled at load and rendered for each request so that no value breaks
/// out of where it lands. spec.md section 3.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/result.hpp"
#include "sluice/parameters/values.hpp"

namespace sluice::parameters {

/// Where the text lands. url looks at each part of the URL by itself; json_text is an option that is JSON
/// text.
enum class Landing : std::uint8_t {
  url,
  url_query_value,
  header,
  json_text,
  json_content,
  html_content,
  plain,
  object_key
};

class TextTemplate {
 public:
  /// Names that are no parameter of `set` stay as written. Errors (config): for json_text, text that cannot
  /// be JSON whatever the values.
  static Result<TextTemplate> compile(std::string_view text, Landing landing, const ParameterSet& set);

  /// Errors (invalid, downstream, slug "parameter_…"): a value that may not stand there; message names the
  /// parameter.
  [[nodiscard]] Result<std::string> render(const Values& values) const;
  /// No parameter in it: render() gives this text.
  [[nodiscard]] bool is_constant() const noexcept;
  [[nodiscard]] const std::string& source() const noexcept { return source_; }
  /// url: a parameter stands in the host (then only public addresses may be reached).
  [[nodiscard]] bool has_parameter_in_host() const noexcept { return parameter_in_host_; }
  /// Any parameter of this template has a value in the request.
  [[nodiscard]] bool any_present(const Values& values) const noexcept;

 private:
  enum class Position : std::uint8_t { scheme, host, path, query, json_string, json_value, text };
  struct Piece {
    std::string literal;
    std::string name;                  ///< empty: literal
    std::vector<std::size_t> indices;  ///< candidates in order of precedence
    Position position = Position::text;
  };
  std::string source_;
  Landing landing_ = Landing::plain;
  std::vector<Piece> pieces_;
  bool parameter_in_host_ = false;
};

}  // namespace sluice::parameters
