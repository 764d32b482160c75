// type: swagger: Swagger UI for the document, all of it from the route itself: the page, `?asset=NAME` and
// `?document`. spec.md section 4.
#include <algorithm>
#include <set>

#include "sluice/base/codec.hpp"
#include "sluice/base/digest.hpp"
#include "sluice/http/conditions.hpp"
#include "sluice/spec/integration_types.hpp"

#include "integrations/common/options.hpp"
#include "integrations/swagger/assets.hpp"
#include "integrations/swagger/public_document.hpp"
#include "integrations/types.hpp"

namespace sluice::integrations {
namespace {

constexpr std::size_t etag_digits = 20;

/// Bytes of the program.
class StaticSource final : public http::BodySource {
 public:
  explicit StaticSource(std::string_view bytes) : bytes_(bytes) {}
  net::Awaitable<Result<std::string_view>> read() override { co_return next(); }
  std::optional<Result<std::string_view>> try_read() override { return Result<std::string_view>(next()); }
  [[nodiscard]] std::optional<std::uint64_t> size() const noexcept override { return bytes_.size(); }

 private:
  std::string_view next() noexcept { return std::exchange(done_, true) ? std::string_view() : bytes_; }

  std::string_view bytes_;
  bool done_ = false;
};

/// What a request asks for, by its query.
struct Wanted {
  std::optional<std::string> asset;
  bool document = false;
  std::string rest;  ///< the other parts of the query (credentials may be among them), as sent
};

Wanted read_query(std::string_view query) {
  Wanted wanted;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view part = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const std::size_t equals = part.find('=');
    const std::string_view name = part.substr(0, equals);
    if (name == "asset") {
      const std::string_view value = equals == std::string_view::npos ? "" : part.substr(equals + 1);
      wanted.asset = percent_decode_lenient(value, true);
    } else if (name == "document") {
      wanted.document = true;
    } else if (!part.empty()) {
      wanted.rest.append("&").append(part);
    }
  }
  return wanted;
}

bool takes_gzip(const http::Headers& headers) {
  const std::string accept = headers.joined("Accept-Encoding");
  std::string_view rest = accept;
  bool gzip = false;
  bool star = false;
  bool named = false;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    const std::string_view item = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::size_t semicolon = item.find(';');
    const std::string_view name = trim(item.substr(0, semicolon));
    bool wanted = true;
    if (semicolon != std::string_view::npos) {
      // "q=0", "q=0.000": not at all.
      const std::string_view q = trim(item.substr(semicolon + 1));
      wanted = !(q.size() > 2 && (q[0] == 'q' || q[0] == 'Q') && q[1] == '=' &&
                 q.substr(2).find_first_not_of("0.") == std::string_view::npos);
    }
    if (equals_ignore_case(name, "gzip") || equals_ignore_case(name, "x-gzip")) {
      gzip = wanted;
      named = true;
    } else if (name == "*") {
      star = wanted;
    }
  }
  return named ? gzip : star;
}

std::string quoted(const std::string& tag) {
  return '"' + tag + '"';
}

class Swagger final : public gateway::Integration {
 public:
  [[nodiscard]] bool needs_values() const noexcept override { return false; }

  net::Awaitable<Result<http::Response>> run(gateway::Exchange& exchange) const override {
    co_return answer(exchange.request);
  }

  Result<OrderedJson> explain(gateway::Exchange& exchange) const override {
    Result<http::Response> response = answer(exchange.request);
    if (!response) {
      return response.error();
    }
    return explain_response(*response);
  }

  static IntegrationPtr build(gateway::BuildContext& context, const spec::Node& node);

 private:
  [[nodiscard]] Result<http::Response> answer(const http::Request& request) const {
    if (request.method != http::Method::get && request.method != http::Method::head) {
      http::Response refused;
      refused.status = 405;
      refused.headers.add("Allow", "GET, HEAD");
      return refused;
    }
    const Wanted wanted = read_query(request.query);
    if (wanted.document) {
      return document(request);
    }
    if (swagger_assets().empty()) {
      return downstream_error(
          ErrorCode::not_built, "swagger_not_in_build",
          "Swagger UI is not part of this build of the gateway: install npm and build again (make build), or "
          "open the document, this address with ?document, in a tool of your own",
          501);
    }
    return wanted.asset ? asset(request, *wanted.asset) : page(request, wanted);
  }

