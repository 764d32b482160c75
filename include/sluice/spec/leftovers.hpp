/// Leftovers of templating in a document's values: `${…}`, `$${…}`, `<…>`, `{{…}}`, and a shell's `$NAME`
/// that is the whole value. spec.md section 1, severities: they are warnings. Layer spec.
#pragma once

#include <string_view>

namespace sluice::spec {

/// The first leftover in a text of one line, or empty. `${var.NAME}` is none: the gateway replaces it itself.
/// The view points into `text`.
[[nodiscard]] std::string_view find_leftover(std::string_view text);

}  // namespace sluice::spec
