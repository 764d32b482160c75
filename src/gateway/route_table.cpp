#include "sluice/gateway/route_table.hpp"

#include <algorithm>
#include <array>

namespace sluice::gateway {
namespace {

RouteRow make_row(const Gateway& gateway, const Plan& plan) {
  RouteRow row;
  row.method = plan.info.method.empty() ? "ANY" : plan.info.method;
  row.path_template = plan.info.path_template;
  row.integration = plan.info.integration_type;
  row.operation_id = plan.info.operation_id;
  row.refused = plan.refused_slug;
  row.place = gateway.api().document->place(plan.mark);
  return row;
}

void append_padded(std::string& out, std::string_view text, std::size_t width) {
  out += text;
  if (text.size() < width) {
    out.append(width - text.size(), ' ');
  }
  out += "  ";
}

}  // namespace

std::vector<RouteRow> route_table(const Gateway& gateway) {
  std::vector<RouteRow> rows;
  for (const std::size_t route : gateway.router().order()) {
    const RouteInput& input = gateway.routes()[route];
    for (std::size_t operation = 0; operation < input.methods.size(); ++operation) {
      rows.push_back(make_row(gateway, gateway.plan(route, operation)));
    }
    if (const Plan* plan = gateway.websocket_of(route)) {
      RouteRow& row = rows.emplace_back(make_row(gateway, *plan));
      row.method = "WEBSOCKET";
    }
  }
  return rows;
}

std::string route_table_text(const Gateway& gateway) {
  std::vector<std::array<std::string, 4>> lines{{"METHOD", "TEMPLATE", "INTEGRATION", "OPERATION"}};
  for (const RouteRow& row : route_table(gateway)) {
    std::string integration = row.integration.empty() ? "-" : row.integration;
    if (!row.refused.empty()) {
      integration += " (501 " + row.refused + ')';
    }
    lines.push_back({row.method, row.path_template, integration, row.operation_id});
  }
  std::array<std::size_t, 3> widths{};
  for (const auto& line : lines) {
    for (std::size_t column = 0; column < widths.size(); ++column) {
      widths.at(column) = std::max(widths.at(column), line.at(column).size());
    }
  }
  std::string out;
  for (const auto& line : lines) {
    for (std::size_t column = 0; column < widths.size(); ++column) {
      append_padded(out, line.at(column), widths.at(column));
    }
    out += line.back() + '\n';
  }
  return out;
}

OrderedJson route_table_json(const Gateway& gateway) {
  OrderedJson rows = OrderedJson::array();
  for (const RouteRow& row : route_table(gateway)) {
    OrderedJson item = OrderedJson::object();
    item["method"] = row.method;
    item["template"] = row.path_template;
    item["integration"] = row.integration.empty() ? OrderedJson(nullptr) : OrderedJson(row.integration);
    item["operationId"] = row.operation_id;
    if (!row.refused.empty()) {
      item["refused"] = row.refused;
    }
    item["place"] =
        row.place.file + ':' + std::to_string(row.place.line) + ':' + std::to_string(row.place.column);
    rows.push_back(std::move(item));
  }
  return rows;
}

}  // namespace sluice::gateway
