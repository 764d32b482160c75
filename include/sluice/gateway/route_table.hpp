/// The compiled routes in match order: `sluice routes` and the admin API. daemon.md, "Command line".
#pragma once

#include <string>
#include <vector>

#include "sluice/base/json.hpp"
#include "sluice/gateway/gateway.hpp"

namespace sluice::gateway {

struct RouteRow {
  std::string method;  ///< "GET"…; "ANY" for x-yc-apigateway-any-method; "WEBSOCKET" for upgrades
  std::string path_template;
  std::string integration;  ///< type; "" where there is none
  std::string operation_id;
  std::string refused;  ///< "not_built", "no_integration" where it answers 501; else ""
  Place place;          ///< of the operation in its document
};

std::vector<RouteRow> route_table(const Gateway& gateway);
/// Columns method, template, integration, operationId, each row a line; a mark where it answers 501.
std::string route_table_text(const Gateway& gateway);
/// [{"method", "template", "integration", "operationId", "refused", "place"}].
OrderedJson route_table_json(const Gateway& gateway);

}  // namespace sluice::gateway
