// The errors of credentials.
#pragma once

#include <string>
#include <string_view>

#include "sluice/base/result.hpp"

namespace sluice::client::cloud {

/// 502, slug "credentials_unavailable"; nothing of `detail` reaches a client.
Error unavailable(std::string detail);
Error unknown_account(std::string_view account);

}  // namespace sluice::client::cloud
