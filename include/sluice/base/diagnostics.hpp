/// Mistakes in documents and configurations: collected, never thrown, so that all are told at once.
/// daemon.md, "Command line" (check).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

enum class Severity : std::uint8_t { warning, error };

/// A place in a file. Lines and columns count from 1; columns count bytes. `file` as the user named it.
struct Place {
  std::string file;
  std::uint32_t line = 1;
  std::uint32_t column = 1;
};

/// One mistake: what (`message`), by which rule (`rule`, kebab-case, stable) and what to do about it (`hint`,
/// may be empty).
struct Diagnostic {
  Place place;
  Severity severity = Severity::error;
  std::string rule;
  std::string message;
  std::string hint;
};

/// A list of mistakes. Not thread-safe; belongs to one compilation.
class Diagnostics {
 public:
  void error(Place place, std::string_view rule, std::string message, std::string hint = {});
  void warning(Place place, std::string_view rule, std::string message, std::string hint = {});
  void add(Diagnostic diagnostic);

  [[nodiscard]] bool has_errors() const noexcept { return errors_ != 0; }
  [[nodiscard]] std::size_t error_count() const noexcept { return errors_; }
  [[nodiscard]] std::size_t warning_count() const noexcept { return items_.size() - errors_; }
  [[nodiscard]] const std::vector<Diagnostic>& items() const noexcept { return items_; }

  /// Sorts by file, line and column and drops exact repetitions.
  void sort();
  /// Makes every warning an error (`check --strict`).
  void promote_warnings();

 private:
  std::vector<Diagnostic> items_;
  std::size_t errors_ = 0;
};

/// "file:line:col: error: text [rule-id]", with the hint appended as "; hint" where there is one.
std::string to_text(const Diagnostic& diagnostic);

/// The candidate nearest to `name` (edit distance at most a third of its length, at least 1), or empty.
std::string_view nearest_name(std::string_view name, const std::vector<std::string_view>& candidates);

}  // namespace sluice
