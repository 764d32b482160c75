#include "sluice/spec/api.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "sluice/base/digest.hpp"
#include "sluice/spec/integration_types.hpp"

#include "spec/checks.hpp"

namespace sluice::spec {
namespace {

struct MethodKey {
  std::string_view key;
  std::string_view method;
};

constexpr std::array<MethodKey, 9> method_keys{{
    {"get", "GET"},
    {"put", "PUT"},
    {"post", "POST"},
    {"delete", "DELETE"},
    {"options", "OPTIONS"},
    {"head", "HEAD"},
    {"patch", "PATCH"},
    {"trace", "TRACE"},
    {"x-yc-apigateway-any-method", ""},
}};

class ApiBuilder {
 public:
  ApiBuilder(std::shared_ptr<const Document> document, Diagnostics& diagnostics)
      : checking_(*document, diagnostics), api_(std::make_shared<Api>()) {
    api_->document = std::move(document);
  }

  std::shared_ptr<const Api> build() {
    const Node& root = checking_.document.root();
    if (!root.is_mapping()) {
      checking_.error(root.mark, "wrong-type", "an OpenAPI document is a mapping, this is " + root.describe(),
                      "begin with `openapi: 3.0.0`");
      return api_;
    }
    if (!read_version(root)) {
      return api_;
    }
    check_keys(checking_, root, KeyPlace::root);
    if (const Node* components = checking_.document.get(root, "components");
        components != nullptr && components->is_mapping()) {
      check_keys(checking_, *components, KeyPlace::components);
    }
    read_info(root);
    read_document_options(checking_, root, *api_);
    api_->security_schemes = read_security_schemes(checking_, root);
    if (const Node* security = checking_.document.get(root, "security")) {
      security_ = read_security(checking_, *security, api_->security_schemes);
    }
    read_paths(root);
    check_routes(checking_, api_->paths, templates_);
    check_unused_authorizers(checking_, api_->security_schemes);
    mark_mappings(lint_document(checking_, root, api_->security_schemes));
    return api_;
  }

 private:
  /// False for what is no OpenAPI 3 document: its other mistakes would only confuse.
  bool read_version(const Node& root) {
    if (const Member* swagger = root.find_member("swagger")) {
      checking_.error(swagger->mark, "swagger-2",
                      "this is a Swagger " + swagger->value->text + " document, OpenAPI 3.0 is served",
                      "convert it, for example with `npx swagger2openapi`, then set `openapi: 3.0.0`");
      return false;
    }
    const Node* version = checking_.document.get(root, "openapi");
    if (version == nullptr || version->is_null() || !version->is_scalar()) {
      checking_.error(version == nullptr ? root.mark : version->mark, "missing-openapi",
                      "the document has no `openapi` version", "add `openapi: 3.0.0` as the first line");
      return true;
    }
    api_->openapi = version->text;
    const std::string_view major_minor = std::string_view(version->text).substr(0, 3);
    const bool complete = version->text.size() == 3 || (version->text.size() > 3 && version->text[3] == '.');
    checking_.openapi_3_1 = major_minor == "3.1";
    if (!complete || (major_minor != "3.0" && major_minor != "3.1")) {
      checking_.error(version->mark, "unsupported-openapi", "OpenAPI " + version->text + " is not served",
                      "use 3.0.x or 3.1.x");
    }
    return true;
  }

  void read_info(const Node& root) {
    const Node* info = checking_.document.get(root, "info");
    if (info == nullptr) {
      return;
    }
    const auto text = [&](std::string_view key) {
      const Node* value = checking_.document.get(*info, key);
      return value != nullptr && value->is_scalar() ? value->text : std::string();
    };
    api_->title = text("title");
    api_->version = text("version");
  }

  void read_paths(const Node& root) {
    const Member* member = root.find_member("paths");
    if (member == nullptr) {
      checking_.error(root.mark, "missing-paths", "the document has no `paths`",
                      "add `paths:` with at least one route");
      return;
    }
    const Node* paths = checking_.document.resolve(*member->value);
    if (paths == nullptr) {
      return;
    }
    if (paths->is_null() || (paths->is_mapping() && paths->members.empty())) {
      checking_.warning(member->mark, "no-paths", "`paths` is empty: every request is answered with 404",
                        "add a route");
      return;
    }
    if (!paths->is_mapping()) {
      checking_.error(paths->mark, "wrong-type", "`paths` must be a mapping, it is " + paths->describe());
      return;
    }
    for (const Member& path : paths->members) {
      if (path.key.substr(0, 2) != "x-" && !checking_.exhausted) {
        read_path(path);
      }
    }
  }

