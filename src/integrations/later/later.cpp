// Types that a later version builds: what `check` can say about their options is said now.
#include <initializer_list>

#include "sluice/spec/integration_types.hpp"

#include "integrations/common/options.hpp"
#include "integrations/types.hpp"

namespace sluice::integrations {
namespace {

using parameters::Landing;

/// An option that takes parameters, and where its text lands.
struct TextOption {
  std::string_view key;
  Landing landing;
};

IntegrationPtr build_later(gateway::BuildContext& context, const spec::Node& node, std::string_view type,
                           std::initializer_list<TextOption> texts) {
  spec::check_integration_options(context.document, node, context.diagnostics);
  for (const TextOption& option : texts) {
    const spec::Node* text = context.document.get(node, option.key);
    if (text == nullptr || text->is_null() || !text->is_scalar()) {
      continue;
    }
    const Result<parameters::TextTemplate> compiled =
        parameters::TextTemplate::compile(text->text, option.landing, context.operation.parameter_set);
    if (!compiled) {
      context.diagnostics.error(context.document.place(text->mark), rule_option,
                                '`' + std::string(option.key) + "`: " + compiled.error().detail);
    }
  }
  warn_not_built(context, node, "the integration type " + std::string(type));
  return nullptr;
}

}  // namespace

IntegrationPtr build_cloud_datasphere(gateway::BuildContext& context, const spec::Node& node) {
  return build_later(context, node, "cloud_datasphere", {});
}

IntegrationPtr build_cloud_datastreams(gateway::BuildContext& context, const spec::Node& node) {
  return build_later(context, node, "cloud_datastreams", {});
}

IntegrationPtr build_cloud_ymq(gateway::BuildContext& context, const spec::Node& node) {
  return build_later(context, node, "cloud_ymq", {});
}

IntegrationPtr build_cloud_ydb(gateway::BuildContext& context, const spec::Node& node) {
  return build_later(context, node, "cloud_ydb",
                     {{"key", Landing::json_text},
                      {"expression_attribute_values", Landing::json_text},
                      {"limit", Landing::json_text},
                      {"exclusive_start_key", Landing::json_text}});
}

}  // namespace sluice::integrations