  /// Headers that all answers have; nothing may be cached without asking, since the route may be protected.
  static http::Response begin(std::string_view content_type, std::string_view etag) {
    http::Response response;
    response.headers.reserve(8, 512);
    response.headers.add(http::FieldId::content_type, content_type);
    response.headers.add(http::FieldId::etag, etag);
    response.headers.add(http::FieldId::cache_control, "private, no-cache");
    response.headers.add("X-Content-Type-Options", "nosniff");
    return response;
  }

  static http::Response not_modified(http::Response response) {
    response.status = 304;
    response.headers.remove(http::FieldId::content_type);
    return response;
  }

  static Result<http::Response> asset(const http::Request& request, std::string_view name) {
    const std::span<const SwaggerAsset> assets = swagger_assets();
    const auto found =
        std::find_if(assets.begin(), assets.end(), [&](const SwaggerAsset& one) { return one.name == name; });
    if (found == assets.end()) {
      return downstream_error(ErrorCode::not_found, "swagger_asset_not_found",
                              "Swagger UI has no asset of this name", 404);
    }
    const bool packed = found->gzip.size != 0 && takes_gzip(request.headers);
    const std::string etag = quoted(std::string(found->etag) + (packed ? "-gz" : ""));
    http::Response response = begin(found->content_type, etag);
    if (found->gzip.size != 0) {
      response.headers.add(http::FieldId::vary, "Accept-Encoding");
    }
    if (http::names_current(request.headers, etag)) {
      return not_modified(std::move(response));
    }
    if (packed) {
      response.headers.add(http::FieldId::content_encoding, "gzip");
    }
    response.body = std::make_unique<StaticSource>(packed ? found->gzip.view() : found->plain.view());
    return response;
  }

  [[nodiscard]] Result<http::Response> page(const http::Request& request, const Wanted& wanted) const {
    std::string rest;
    append_html_escaped(rest, wanted.rest);
    std::string text =
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>";
    append_html_escaped(text, title_);
    text.append("</title>\n");
    // The query's other parts go with every reference: a key among them opens the assets too.
    const auto reference = [&](std::string_view before, std::string_view name, std::string_view after) {
      text.append(before).append("?asset=").append(name).append(rest).append(after);
    };
    reference("<link rel=\"stylesheet\" href=\"", "swagger-ui.css", "\">\n");
    reference("<link rel=\"stylesheet\" href=\"", "index.css", "\">\n");
    reference("<link rel=\"icon\" type=\"image/png\" sizes=\"32x32\" href=\"", "favicon-32x32.png", "\">\n");
    reference("<link rel=\"icon\" type=\"image/png\" sizes=\"16x16\" href=\"", "favicon-16x16.png", "\">\n");
    text.append("</head>\n<body>\n<noscript>Swagger UI needs JavaScript. <a href=\"?document")
        .append(rest)
        .append("\">The document</a></noscript>\n<div id=\"swagger-ui\" data-document=\"?document")
        .append(rest)
        .append("\" data-redirect=\"?asset=oauth2-redirect.html\"></div>\n");
    reference("<script src=\"", "swagger-ui-bundle.js", "\"></script>\n");
    reference("<script src=\"", "initializer.js", "\"></script>\n");
    text.append("</body>\n</html>\n");

    const std::string etag = quoted(sha256_hex(text + policy_).substr(0, etag_digits));
    http::Response response = begin("text/html; charset=utf-8", etag);
    response.headers.add("Content-Security-Policy", policy_);
    response.headers.add("Referrer-Policy", "no-referrer");
    if (http::names_current(request.headers, etag)) {
      return not_modified(std::move(response));
    }
    response.body = std::move(text);
    return response;
  }

  /// The server of the document is the gateway as the client reaches it: the way up from this route to the
  /// root, whatever prefix a proxy has put before it.
  [[nodiscard]] Result<http::Response> document(const http::Request& request) const {
    if (document_.empty()) {
      return downstream_error(ErrorCode::too_large, "swagger_document_too_large",
                              "The document is too large to be shown", 500);
    }
    const auto slashes = std::count(request.path.text().begin(), request.path.text().end(), '/');
    std::string up = slashes > 1 ? "" : "./";
    for (auto level = slashes; level > 1; --level) {
      up.append("../");
    }
    const std::string etag = quoted(document_etag_ + '-' + std::to_string(slashes));
    http::Response response = begin("application/json", etag);
    if (http::names_current(request.headers, etag)) {
      return not_modified(std::move(response));
    }
    response.body = document_before_ + up + document_;
    return response;
  }