  void read_path(const Member& member) {
    PathTemplate path_template;
    Result<PathTemplate> parsed = parse_path_template(member.key);
    if (parsed) {
      path_template = std::move(*parsed);
    } else {
      checking_.error(member.mark, "bad-template",
                      "the path " + member.key + " cannot be a route: " + parsed.error().detail,
                      member.key.empty() || member.key.front() != '/'
                          ? "write /" + member.key
                          : "parameters are {name}, greedy ones {name+}, alone between two slashes");
    }
    const Node* item = path_item(member);
    Path path;
    path.template_text = member.key;
    path.mark = member.mark;
    path.extensions = api_->extensions;
    if (item != nullptr) {
      read_path_item(*item, path_template, path);
    }
    api_->paths.push_back(std::move(path));
    templates_.push_back(std::move(path_template));
  }

  /// A path item or integration, its $ref followed; keys beside the $ref are added and win.
  const Node* with_siblings(const Node& written) {
    const Node* target = checking_.document.resolve(written);
    if (!written.is_mapping() || written.members.size() < 2 || target == &written) {
      return target;
    }
    auto merged = std::make_shared<Node>();
    merged->kind = NodeKind::mapping;
    merged->mark = written.mark;
    for (const Member& own : written.members) {
      if (own.key != "$ref") {
        merged->members.push_back(own);
      }
    }
    if (target != nullptr) {
      for (const Member& other : target->members) {
        if (written.find(other.key) == nullptr) {
          merged->members.push_back(other);
        }
      }
    }
    checking_.keys_checked.insert(&written);  // its siblings have an effect
    api_->merged.push_back(std::move(merged));
    return api_->merged.back().get();
  }

  const Node* path_item(const Member& member) {
    const Node* target = with_siblings(*member.value);
    if (target == nullptr || target->is_null()) {
      return nullptr;
    }
    if (!target->is_mapping()) {
      checking_.error(
          target->mark, "wrong-type",
          "the path " + member.key + " must be a mapping of methods, it is " + target->describe());
      return nullptr;
    }
    return target;
  }

  void read_path_item(const Node& item, const PathTemplate& path_template, Path& path) {
    check_keys(checking_, item, KeyPlace::path_item);
    path.extensions = read_extensions(checking_, item, api_->extensions);
    std::vector<Parameter> shared;
    if (const Node* list = checking_.document.get(item, "parameters")) {
      shared = read_parameters(checking_, *list, path_template);
    }
    for (const Member& member : item.members) {
      const auto* method = std::find_if(method_keys.begin(), method_keys.end(),
                                        [&](const MethodKey& one) { return one.key == member.key; });
      if (method != method_keys.end()) {
        read_operation(member, method->method, shared, path_template, path);
      }
    }
    path.websocket_connect = read_websocket(item, "x-yc-apigateway-websocket-connect", true);
    path.websocket_message = read_websocket(item, "x-yc-apigateway-websocket-message", false);
    path.websocket_disconnect = read_websocket(item, "x-yc-apigateway-websocket-disconnect", false);
    if (path.websocket_message == nullptr &&
        (path.websocket_connect != nullptr || path.websocket_disconnect != nullptr)) {
      checking_.warning(path.mark, "websocket-without-message",
                        path.template_text +
                            " accepts no WebSockets: it has no "
                            "x-yc-apigateway-websocket-message",
                        "add it");
    }
  }

  void read_operation(const Member& member, std::string_view method, const std::vector<Parameter>& shared,
                      const PathTemplate& path_template, Path& path) {
    Operation operation;
    operation.method = std::string(method);
    operation.mark = member.mark;
    operation.extensions = path.extensions;
    operation.security = security_;
    operation.node = checking_.document.resolve(*member.value);
    if (operation.node != nullptr && !operation.node->is_mapping() && !operation.node->is_null()) {
      checking_.error(operation.node->mark, "wrong-type",
                      '`' + member.key + "` must be a mapping, it is " + operation.node->describe());
      operation.node = nullptr;
    }
    std::vector<Parameter> own;
    if (operation.node != nullptr && operation.node->is_mapping()) {
      read_operation_object(*operation.node, path_template, operation, own);
    } else if (operation.node != nullptr) {
      no_integration(operation.mark, path, method);
    }
    if (operation.node != nullptr && operation.node->is_mapping() &&
        operation.node->find("x-yc-apigateway-integration") == nullptr) {
      no_integration(operation.mark, path, method);
    }
    if (checking_.spend(shared.size() + operation.security.size() + 1, member.mark)) {
      operation.parameters = merge_parameters(shared, own, path_template, member.mark);
    }
    name_operation(path, operation);
    path.operations.push_back(std::move(operation));
  }

  void no_integration(const Mark& mark, const Path& path, std::string_view method) {
    checking_.warning(mark, "no-integration",
                      (method.empty() ? std::string("any method") : std::string(method)) + ' ' +
                          path.template_text + " has no integration: it answers 501",
                      "add x-yc-apigateway-integration");
  }

