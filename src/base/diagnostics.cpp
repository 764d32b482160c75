#include "sluice/base/diagnostics.hpp"

#include <algorithm>
#include <tuple>

#include "sluice/base/codec.hpp"

namespace sluice {

void Diagnostics::error(Place place, std::string_view rule, std::string message, std::string hint) {
  add({std::move(place), Severity::error, std::string(rule), std::move(message), std::move(hint)});
}

void Diagnostics::warning(Place place, std::string_view rule, std::string message, std::string hint) {
  add({std::move(place), Severity::warning, std::string(rule), std::move(message), std::move(hint)});
}

void Diagnostics::add(Diagnostic diagnostic) {
  if (diagnostic.severity == Severity::error) {
    ++errors_;
  }
  items_.push_back(std::move(diagnostic));
}

void Diagnostics::sort() {
  const auto key = [](const Diagnostic& item) {
    return std::tie(item.place.file, item.place.line, item.place.column, item.rule, item.message);
  };
  std::sort(items_.begin(), items_.end(),
            [&](const Diagnostic& left, const Diagnostic& right) { return key(left) < key(right); });
  const auto last =
      std::unique(items_.begin(), items_.end(),
                  [&](const Diagnostic& left, const Diagnostic& right) { return key(left) == key(right); });
  items_.erase(last, items_.end());
  errors_ = static_cast<std::size_t>(std::count_if(
      items_.begin(), items_.end(), [](const Diagnostic& item) { return item.severity == Severity::error; }));
}

void Diagnostics::promote_warnings() {
  for (Diagnostic& item : items_) {
    item.severity = Severity::error;
  }
  errors_ = items_.size();
}

std::string to_text(const Diagnostic& diagnostic) {
  std::string text = diagnostic.place.file + ':' + std::to_string(diagnostic.place.line) + ':' +
                     std::to_string(diagnostic.place.column) + ": " +
                     (diagnostic.severity == Severity::error ? "error: " : "warning: ") + diagnostic.message;
  if (!diagnostic.hint.empty()) {
    text += "; " + diagnostic.hint;
  }
  return text + " [" + diagnostic.rule + ']';
}

namespace {

std::size_t edit_distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> row(right.size() + 1);
  for (std::size_t column = 0; column < row.size(); ++column) {
    row[column] = column;
  }
  for (std::size_t line = 1; line <= left.size(); ++line) {
    std::size_t diagonal = row[0];
    row[0] = line;
    for (std::size_t column = 1; column <= right.size(); ++column) {
      const std::size_t above = row[column];
      const std::size_t change = left[line - 1] == right[column - 1] ? 0 : 1;
      row[column] = std::min({row[column] + 1, row[column - 1] + 1, diagonal + change});
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace

std::string_view nearest_name(std::string_view name, const std::vector<std::string_view>& candidates) {
  if (name.size() > 64) {
    return {};
  }
  for (const std::string_view candidate : candidates) {
    if (equals_ignore_case(name, candidate)) {
      return candidate;
    }
  }
  std::size_t best = std::max<std::size_t>(1, name.size() / 3) + 1;
  std::string_view found;
  for (const std::string_view candidate : candidates) {
    // The distance is at least the difference of the lengths.
    if (candidate.size() >= name.size() + best || name.size() >= candidate.size() + best) {
      continue;
    }
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < best) {
      best = distance;
      found = candidate;
    }
  }
  return found;
}

}  // namespace sluice
