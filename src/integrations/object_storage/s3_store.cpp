#include "integrations/object_storage/s3_store.hpp"

#include "integrations/common/options.hpp"

namespace sluice::integrations {

std::shared_ptr<const ObjectStore> make_s3_store(gateway::BuildContext& context, const spec::Node& node,
                                                 const std::string& bucket, const std::string& /*account*/) {
  warn_not_built(context, node,
                 "the bucket " + bucket + " in the cloud (the configuration maps it nowhere: buckets: {" +
                     bucket + ": {directory: …}})");
  return nullptr;
}

}  // namespace sluice::integrations