  void read_operation_object(const Node& node, const PathTemplate& path_template, Operation& operation,
                             std::vector<Parameter>& own) {
    check_keys(checking_, node, KeyPlace::operation);
    operation.extensions = read_extensions(checking_, node, operation.extensions);
    if (const Node* list = checking_.document.get(node, "parameters")) {
      own = read_parameters(checking_, *list, path_template);
    }
    if (const Node* security = checking_.document.get(node, "security")) {
      operation.security = read_security(checking_, *security, api_->security_schemes);
    }
    const Node* integration = node.find("x-yc-apigateway-integration");
    if (integration != nullptr && checking_.document.resolve(*integration) != nullptr) {
      operation.integration = with_siblings(*integration);
    }
    if (operation.integration != nullptr) {
      check_integration(checking_, *operation.integration);
    }
    operation.request_body = checking_.document.get(node, "requestBody");
    operation.responses = checking_.document.get(node, "responses");
    if (operation.responses != nullptr &&
        checking_.spend(operation.responses->members.size(), operation.mark)) {
      for (const Member& response : operation.responses->members) {
        const Node* object = checking_.document.resolve(*response.value);
        operation.has_status_mapping = operation.has_status_mapping ||
                                       (object != nullptr && object->find("x-yc-status-mapping") != nullptr);
      }
    }
    const Node* summary = checking_.document.get(node, "summary");
    operation.summary = summary != nullptr && summary->is_scalar() ? summary->text : std::string();
  }

  void name_operation(const Path& path, Operation& operation) {
    const Node* id = operation.node == nullptr || !operation.node->is_mapping()
                         ? nullptr
                         : checking_.document.get(*operation.node, "operationId");
    if (id == nullptr || id->is_null() || (id->is_scalar() && id->text.empty())) {
      operation.operation_id = sha256_hex(operation.method + ' ' + path.template_text);
      return;
    }
    if (!id->is_scalar()) {
      checking_.error(id->mark, "wrong-type", "`operationId` must be a string, it is " + id->describe());
      operation.operation_id = sha256_hex(operation.method + ' ' + path.template_text);
      return;
    }
    operation.operation_id = id->text;
    operation.operation_id_given = true;
    const auto [entry, fresh] = operation_ids_.emplace(id->text, id->mark);
    if (!fresh) {
      const Place before = checking_.document.place(entry->second);
      checking_.error(id->mark, "repeated-operation-id",
                      "the operationId \"" + id->text + "\" stands twice, first at " + before.file + ':' +
                          std::to_string(before.line) + ':' + std::to_string(before.column),
                      "give each operation an id of its own");
    }
  }

  const Node* read_websocket(const Node& item, std::string_view key, bool connect) {
    const Member* member = item.find_member(key);
    const Node* node = member == nullptr ? nullptr : checking_.document.resolve(*member->value);
    if (node == nullptr) {
      return nullptr;
    }
    if (!node->is_mapping()) {
      checking_.error(member->mark, "wrong-type",
                      '`' + std::string(key) + "` must be a mapping, it is " + node->describe());
      return nullptr;
    }
    check_keys(checking_, *node, KeyPlace::websocket);
    if (const Member* security = node->find_member("security")) {
      if (!connect) {
        checking_.error(security->mark, "misplaced-security",
                        "`security` protects nothing in " + std::string(key),
                        "put it into x-yc-apigateway-websocket-connect: an upgrade is what is authorized");
      } else if (const Node* list = checking_.document.resolve(*security->value)) {
        read_security(checking_, *list, api_->security_schemes);
      }
    }
    const Member* integration = node->find_member("x-yc-apigateway-integration");
    if (integration == nullptr) {
      checking_.error(member->mark, "missing-option",
                      '`' + std::string(key) + "` needs x-yc-apigateway-integration", "add it");
    } else if (const Node* target = with_siblings(*integration->value)) {
      check_integration(checking_, *target);
      check_integration_options(checking_.document, *target, checking_.diagnostics);
    }
    return node;
  }

  void mark_mappings(const std::unordered_set<const Node*>& reaching) {
    if (reaching.empty()) {
      return;
    }
    for (Path& path : api_->paths) {
      for (Operation& operation : path.operations) {
        operation.has_schema_mapping =
            reaching.count(operation.request_body) != 0 || reaching.count(operation.responses) != 0;
      }
    }
  }

  Checking checking_;
  std::shared_ptr<Api> api_;
  std::vector<SecurityRequirement> security_;  ///< the document's
  std::vector<PathTemplate> templates_;
  std::unordered_map<std::string, Mark> operation_ids_;
};

}  // namespace

bool Checking::spend(std::size_t amount, const Mark& mark) {
  if (!exhausted && amount <= work_left) {
    work_left -= amount;
    return true;
  }
  if (!std::exchange(exhausted, true)) {
    error(mark, "document-too-complex",
          "the operations have more than 1000000 parameters, responses and security entries together, those "
          "that "
          "they share counted for each",
          "share less through $ref, or split the document");
  }
  return false;
}

std::shared_ptr<const Api> load_api(const LoadOptions& options, Diagnostics& diagnostics) {
  std::shared_ptr<const Document> document = Document::load(options, diagnostics);
  if (!document) {
    return nullptr;
  }
  ApiBuilder builder(std::move(document), diagnostics);
  std::shared_ptr<const Api> api = builder.build();
  diagnostics.sort();
  return api;
}

}  // namespace sluice::spec
