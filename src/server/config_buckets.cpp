/// `buckets`: buckets that are folders here.
#include "config_reader.hpp"

namespace sluice::server {

void read_buckets(Section& root) {
  const spec::Node* node = root.node("buckets");
  if (node == nullptr) {
    return;
  }
  ConfigContext& context = root.context();
  for_each_member(
      context, *node, "buckets", [&](const std::string& name, const spec::Node& value, const spec::Member&) {
        Section bucket(context, value, "the bucket " + name);
        const std::optional<std::string> directory = bucket.path("directory");
        const bool given = bucket.has("directory");
        if (!value.is_mapping() || (given && !directory)) {
          return;  // reported
        }
        // Every `directory` is the configuration's own folder by default (daemon.md).
        context.config.buckets.push_back({name, directory.value_or(path_beside(context.config.file, ".")),
                                          bucket.place(given ? *bucket.node("directory") : value)});
      });
}

}  // namespace sluice::server
