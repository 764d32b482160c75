/// What load_api() is made of: one check an OpenAPI object or extension. Private to layer spec.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "sluice/base/diagnostics.hpp"
#include "sluice/spec/api.hpp"
#include "sluice/spec/document.hpp"

namespace sluice::spec {

/// What all checks share while one document is compiled.
struct Checking {
  Checking(const Document& checked_document, Diagnostics& found)
      : document(checked_document), diagnostics(found) {}

  const Document& document;
  Diagnostics& diagnostics;
  bool openapi_3_1 = false;
  /// Objects whose keys were looked at one by one.
  std::unordered_set<const Node*> keys_checked;
  /// Extension objects that were checked already (many places may share one).
  std::unordered_set<const Node*> checked;

  /// What may still be read. References let many operations share one list, so a small document can ask for
  /// more than memory holds: every element is paid for each time that it is read.
  std::size_t work_left = 1'000'000;
  bool exhausted = false;
  /// By name; into the list that read_security() is given.
  std::unordered_map<std::string_view, const SecurityScheme*> schemes_by_name;

  /// Schemes that some `security` names.
  std::unordered_set<const SecurityScheme*> used_schemes;

  /// False when `amount` is more than is left: an error is then reported, once.
  bool spend(std::size_t amount, const Mark& mark);

  void error(const Mark& mark, std::string_view rule, std::string message, std::string hint = {}) {
    diagnostics.error(document.place(mark), rule, std::move(message), std::move(hint));
  }
  void warning(const Mark& mark, std::string_view rule, std::string message, std::string hint = {}) {
    diagnostics.warning(document.place(mark), rule, std::move(message), std::move(hint));
  }
};

/// The three spellings of `service_account_id`; an empty list where a caller wants none.
inline constexpr std::initializer_list<std::string_view> service_account_keys{
    "service_account_id", "serviceAccountId", "service_account"};

// keys.cpp
/// Where an object stands, which says what its keys may be.
enum class KeyPlace : std::uint8_t { root, components, path_item, operation, websocket, parameter };
/// Unknown keys, extensions that have no effect there, `security` where it protects nothing.
void check_keys(Checking& checking, const Node& node, KeyPlace place);
/// A hint for an extension key that nobody knows.
std::string extension_hint(std::string_view key);
bool is_known_extension(std::string_view key);
/// A warning; an error for what was meant to be an authorizer.
void report_unknown_extension(Checking& checking, const Member& member);

// extensions.cpp
void check_integration(Checking& checking, const Node& node);
void check_validator(Checking& checking, const Node& node);
void check_cors(Checking& checking, const Node& node);
void check_rate_limit(Checking& checking, const Node& node);
void check_status_mapping(Checking& checking, const Node& node);
void check_schema_mapping(Checking& checking, const Node& node);
/// The extensions that stand in `node` itself, checked; `inherited` for the rest.
Extensions read_extensions(Checking& checking, const Node& node, const Extensions& inherited);
/// The document's x-yc-apigateway.
void read_document_options(Checking& checking, const Node& root, Api& api);

// security.cpp
std::vector<SecurityScheme> read_security_schemes(Checking& checking, const Node& root);
/// A `security` list; every scheme in it must be declared and have an authorizer.
std::vector<SecurityRequirement> read_security(Checking& checking, const Node& node,
                                               const std::vector<SecurityScheme>& schemes);

/// Authorizers that no `security` of the document leads to.
void check_unused_authorizers(Checking& checking, const std::vector<SecurityScheme>& schemes);

// parameters.cpp
/// A `parameters` list ($ref followed). Mistakes are reported, what cannot be used is left out.
std::vector<Parameter> read_parameters(Checking& checking, const Node& list, const PathTemplate& path);
/// Operation's over path item's by name and place; names of the template that nobody declared are added.
std::vector<Parameter> merge_parameters(const std::vector<Parameter>& path_item,
                                        const std::vector<Parameter>& operation, const PathTemplate& path,
                                        const Mark& mark);

// lint.cpp
/// The whole document: leftovers of templating, authorizers that have no effect, unknown extensions,
/// mappings. Returns the nodes from which an x-yc-schema-mapping can be reached.
std::unordered_set<const Node*> lint_document(Checking& checking, const Node& root,
                                              const std::vector<SecurityScheme>& schemes);

// shadows.cpp
/// Templates that differ in names only, routes that no request reaches.
void check_routes(Checking& checking, const std::vector<Path>& paths,
                  const std::vector<PathTemplate>& templates);

}  // namespace sluice::spec
