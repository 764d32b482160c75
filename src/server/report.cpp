#include "sluice/server/report.hpp"

#include <map>

#include "sluice/base/codec.hpp"
#include "sluice/base/secrets.hpp"
#include "sluice/server/version.hpp"

namespace sluice::server {

namespace {

std::string_view severity_name(Severity severity) {
  return severity == Severity::error ? "error" : "warning";
}

/// RFC 3986: a relative reference for relative paths, a file: URI for absolute ones.
std::string to_uri(const std::string& path) {
  std::string uri = path.starts_with('/') ? "file://" : "";
  std::size_t start = 0;
  while (true) {
    const std::size_t slash = path.find('/', start);
    append_percent_encoded(uri, std::string_view(path).substr(start, slash - start), PercentSet::unreserved);
    if (slash == std::string::npos) {
      return uri;
    }
    uri.push_back('/');
    start = slash + 1;
  }
}

OrderedJson to_sarif(const Diagnostics& diagnostics) {
  OrderedJson rules = OrderedJson::array();
  OrderedJson results = OrderedJson::array();
  std::map<std::string, std::size_t> indices;
  for (const Diagnostic& item : diagnostics.items()) {
    const auto [rule, fresh] = indices.emplace(item.rule, indices.size());
    if (fresh) {
      OrderedJson entry;
      entry["id"] = item.rule;
      entry["name"] = item.rule;
      rules.push_back(std::move(entry));
    }
    const std::string text = item.hint.empty() ? item.message : item.message + "; " + item.hint;
    OrderedJson location;
    location["physicalLocation"]["artifactLocation"]["uri"] = to_uri(item.place.file);
    location["physicalLocation"]["region"]["startLine"] = item.place.line;
    location["physicalLocation"]["region"]["startColumn"] = item.place.column;
    OrderedJson result;
    result["ruleId"] = item.rule;
    result["ruleIndex"] = rule->second;
    result["level"] = severity_name(item.severity);
    result["message"]["text"] = mask_secrets(text);
    result["locations"] = OrderedJson::array({std::move(location)});
    results.push_back(std::move(result));
  }
  OrderedJson run;
  run["tool"]["driver"]["name"] = "sluice";
  run["tool"]["driver"]["version"] = version_text();
  run["tool"]["driver"]["rules"] = std::move(rules);
  run["results"] = std::move(results);
  OrderedJson log;
  log["$schema"] = "https://json.schemastore.org/sarif-2.1.0.json";
  log["version"] = "2.1.0";
  log["runs"] = OrderedJson::array({std::move(run)});
  return log;
}

}  // namespace

std::optional<ReportFormat> parse_report_format(std::string_view text) {
  if (text == "text") {
    return ReportFormat::text;
  }
  if (text == "json") {
    return ReportFormat::json;
  }
  return text == "sarif" ? std::optional(ReportFormat::sarif) : std::nullopt;
}

Json diagnostics_to_json(const Diagnostics& diagnostics) {
  Json list = Json::array();
  for (const Diagnostic& item : diagnostics.items()) {
    list.push_back({{"file", item.place.file},
                    {"line", item.place.line},
                    {"column", item.place.column},
                    {"severity", severity_name(item.severity)},
                    {"rule", item.rule},
                    {"message", mask_secrets(item.message)},
                    {"hint", mask_secrets(item.hint)}});
  }
  return list;
}

std::string render_report(const Diagnostics& diagnostics, ReportFormat format) {
  if (format == ReportFormat::json) {
    return dump_json(diagnostics_to_json(diagnostics), 2) + '\n';
  }
  if (format == ReportFormat::sarif) {
    return dump_json(to_sarif(diagnostics), 2) + '\n';
  }
  std::string out;
  for (const Diagnostic& item : diagnostics.items()) {
    out += mask_secrets(to_text(item)) + '\n';
  }
  return out;
}

}  // namespace sluice::server
