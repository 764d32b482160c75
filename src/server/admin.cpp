#include "admin.hpp"

#include <algorithm>
#include <array>

#include "sluice/base/codec.hpp"
#include "sluice/gateway/route_table.hpp"
#include "sluice/http/problem.hpp"
#include "sluice/server/report.hpp"
#include "sluice/server/version.hpp"

namespace sluice::server {

namespace {

http::Response answer(int status, std::string_view type, std::string body) {
  http::Response response;
  response.status = status;
  response.headers.add(http::FieldId::content_type, type);
  response.headers.add(http::FieldId::cache_control, "no-store");
  response.body = std::move(body);
  return response;
}

http::Response json_answer(int status, const OrderedJson& value) {
  return answer(status, "application/json", dump_json(value, 2) + '\n');
}

constexpr std::string_view text_type = "text/plain; charset=utf-8";

OrderedJson mistakes_to_json(const Diagnostics& diagnostics) {
  return OrderedJson(diagnostics_to_json(diagnostics));
}

class AdminHandler final : public http::Handler {
 public:
  explicit AdminHandler(AdminBackend& backend) : backend_(backend) {}

  net::Awaitable<http::Response> handle(http::Request& request, http::RequestContext& context) override {
    const std::string& path = request.path.text();
    const bool reads = request.method == http::Method::get || request.method == http::Method::head;
    if (path == "/reload") {
      if (request.method != http::Method::post) {
        co_return refuse_method("POST", context);
      }
      co_return co_await reload();
    }
    if (!known(path)) {
      co_return http::problem(404, "the admin API has no such path; GET / lists them", context.request_id);
    }
    if (!reads) {
      co_return refuse_method("GET, HEAD", context);
    }
    if (path == "/metrics") {
      std::string text = co_await backend_.metrics();
      co_return answer(200, "text/plain; version=0.0.4; charset=utf-8", std::move(text));
    }
    co_return look(request, context);
  }

  http::Response refuse(const Error& error, http::RequestContext& context) override {
    return http::problem(error, context.request_id);
  }

  void finished(const http::Request&, http::RequestContext&) noexcept override {}

 private:
  static bool known(const std::string& path) {
    constexpr std::array<std::string_view, 6> paths{"/",        "/healthz",  "/readyz",
                                                    "/metrics", "/gateways", "/listeners"};
    return std::find(paths.begin(), paths.end(), path) != paths.end() ||
           (path.starts_with("/gateways/") && path.ends_with("/routes"));
  }

  static http::Response refuse_method(std::string_view allowed, const http::RequestContext& context) {
    http::Response response = http::problem(405, "", context.request_id);
    response.headers.set("Allow", allowed);
    return response;
  }

  http::Response look(const http::Request& request, const http::RequestContext& context) {
    const std::string& path = request.path.text();
    if (path == "/healthz") {
      return answer(200, text_type, "ok\n");
    }
    if (path == "/readyz") {
      return backend_.ready() ? answer(200, text_type, "ready\n")
                              : answer(503, text_type, "not ready: the daemon is stopping\n");
    }
    if (path == "/gateways") {
      return json_answer(200, gateways());
    }
    if (path == "/listeners") {
      return json_answer(200, backend_.listeners());
    }
    if (path == "/") {
      return page();
    }
    const std::string_view id = request.path.segment(1);
    const auto snapshot = backend_.snapshot();
    for (const auto& gateway : snapshot->gateways()) {
      if (request.path.size() == 3 && gateway->settings().id == id) {
        return json_answer(200, gateway::route_table_json(*gateway));
      }
    }
    return http::problem(404, "no gateway has this id; GET /gateways lists them", context.request_id);
  }

  OrderedJson gateways() {
    OrderedJson list = OrderedJson::array();
    const auto snapshot = backend_.snapshot();
    const Diagnostics& mistakes = backend_.last_mistakes();
    OrderedJson last_error = nullptr;
    if (mistakes.has_errors()) {
      last_error = mistakes_to_json(mistakes);
    }
    for (const auto& gateway : snapshot->gateways()) {
      OrderedJson entry;
      entry["id"] = gateway->settings().id;
      entry["spec"] = gateway->settings().load.file;
      entry["version"] = snapshot->version();
      entry["title"] = gateway->api().title;
      entry["document_version"] = gateway->api().version;
      entry["domains"] = gateway->settings().domains;
      entry["profile"] = gateway->settings().profile == gateway::Profile::cloud ? "cloud" : "open";
      entry["load_time"] = backend_.loaded_at();
      entry["last_error"] = last_error;
      list.push_back(std::move(entry));
    }
    return list;
  }

  http::Response page() {
    std::string out =
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Sluice</title><style>"
        "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        "table{border-collapse:collapse}td,th{text-align:left;padding:.2rem 1rem .2rem 0}"
        "pre{background:#f4f4f4;padding:1rem;overflow:auto}</style></head><body><h1>Sluice ";
    append_html_escaped(out, version_text());
    out += "</h1><p>";
    out += backend_.ready() ? "Serving" : "Stopping";
    out +=
        ". <a href=\"/gateways\">gateways</a> · <a href=\"/listeners\">listeners</a> · "
        "<a href=\"/metrics\">metrics</a> · <a href=\"/healthz\">healthz</a> · "
        "<a href=\"/readyz\">readyz</a></p><table><tr><th>Gateway</th><th>Document</th><th>Domains</th>"
        "<th>Routes</th></tr>";
    const auto snapshot = backend_.snapshot();
    for (const auto& gateway : snapshot->gateways()) {
      out += "<tr><td>";
      append_html_escaped(out, gateway->settings().id);
      out += "</td><td>";
      append_html_escaped(out, gateway->settings().load.file);
      out += "</td><td>";
      std::string domains;
      for (const std::string& domain : gateway->settings().domains) {
        domains += domains.empty() ? domain : ", " + domain;
      }
      append_html_escaped(out, domains.empty() ? "every other host" : domains);
      out += "</td><td><a href=\"/gateways/" +
             percent_encode(gateway->settings().id, PercentSet::unreserved) +
             "/routes\">routes</a></td></tr>";
    }
    out += "</table>";
    if (const Diagnostics& mistakes = backend_.last_mistakes(); mistakes.has_errors()) {
      out += "<h2>The last reload failed; what ran before still runs</h2><pre>";
      append_html_escaped(out, render_report(mistakes, ReportFormat::text));
      out += "</pre>";
    }
    out += "<form method=\"post\" action=\"/reload\"><button>Reload</button></form></body></html>\n";
    http::Response response = answer(200, "text/html; charset=utf-8", std::move(out));
    response.headers.add(
        "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'");
    response.headers.add("X-Content-Type-Options", "nosniff");
    return response;
  }

  net::Awaitable<http::Response> reload() {
    const Diagnostics mistakes = co_await backend_.reload();
    OrderedJson body;
    body["result"] = mistakes.has_errors() ? "failed" : "ok";
    body["version"] = backend_.snapshot()->version();
    body[mistakes.has_errors() ? "errors" : "warnings"] = mistakes_to_json(mistakes);
    co_return json_answer(mistakes.has_errors() ? 422 : 200, body);
  }

  AdminBackend& backend_;
};

}  // namespace

std::unique_ptr<http::Handler> make_admin_handler(AdminBackend& backend) {
  return std::make_unique<AdminHandler>(backend);
}

}  // namespace sluice::server
