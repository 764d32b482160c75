/// The integration types of spec.md section 4 as names and options: what can be checked without building
/// one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/diagnostics.hpp"
#include "sluice/spec/document.hpp"

namespace sluice::spec {

/// All ten, spelled with '_'.
const std::vector<std::string_view>& integration_type_names();

/// The `type` of an integration ($ref followed), '-' made '_'; empty when missing or unknown. Reports
/// nothing: load_api() has reported both (rules missing-option, unknown-integration-type) for every
/// integration of an operation, a websocket event or a validation error handler.
std::string integration_type(const Document& document, const Node& integration);

/// Missing required options, unknown keys and values that cannot be: for types that no layer builds. Rules
/// missing-option, unknown-key, unknown-value, wrong-type, empty-tag.
void check_integration_options(const Document& document, const Node& integration, Diagnostics& diagnostics);

}  // namespace sluice::spec
