/// The document as it is shown to clients: what they may call, and nothing of how it is answered.
#pragma once

#include <string>

#include "sluice/base/json.hpp"
#include "sluice/base/result.hpp"
#include "sluice/spec/api.hpp"

namespace sluice::integrations {

/// OpenAPI without what is the operator's business:
/// - every extension (`x-…`), so integrations, authorizers, limits, variables;
/// - `servers` (the caller names the gateway);
/// - secrets: what the configuration took from its environment or files, values of variables that are named
/// like
///   a secret or marked `x-secret: true`, examples and defaults under such names, user names in URLs;
/// - hosts of integrations, and internal hosts in URLs (loopback, private, single labels, .internal and so
/// on):
///   "***".
///
/// It stands alone (files beside the document are brought in), and is written as OpenAPI's tools expect it:
/// greedy templates become plain ones (their parameters' names are in the operation's `x-greedy-parameters`),
/// any-method operations one operation for each usual method that the path does not name, path parameters
/// that nobody declared are, `responses` is never missing; paths without operations are left out.
///
/// Without `openapi` and `servers`, which the caller writes first. Errors (too_large, config): the references
/// of the document multiply to more nodes than it may have.
Result<OrderedJson> public_document(const spec::Api& api);

/// Where `text` names a host that is nobody's business; exposed for tests.
bool is_internal_host(std::string_view host);

}  // namespace sluice::integrations
