/// Mistakes as `sluice check` prints them. daemon.md, "Command line".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/base/diagnostics.hpp"
#include "sluice/base/json.hpp"

namespace sluice::server {

enum class ReportFormat : std::uint8_t { text, json, sarif };
std::optional<ReportFormat> parse_report_format(std::string_view text);

/// One mistake a line; JSON: a list of {file, line, column, severity, rule, message, hint}; SARIF 2.1.0.
/// Secrets are masked. Ends with a line feed unless it is empty.
std::string render_report(const Diagnostics& diagnostics, ReportFormat format);
/// The list of the JSON form: also what POST /reload answers with 422.
Json diagnostics_to_json(const Diagnostics& diagnostics);

}  // namespace sluice::server
