/// The types of integration that this version knows. spec.md section 4.
#pragma once

#include "sluice/gateway/integration.hpp"

namespace sluice::integrations {

/// Every type of the contract: those that are built, and those that a later version builds (their options are
/// checked, their operations answer 501). Call once; the table is immutable.
gateway::IntegrationTable integration_table();

}  // namespace sluice::integrations