  std::string title_;
  std::string policy_;
  std::string document_before_;  ///< up to the server's URL
  std::string document_;         ///< from there; empty: too large
  std::string document_etag_;
};

/// "https://login.example:8443" of a URL; empty where it is none, or an internal one that is not shown.
std::string origin_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos ||
      (url.substr(0, scheme) != "https" && url.substr(0, scheme) != "http")) {
    return {};
  }
  const std::size_t end = std::min(url.find_first_of("/?#", scheme + 3), url.size());
  const std::string_view host = url.substr(scheme + 3, end - scheme - 3);
  const bool plain = !host.empty() && std::all_of(host.begin(), host.end(), [](char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '.' || byte == '-' || byte == ':';
  });
  return plain ? std::string(url.substr(0, end)) : std::string();
}

/// Where Swagger UI's "Authorize" asks for tokens: only what the shown document names.
std::set<std::string> token_origins(const OrderedJson& shown) {
  std::set<std::string> origins;
  const auto note = [&](const OrderedJson& object, const char* key) {
    if (const auto url = object.find(key); url != object.end() && url->is_string()) {
      if (std::string origin = origin_of(url->get_ref<const std::string&>()); !origin.empty()) {
        origins.insert(std::move(origin));
      }
    }
  };
  const OrderedJson::json_pointer at("/components/securitySchemes");
  if (!shown.contains(at) || !shown.at(at).is_object()) {
    return origins;
  }
  for (const auto& [name, scheme] : shown.at(at).items()) {
    if (!scheme.is_object()) {
      continue;
    }
    note(scheme, "openIdConnectUrl");
    if (const auto flows = scheme.find("flows"); flows != scheme.end() && flows->is_object()) {
      for (const auto& [kind, flow] : flows->items()) {
        if (flow.is_object()) {
          note(flow, "tokenUrl");
        }
      }
    }
  }
  return origins;
}

IntegrationPtr Swagger::build(gateway::BuildContext& context, const spec::Node& node) {
  spec::check_integration_options(context.document, node, context.diagnostics);
  const Place place = context.document.place(node.mark);
  const std::string& method = context.operation.method;
  if (!method.empty() && method != "GET" && method != "HEAD") {
    context.diagnostics.warning(place, rule_option, "the swagger integration answers GET and HEAD only",
                                "put it under `get`");
  }
  if (swagger_assets().empty() && context.environment.mode != gateway::CompileMode::lint) {
    context.diagnostics.warning(place, "swagger-not-in-build",
                                "Swagger UI is not part of this build; the operation answers 501",
                                "install npm and build again (make build)");
  }
  auto swagger = std::make_shared<Swagger>();
  swagger->title_ = sanitize_utf8(context.api.title.empty() ? "API" : context.api.title);
  std::string connect = "'self'";
  if (Result<OrderedJson> shown = public_document(context.api)) {
    for (const std::string& origin : token_origins(*shown)) {
      connect.append(" ").append(origin);
    }
    OrderedJson begin = OrderedJson::object();
    begin["openapi"] = context.api.openapi.empty() ? "3.0.0" : sanitize_utf8(context.api.openapi);
    const std::string text = dump_json(*shown);
    begin["servers"] = OrderedJson::array({{{"url", ""}, {"description", "This gateway"}}});
    const std::string before = dump_json(begin);
    const std::size_t url = before.find("\"url\":\"") + std::string_view("\"url\":\"").size();
    swagger->document_before_ = before.substr(0, url);
    swagger->document_ = before.substr(url, before.size() - url - 1) + ',' + text.substr(1);
    swagger->document_etag_ =
        sha256_hex(swagger->document_before_ + swagger->document_).substr(0, etag_digits);
  } else {
    context.diagnostics.warning(place, "swagger-document-too-large", shown.error().detail,
                                "?document of this route answers 500");
  }
  swagger->policy_ =
      "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
      "font-src 'self' data:; connect-src " +
      connect + "; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
  return swagger;
}

}  // namespace

IntegrationPtr build_swagger(gateway::BuildContext& context, const spec::Node& node) {
  return Swagger::build(context, node);
}

}  // namespace sluice::integrations
