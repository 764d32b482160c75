/// Reading of the configuration's sections: ObjectReader with the configuration's own kinds of value.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/server/config.hpp"
#include "sluice/spec/object_reader.hpp"

namespace sluice::server {

/// The configuration's tree with references replaced. It has no `$ref`.
class ConfigDocument final : public spec::Document {
 public:
  ConfigDocument(std::string file, std::shared_ptr<const spec::Node> root)
      : files_{std::move(file)}, root_(std::move(root)) {}
  [[nodiscard]] const spec::Node& root() const noexcept override { return *root_; }
  [[nodiscard]] const spec::Node* resolve(const spec::Node& node) const noexcept override { return &node; }
  [[nodiscard]] Place place(const spec::Mark& mark) const override {
    return {files_.front(), mark.line, mark.column};
  }
  [[nodiscard]] const std::vector<std::string>& files() const noexcept override { return files_; }
  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& variables() const noexcept override {
    return variables_;
  }

 private:
  std::vector<std::string> files_;
  std::map<std::string, std::string, std::less<>> variables_;
  std::shared_ptr<const spec::Node> root_;
};

/// What all sections share while a configuration is read.
struct ConfigContext {
  const ConfigDocument& document;
  Diagnostics& diagnostics;
  Config& config;
  /// Strings that references gave: these may stand for numbers and bools, too.
  std::set<const spec::Node*> expanded;
  ConfigSources sources;  ///< complete
};

/// One mapping of the configuration. Unknown keys are errors.
class Section : public spec::ObjectReader {
 public:
  Section(ConfigContext& context, const spec::Node& node, std::string what);

  std::optional<Duration> duration(std::string_view key, Duration min, Duration max);
  std::optional<std::uint64_t> size(std::string_view key, std::uint64_t min, std::uint64_t max);
  std::optional<std::uint64_t> count(std::string_view key, std::uint64_t min, std::uint64_t max);
  std::optional<bool> flag(std::string_view key);
  /// A path beside the configuration file.
  std::optional<std::string> path(std::string_view key);
  std::optional<std::string> text(std::string_view key);
  /// Text whose value must never be shown.
  std::optional<std::string> secret(std::string_view key);
  /// A sequence of strings; one string is a list of one.
  std::vector<std::pair<std::string, const spec::Node*>> texts(std::string_view key);
  /// A mapping of name → scalar text.
  std::vector<std::pair<std::string, std::string>> map(std::string_view key, bool secret_values);
  /// A URL of http or https, checked for its form.
  std::optional<std::string> url(std::string_view key);

  /// Keeps a value out of all messages and logs.
  void keep_secret(const std::string& value);
  /// The [not-built] warning at a node. `effect`: what comes of it.
  void not_built(const spec::Node& at, std::string_view what, std::string_view effect = "has no effect");
  [[nodiscard]] ConfigContext& context() noexcept { return context_; }

 private:
  ConfigContext& context_;
};

/// Calls `each(name, node)` for the members of a mapping; anything else is an error that names `what`.
template <class Each>
void for_each_member(ConfigContext& context, const spec::Node& node, std::string_view what, Each each) {
  if (node.is_null()) {
    return;
  }
  if (!node.is_mapping()) {
    context.diagnostics.error(context.document.place(node.mark), "wrong-kind",
                              "`" + std::string(what) + "` must be a mapping, not " + node.describe());
    return;
  }
  for (const spec::Member& member : node.members) {
    each(member.key, *member.value, member);
  }
}

/// Likewise for the items of a sequence.
template <class Each>
void for_each_item(ConfigContext& context, const spec::Node& node, std::string_view what, Each each) {
  if (node.is_null()) {
    return;
  }
  if (!node.is_sequence()) {
    context.diagnostics.error(context.document.place(node.mark), "wrong-kind",
                              "`" + std::string(what) + "` must be a list, not " + node.describe());
    return;
  }
  for (const auto& item : node.items) {
    each(*item);
  }
}

/// Lower-case host name, "*." in front allowed; empty when it is none.
std::string normal_domain(std::string_view text);

/// `url` of a function or container. Returns whether the key is there at all.
bool read_mapping(Section& section, const std::string& id,
                  std::vector<std::pair<std::string, gateway::MappedTarget>>& targets);
/// Keys of a function's or container's own process beside `url` are errors.
void refuse_beside_url(Section& section, std::initializer_list<std::string_view> keys, std::string_view what);
/// The environment of a function's or container's process. Values that references gave, and those whose names
/// speak of secrets, are kept out of messages.
std::vector<std::pair<std::string, std::string>> read_environment(Section& section);

void read_listeners(Section& root);
void read_gateways(Section& root);
void read_certificates(Section& root);
/// `services` and `service_accounts`; before the sections that name an account.
void read_services(Section& root);
void read_service_accounts(Section& root);
/// The account that `service_account` names; "" without. One that the configuration does not have, or that
/// has no IAM token, is an error.
std::string read_account_of(Section& section);
void read_functions(Section& root);
void read_containers(Section& root);
void read_buckets(Section& root);
void read_upstreams(Section& root);
void read_limits(Section& root);
/// Keys of later steps: shape only, each a [not-built] warning.
void read_later_sections(Section& root);

}  // namespace sluice::server
