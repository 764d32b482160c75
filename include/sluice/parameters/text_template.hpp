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

/// Where the text lands.
enum class Landing : std::uint8_t {
  url,              ///< an absolute http or https URL; each part is looked at by itself
  url_path,         ///< a URL from its path on
  url_query_value,  ///< one name or value of a query: literal text is encoded too
  header,
  json_text,     ///< an option that is JSON text
  json_content,  ///< a body of a JSON type
  html_content,  ///< a body of an HTML or XML type
  plain,
  object_key
};

/// Immutable after compile; shared by workers.
class TextTemplate {
 public:
  /// Names that are no parameter of `set` stay as written. Errors (config): a parameter in a URL's scheme, a
  /// URL that is none whatever the values, a fragment, a header with control characters; for json_text, text
  /// that cannot be JSON whatever the values.
  static Result<TextTemplate> compile(std::string_view text, Landing landing, const ParameterSet& set);

  /// Errors (invalid, downstream, slug "parameter_…"): a value that may not stand there; message names the
  /// parameter.
  [[nodiscard]] Result<std::string> render(const Values& values) const;
  /// render() onto the end of `out`, which holds half of it after an error.
  [[nodiscard]] Result<void> append(std::string& out, const Values& values) const;
  /// No parameter in it: render() gives constant().
  [[nodiscard]] bool is_constant() const noexcept { return constant_; }
  /// What render() gives where is_constant(); differs from source() by encoding.
  [[nodiscard]] const std::string& constant() const noexcept;
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
  class UrlWriter;

  void tokenize(std::string_view text, const ParameterSet& set);
  Result<void> place_in_url();
  Result<void> place_in_json();
  [[nodiscard]] Result<void> append_url(std::string& out, const Values& values) const;
  [[nodiscard]] Result<void> append_value(std::string& out, const Piece& piece, std::string_view text) const;

  std::string source_;
  Landing landing_ = Landing::plain;
  std::vector<Piece> pieces_;
  bool parameter_in_host_ = false;
  bool constant_ = false;
};

}  // namespace sluice::parameters
