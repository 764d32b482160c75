#include "sluice/gateway/gateway.hpp"

#include <algorithm>
#include <set>
#include <tuple>

#include "sluice/spec/integration_types.hpp"

#include "gateway/operation_metrics.hpp"

namespace sluice::gateway {

const MappedTarget* Environment::function(std::string_view id) const noexcept {
  const auto found =
      std::find_if(functions.begin(), functions.end(), [&](const auto& entry) { return entry.first == id; });
  return found == functions.end() ? nullptr : &found->second;
}

const std::string* Environment::local_function(std::string_view id) const noexcept {
  const auto found = std::find_if(local_functions.begin(), local_functions.end(),
                                  [&](const auto& entry) { return entry.first == id; });
  return found == local_functions.end() ? nullptr : &found->second;
}

const MappedTarget* Environment::container(std::string_view id) const noexcept {
  const auto found = std::find_if(containers.begin(), containers.end(),
                                  [&](const auto& entry) { return entry.first == id; });
  return found == containers.end() ? nullptr : &found->second;
}

std::shared_ptr<const Folder> Environment::bucket(std::string_view name) const noexcept {
  const auto found =
      std::find_if(buckets.begin(), buckets.end(), [&](const auto& entry) { return entry.first == name; });
  return found == buckets.end() ? nullptr : found->second;
}

std::shared_ptr<LocalContainer> Environment::local_container(std::string_view id) const noexcept {
  const auto found = std::find_if(local_containers.begin(), local_containers.end(),
                                  [&](const auto& container) { return container->id() == id; });
  return found == local_containers.end() ? nullptr : *found;
}

const ServiceAccount* Environment::account(std::string_view id) const noexcept {
  const auto found = std::find_if(service_accounts.begin(), service_accounts.end(),
                                  [&](const ServiceAccount& account) { return account.id == id; });
  return found == service_accounts.end() ? nullptr : &*found;
}

namespace {

class CompiledGateway final : public Gateway {
 public:
  CompiledGateway(GatewaySettings its_settings, std::shared_ptr<const spec::Api> its_api)
      : settings_(std::move(its_settings)), api_(std::move(its_api)) {}

  [[nodiscard]] const GatewaySettings& settings() const noexcept override { return settings_; }
  [[nodiscard]] const spec::Api& api() const noexcept override { return *api_; }
  [[nodiscard]] const Router& router() const noexcept override { return *router_; }
  [[nodiscard]] const Plan& plan(std::size_t route, std::size_t operation) const noexcept override {
    return *plans_[route][operation];
  }
  [[nodiscard]] const std::vector<RouteInput>& routes() const noexcept override { return routes_; }
  [[nodiscard]] const Plan* websocket(const http::CanonicalPath& path) const override {
    if (!websocket_router_) {
      return nullptr;
    }
    const Match match = websocket_router_->match(http::Method::get, "GET", path);
    return match.outcome == Match::Outcome::found ? websocket_of(websocket_routes_[match.route]) : nullptr;
  }
  [[nodiscard]] const Plan* websocket_of(std::size_t route) const noexcept override {
    return websocket_plans_[route].get();
  }
  [[nodiscard]] const std::shared_ptr<OperationMetrics>& unmatched_metrics() const noexcept override {
    return unmatched_;
  }

 private:
  friend class Compiler;
  GatewaySettings settings_;
  std::shared_ptr<const spec::Api> api_;
  std::vector<RouteInput> routes_;
  std::vector<std::vector<std::unique_ptr<Plan>>> plans_;
  std::unique_ptr<const Router> router_;
  std::vector<std::unique_ptr<Plan>> websocket_plans_;  ///< aligned with routes_; most are nullptr
  std::vector<std::size_t> websocket_routes_;           ///< indices into routes_ of websocket_router_'s
  std::unique_ptr<const Router> websocket_router_;
  std::shared_ptr<OperationMetrics> unmatched_;
};

/// One compilation: what it looks at, and which places were warned of already (many operations share a
/// validator, an authorizer, a limit).
class Compiler {
 public:
  Compiler(CompiledGateway& gateway, const Environment& environment, const IntegrationTable& table,
           MetricsRegistry* metrics, Diagnostics& diagnostics)
      : gateway_(gateway),
        api_(*gateway.api_),
        document_(*api_.document),
        environment_(environment),
        table_(table),
        metrics_(metrics),
        diagnostics_(diagnostics) {}

  void run() {
    check_security_profile();
    for (const spec::Path& path : api_.paths) {
      compile_path(path);
    }
    gateway_.router_ = Router::build(gateway_.routes_, api_.ignore_trailing_slashes);
    warn_of_shadows();
    if (!websocket_routes_.empty()) {
      gateway_.websocket_router_ = Router::build(std::move(websocket_routes_), api_.ignore_trailing_slashes);
    }
    gateway_.unmatched_ = OperationMetrics::make(metrics_, {gateway_.settings_.id, "", "", "stable"}, {});
  }

