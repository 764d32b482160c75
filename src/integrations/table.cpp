#include "sluice/integrations/table.hpp"

#include "integrations/types.hpp"

namespace sluice::integrations {

gateway::IntegrationTable integration_table() {
  return {
      {"dummy", build_dummy},
      {"http", build_http},
      {"cloud_functions", build_cloud_functions},
      {"serverless_containers", build_serverless_containers},
      {"object_storage", build_object_storage},
      {"cloud_datasphere", build_cloud_datasphere},
      {"cloud_datastreams", build_cloud_datastreams},
      {"cloud_ymq", build_cloud_ymq},
      {"cloud_ydb", build_cloud_ydb},
      {"swagger", build_swagger},
  };
}

}  // namespace sluice::integrations
