#include "server/mappings.hpp"

#include <string_view>
#include <vector>

namespace sluice::server {
namespace {

struct Mapped {
  std::string_view id;
  const Place* place;  ///< nullptr: not kept
};

void compare(std::string_view what, const std::vector<Mapped>& mapped, const std::set<std::string>& named,
             Diagnostics& diagnostics) {
  std::set<std::string_view> ids;
  for (const Mapped& one : mapped) {
    ids.insert(one.id);
  }
  std::vector<std::string_view> wanting;
  for (const std::string& id : named) {
    if (ids.count(id) == 0) {
      wanting.push_back(id);
    }
  }
  for (const Mapped& one : mapped) {
    if (one.place == nullptr || named.count(std::string(one.id)) != 0) {
      continue;
    }
    const std::string_view near = nearest_name(one.id, wanting);
    if (!near.empty()) {
      diagnostics.warning(*one.place, "unnamed-id",
                          "no document names the " + std::string(what) + ' ' + std::string(one.id),
                          "did you mean `" + std::string(near) + "`, which is mapped nowhere?");
    }
  }
}

}  // namespace

void NamedIds::add(const spec::Node& root) {
  std::vector<const spec::Node*> waiting{&root};
  while (!waiting.empty()) {
    const spec::Node& node = *waiting.back();
    waiting.pop_back();
    for (const spec::Member& member : node.members) {
      if (!member.value->is_string()) {
        waiting.push_back(member.value.get());
      } else if (member.key == "function_id") {
        functions.insert(member.value->text);
      } else if (member.key == "container_id") {
        containers.insert(member.value->text);
      } else if (member.key == "bucket") {
        buckets.insert(member.value->text);
      }
    }
    for (const auto& item : node.items) {
      waiting.push_back(item.get());
    }
  }
}

void check_mappings(const Config& config, const NamedIds& named, Diagnostics& diagnostics) {
  std::vector<Mapped> mapped;
  mapped.reserve(config.functions.size() + config.local_functions.size() + config.containers.size() +
                 config.local_containers.size() + config.buckets.size());
  for (const auto& [id, target] : config.functions) {
    mapped.push_back({id, nullptr});
  }
  for (const LocalFunctionConfig& function : config.local_functions) {
    mapped.push_back({function.spec.id, &function.runtime_place});
  }
  compare("function", mapped, named.functions, diagnostics);
  mapped.clear();
  for (const auto& [id, target] : config.containers) {
    mapped.push_back({id, nullptr});
  }
  for (const ContainerConfig& container : config.local_containers) {
    mapped.push_back({container.id, &container.place});
  }
  compare("container", mapped, named.containers, diagnostics);
  mapped.clear();
  for (const BucketConfig& bucket : config.buckets) {
    mapped.push_back({bucket.name, &bucket.place});
  }
  compare("bucket", mapped, named.buckets, diagnostics);
}

}  // namespace sluice::server