 private:
  void compile_path(const spec::Path& path) {
    const auto parsed = spec::parse_path_template(path.template_text);
    if (!parsed) {
      // load_api() has reported it.
      return;
    }
    RouteInput route{*parsed, {}};
    std::vector<std::unique_ptr<Plan>> plans;
    for (const spec::Operation& operation : path.operations) {
      route.methods.push_back(operation.method);
      plans.push_back(compile_operation(path, operation));
    }
    warn_of_cors(path.extensions);
    gateway_.websocket_plans_.push_back(compile_websocket(path));
    if (gateway_.websocket_plans_.back()) {
      websocket_routes_.push_back({*parsed, {"GET"}});
      gateway_.websocket_routes_.push_back(gateway_.routes_.size());
    }
    route_marks_.push_back(path.mark);
    gateway_.routes_.push_back(std::move(route));
    gateway_.plans_.push_back(std::move(plans));
  }

  std::unique_ptr<Plan> compile_operation(const spec::Path& path, const spec::Operation& operation) {
    auto plan = std::make_unique<Plan>();
    plan->mark = operation.mark;
    plan->info.gateway_id = gateway_.settings_.id;
    plan->info.path_template = path.template_text;
    plan->info.method = operation.method;
    plan->info.operation_id = operation.operation_id;
    plan->info.parameter_set = parameters::ParameterSet(operation.parameters);
    plan->info.profile = gateway_.settings_.profile;
    if (profile_not_built_) {
      refuse(*plan, "the security profile");
    }
    refuse_security(*plan, operation.security);
    refuse_policies(*plan, operation);
    warn_of_cors(operation.extensions);
    build_integration(*plan, operation);
    plan->metrics = OperationMetrics::make(
        metrics_, {plan->info.gateway_id, plan->info.path_template, plan->info.operation_id, "stable"},
        plan->info.integration_type);
    return plan;
  }

  void build_integration(Plan& plan, const spec::Operation& operation) {
    const spec::Node* node =
        operation.integration == nullptr ? nullptr : document_.resolve(*operation.integration);
    if (node == nullptr) {
      if (plan.refused_slug.empty()) {
        plan.refused_slug = "no_integration";
        plan.refused_what = "the operation has no integration";
      }
      return;
    }
    const std::string name = spec::integration_type(document_, *node);
    plan.info.integration_type = name;
    const auto type = std::find_if(table_.begin(), table_.end(),
                                   [&](const IntegrationType& entry) { return entry.name == name; });
    if (type == table_.end()) {
      // An unknown type was reported by load_api(); one that it knows belongs to a later version.
      if (!name.empty()) {
        spec::check_integration_options(document_, *node, diagnostics_);
        warn_not_built(node->mark, "the integration type " + name);
      }
      refuse(plan, "the integration type " + name);
      return;
    }
    BuildContext context{document_, api_, plan.info, environment_, diagnostics_};
    plan.integration = type->build(context, *node);
    if (context.not_built || plan.integration == nullptr) {
      refuse(plan, "the integration (" + name + ')');
      return;
    }
    plan.constant = plan.integration->constant();
    plan.needs_values = plan.constant == nullptr && plan.integration->needs_values();
  }

  void refuse(Plan& plan, const std::string& what) {
    plan.refused_slug = "not_built";
    plan.refused_what += plan.refused_what.empty() ? what : ", " + what;
  }

  /// An entry without schemes is anonymous access; next to others it still is a place where credentials
  /// would have told the integration who calls.
  void refuse_security(Plan& plan, const std::vector<spec::SecurityRequirement>& security) {
    for (const spec::SecurityRequirement& requirement : security) {
      for (const spec::SecurityRequirement::Scheme& wanted : requirement.schemes) {
        refuse(plan, "the authorizer " + wanted.name);
        const auto scheme =
            std::find_if(api_.security_schemes.begin(), api_.security_schemes.end(),
                         [&](const spec::SecurityScheme& entry) { return entry.name == wanted.name; });
        if (scheme != api_.security_schemes.end() && scheme->authorizer != nullptr) {
          warn_not_built(scheme->authorizer->mark, "the authorizer of security scheme " + wanted.name);
        }
      }
    }
  }

  void refuse_policies(Plan& plan, const spec::Operation& operation) {
    const spec::Extensions& extensions = operation.extensions;
    if (extensions.validator != nullptr && validates(*extensions.validator)) {
      refuse(plan, "the validator");
      warn_not_built(extensions.validator->mark, "the validator");
    }
    for (const spec::Node* limit : {extensions.rate_limit, extensions.sluice_rate_limit}) {
      if (limit != nullptr && limits(*limit, limit == extensions.sluice_rate_limit)) {
        refuse(plan, "the rate limit");
        warn_not_built(limit->mark, "the rate limit");
      }
    }
    if (operation.has_schema_mapping) {
      refuse(plan, "x-yc-schema-mapping");
      warn_not_built(operation.mark, "x-yc-schema-mapping");
    }
    if (operation.has_status_mapping) {
      refuse(plan, "x-yc-status-mapping");
      warn_not_built(operation.mark, "x-yc-status-mapping");
    }
  }

