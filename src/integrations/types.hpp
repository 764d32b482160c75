/// The build functions of the types, for the table. Each reads its options, reports mistakes and returns
/// nullptr after one, or where the type is not built.
#pragma once

#include <memory>
#include <string_view>

#include "sluice/gateway/integration.hpp"

namespace sluice::integrations {

using IntegrationPtr = std::shared_ptr<const gateway::Integration>;

IntegrationPtr build_dummy(gateway::BuildContext& context, const spec::Node& node);
IntegrationPtr build_http(gateway::BuildContext& context, const spec::Node& node);
IntegrationPtr build_cloud_functions(gateway::BuildContext& context, const spec::Node& node);
IntegrationPtr build_serverless_containers(gateway::BuildContext& context, const spec::Node& node);
IntegrationPtr build_swagger(gateway::BuildContext& context, const spec::Node& node);
IntegrationPtr build_object_storage(gateway::BuildContext& context, const spec::Node& node);

/// Types of later versions: options checked, operations answer 501.
IntegrationPtr build_cloud_datasphere(gateway::BuildContext& context, const spec::Node& node);
IntegrationPtr build_cloud_datastreams(gateway::BuildContext& context, const spec::Node& node);
IntegrationPtr build_cloud_ymq(gateway::BuildContext& context, const spec::Node& node);
IntegrationPtr build_cloud_ydb(gateway::BuildContext& context, const spec::Node& node);

}  // namespace sluice::integrations
