/// A bucket behind an endpoint that speaks S3. backends.md, "Object Storage".
#pragma once

#include "integrations/object_storage/store.hpp"

namespace sluice::integrations {

/// The store of a bucket that the configuration maps to no folder, for `serve --config`. `account`: the
/// service account of the integration or the document; empty: the bucket is read anonymously. nullptr after
/// an error in context.diagnostics, or where context.not_built was set. `node`: the integration, for places.
std::shared_ptr<const ObjectStore> make_s3_store(gateway::BuildContext& context, const spec::Node& node,
                                                 const std::string& bucket, const std::string& account);

}  // namespace sluice::integrations