  /// Anything but a plain `false` switches a check on: what was meant to be checked is not served unchecked.
  [[nodiscard]] bool validates(const spec::Node& validator) const {
    constexpr std::string_view flags[] = {"validateRequestBody", "validateRequestParameters",
                                          "validateResponseBody"};
    const spec::Node* headers = document_.get(validator, "validateResponseHeaders");
    return std::any_of(std::begin(flags), std::end(flags),
                       [&](std::string_view flag) {
                         const spec::Node* node = document_.get(validator, flag);
                         return node != nullptr && !node->is_null() && node->text != "false";
                       }) ||
           (headers != nullptr && !headers->is_null() && headers->text != "any");
  }

  /// A limit without `allRequests` limits nothing (spec.md section 1, a warning of load_api()).
  [[nodiscard]] bool limits(const spec::Node& limit, bool by_address) const {
    const spec::Node* all = document_.get(limit, "allRequests");
    return by_address ? !limit.is_null() : all != nullptr && !all->is_null();
  }

  void warn_of_cors(const spec::Extensions& extensions) {
    if (extensions.cors == nullptr) {
      return;
    }
    const spec::Node* origin = document_.get(*extensions.cors, "origin");
    if (origin == nullptr || (origin->kind == spec::NodeKind::boolean && origin->text == "false")) {
      return;
    }
    warn_not_built(extensions.cors->mark, "CORS",
                   "browsers refuse answers to other origins; everything else is served");
  }

  std::unique_ptr<Plan> compile_websocket(const spec::Path& path) {
    for (const spec::Node* node :
         {path.websocket_message, path.websocket_connect, path.websocket_disconnect}) {
      if (node != nullptr) {
        warn_not_built(node->mark, "WebSocket", "upgrades on this path answer 501 not_built");
        break;
      }
    }
    if (path.websocket_message == nullptr) {
      return nullptr;
    }
    auto plan = std::make_unique<Plan>();
    plan->mark = path.websocket_message->mark;
    plan->info.gateway_id = gateway_.settings_.id;
    plan->info.path_template = path.template_text;
    plan->info.method = "GET";
    plan->info.profile = gateway_.settings_.profile;
    refuse(*plan, "WebSocket");
    plan->metrics =
        OperationMetrics::make(metrics_, {plan->info.gateway_id, plan->info.path_template, "", "stable"}, {});
    return plan;
  }

  void check_security_profile() {
    const std::string& id = api_.security_profile_id;
    if (id.empty() || environment_.mode == CompileMode::lint) {
      return;
    }
    const auto& known = environment_.security_profiles;
    if (std::find(known.begin(), known.end(), id) != known.end()) {
      profile_not_built_ = true;
      warn_not_built(api_.security_profile_mark, "the security profile " + id);
    } else {
      diagnostics_.warning(document_.place(api_.security_profile_mark), "unknown-security-profile",
                           "the security profile \"" + id + "\" is not in the configuration",
                           "add it under `security_profiles`, or remove `smartWebSecurity`");
    }
  }

  void warn_not_built(const spec::Mark& mark, const std::string& what, std::string effect = {}) {
    if (!warned_.emplace(mark.file, mark.line, mark.column, what).second) {
      return;
    }
    if (effect.empty()) {
      effect = "operations that need it answer 501 not_built";
    }
    diagnostics_.warning(document_.place(mark), "not-built", what + " is not built in this version",
                         std::move(effect));
  }

  /// load_api() tells of templates that differ in names only and of greedy ones that hide each other; the
  /// router knows the rest.
  void warn_of_shadows() {
    for (const auto& [winner, loser] : gateway_.router_->shadowed()) {
      const Place place = document_.place(route_marks_[loser]);
      const bool told =
          std::any_of(diagnostics_.items().begin(), diagnostics_.items().end(), [&](const Diagnostic& item) {
            return (item.rule == "shadowed-route" || item.rule == "ambiguous-template") &&
                   item.place.line == place.line && item.place.file == place.file;
          });
      if (!told) {
        diagnostics_.warning(place, "shadowed-route",
                             "no request reaches " + gateway_.routes_[loser].path_template.text + ": " +
                                 gateway_.routes_[winner].path_template.text +
                                 " matches all of its paths and goes first",
                             "remove it, or make the other template narrower");
      }
    }
  }

  CompiledGateway& gateway_;
  const spec::Api& api_;
  const spec::Document& document_;
  const Environment& environment_;
  const IntegrationTable& table_;
  MetricsRegistry* metrics_;
  Diagnostics& diagnostics_;
  std::vector<spec::Mark> route_marks_;  ///< aligned with the gateway's routes
  std::vector<RouteInput> websocket_routes_;
  std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, std::string>> warned_;
  bool profile_not_built_ = false;
};

}  // namespace

std::shared_ptr<const Gateway> Gateway::compile(const GatewaySettings& settings,
                                                const Environment& environment, const IntegrationTable& table,
                                                MetricsRegistry* metrics, Diagnostics& diagnostics) {
  auto api = spec::load_api(settings.load, diagnostics);
  if (!api) {
    return nullptr;
  }
  auto gateway = std::make_shared<CompiledGateway>(settings, std::move(api));
  Compiler(*gateway, environment, table, metrics, diagnostics).run();
  return gateway;
}

}  // namespace sluice::gateway
