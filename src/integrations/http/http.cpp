// type: http: a request to a URL, its response passed as it is. spec.md section 4.
#include <algorithm>
#include <array>

#include "sluice/base/codec.hpp"
#include "sluice/functions/forwarding.hpp"
#include "sluice/spec/leftovers.hpp"

#include "integrations/common/accounts.hpp"
#include "integrations/common/options.hpp"
#include "integrations/types.hpp"

namespace sluice::integrations {
namespace {

using parameters::Landing;
using parameters::TextTemplate;

/// A header or query parameter of the options, ready to be rendered.
struct Entry {
  std::string name;
  std::string encoded_name;  ///< query only
  http::FieldId id = http::FieldId::unknown;
  FieldTemplate field;
};

/// Fields that a request never carries on: hop-by-hop, framing, and what the server has dealt with.
bool never_passes(http::FieldId id) noexcept {
  switch (id) {
    case http::FieldId::connection:
    case http::FieldId::keep_alive:
    case http::FieldId::proxy_authenticate:
    case http::FieldId::proxy_authorization:
    case http::FieldId::proxy_connection:
    case http::FieldId::te:
    case http::FieldId::trailer:
    case http::FieldId::transfer_encoding:
    case http::FieldId::upgrade:
    case http::FieldId::content_length:
    case http::FieldId::expect:
      return true;
    default:
      return false;
  }
}

/// Calls `visit(raw pair, raw name)` with each pair of a query.
template <class Visit>
void for_each_pair(std::string_view query, Visit visit) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (!pair.empty()) {
      visit(pair, pair.substr(0, pair.find('=')));
    }
  }
}

void append_pair(std::string& target, std::string_view pair, bool& first) {
  target.push_back(first ? '?' : '&');
  target.append(pair);
  first = false;
}

class Http final : public gateway::Integration {
 public:
  [[nodiscard]] bool needs_values() const noexcept override { return needs_values_; }

  net::Awaitable<Result<http::Response>> run(gateway::Exchange& exchange) const override {
    client::ClientRequest request;
    if (Result<void> prepared = prepare(exchange, request); !prepared) {
      co_return std::move(prepared).error();
    }
    std::string token;
    if (!account_.empty()) {
      if (!account_known_) {
        co_return account_not_configured(account_);
      }
      Result<std::string> added = co_await add_token(exchange, account_, exchange.deadline,
                                                     &exchange.context.cancel, request.headers);
      if (!added) {
        co_return std::move(added).error();
      }
      token = std::move(*added);
    }
    if (exchange.buffered_body) {
      request.body = std::move(*exchange.buffered_body);
    } else {
      request.borrowed_body = exchange.request.body;
    }
    client::CallOptions options;
    options.connect_timeout = connect_timeout_;
    options.read_timeout = read_timeout_;
    options.head_deadline = exchange.deadline;
    options.cancel = &exchange.context.cancel;
    options.public_addresses_only = public_addresses_only_;
    Result<http::Response> response = co_await exchange.services.http_client.send(request, options);
    if (response) {
      note_refusal(exchange, account_, token, response->status);
      pass(exchange.request, request, *response);
    }
    co_return response;
  }

  Result<OrderedJson> explain(gateway::Exchange& exchange) const override {
    client::ClientRequest request;
    if (const Result<void> prepared = prepare(exchange, request); !prepared) {
      return prepared.error();
    }
    OrderedJson result = OrderedJson::object();
    if (!account_.empty()) {
      add_token_note(account_, request.headers);
      if (!account_known_) {
        result["note"] = account_not_configured(account_).message;
      }
    }
    OrderedJson& shown = result["request"];
    shown["method"] = request.method;
    shown["url"] = explain_url(request.origin, authority_of(exchange), request.path_and_query);
    shown["headers"] = explain_headers(request.headers);
    shown["body"] = explain_body(exchange.buffered_body);
    return result;
  }

  static IntegrationPtr build(gateway::BuildContext& context, const spec::Node& node);

 private:
  void read_url(gateway::BuildContext& context, spec::ObjectReader& reader);
  void read_method(spec::ObjectReader& reader);
  void read_timeouts(gateway::BuildContext& context, spec::ObjectReader& reader);
  void take_host(http::FieldId id);
  void read_headers(gateway::BuildContext& context, spec::ObjectReader& reader);
  void read_query(gateway::BuildContext& context, spec::ObjectReader& reader);
  static bool read_star(spec::ObjectReader& reader, const spec::Node* star, std::string_view key);
  void finish();

  /// The URL of this request. `authority` gets the URL's where the host holds a parameter.
  [[nodiscard]] Result<void> prepare_target(const gateway::Exchange& exchange, client::ClientRequest& request,
                                            std::string& authority) const;
  [[nodiscard]] Result<void> merge_query(const parameters::Values& values, std::string_view query,
                                         std::string& target) const;
  [[nodiscard]] Result<void> prepare_headers(const gateway::Exchange& exchange, http::Headers& headers) const;
  [[nodiscard]] Result<void> prepare(const gateway::Exchange& exchange, client::ClientRequest& request) const;
  [[nodiscard]] std::string authority_of(const gateway::Exchange& exchange) const;
  static void pass(const http::Request& from, const client::ClientRequest& sent, http::Response& response);
  [[nodiscard]] bool is_explicit(const http::Headers::Field& field) const noexcept;

  std::string method_;    ///< empty: the request's
  bool has_url_ = false;  ///< an empty one is a warning: a variable may fill it
  /// The whole URL where its host holds a parameter; otherwise from its path on.
  TextTemplate url_;
  bool parameter_in_host_ = false;
  bool public_addresses_only_ = false;
  client::Origin origin_;
  std::string authority_;
  std::string fixed_target_;  ///< path and query where nothing of the request changes them

  std::vector<Entry> header_entries_;  ///< those with parameters; the rest is in fixed_headers_
  std::vector<std::pair<http::FieldId, std::string>> explicit_names_;
  http::Headers fixed_headers_;
  bool host_given_ = false;
  bool user_agent_given_ = false;
  bool pass_headers_ = false;
  bool omit_empty_headers_ = false;
  std::array<bool, 5> own_{};  ///< written by us: X-Forwarded-For, -Proto, -Host, X-Request-Id, traceparent

  std::vector<Entry> query_entries_;
  bool pass_query_ = false;
  bool omit_empty_query_ = false;

  std::string account_;  ///< whose token goes along; empty: none
  bool account_known_ = true;
  Duration connect_timeout_{};
  Duration read_timeout_{};
  bool needs_values_ = false;
};

constexpr std::size_t usual_header_bytes = 480;

constexpr std::array<http::FieldId, 5> own_fields{
    http::FieldId::x_forwarded_for, http::FieldId::x_forwarded_proto, http::FieldId::x_forwarded_host,
    http::FieldId::x_request_id, http::FieldId::traceparent};

/// A list becomes one comma-separated value.
Result<void> append_list(std::string& out, const FieldTemplate& field, const parameters::Values& values) {
  for (const TextTemplate& value : field.values) {
    if (&value != &field.values.front()) {
      out.push_back(',');
    }
    if (Result<void> appended = value.append(out, values); !appended) {
      return appended;
    }
  }
  return {};
}

// ---- a request

Result<void> Http::prepare_target(const gateway::Exchange& exchange, client::ClientRequest& request,
                                  std::string& authority) const {
  if (!fixed_target_.empty()) {
    request.origin = origin_;
    request.path_and_query = fixed_target_;
    return {};
  }
  if (!parameter_in_host_) {
    request.origin = origin_;
    request.path_and_query.clear();
    if (Result<void> appended = url_.append(request.path_and_query, exchange.values); !appended) {
      return appended;
    }
  } else {
    const Result<std::string> rendered = url_.render(exchange.values);
    if (!rendered) {
      return rendered.error();
    }
    Result<client::Url> url = client::parse_url(*rendered);
    if (!url) {
      return downstream_error(ErrorCode::invalid, "parameter_bad_host",
                              "The parameters make no valid host name or host:port", 400);
    }
    request.origin = std::move(url->origin);
    request.path_and_query = std::move(url->path_and_query);
    authority = std::move(url->authority);
  }
  return merge_query(exchange.values, exchange.request.query, request.path_and_query);
}

/// The URL's own query, then the entries, then the client's where it passes: an entry replaces pairs of its
/// name in the other two, and the URL's own replace the client's.
Result<void> Http::merge_query(const parameters::Values& values, std::string_view query,
                               std::string& target) const {
  if (query_entries_.empty() && !pass_query_) {
    return {};
  }
  const std::size_t question = std::min(target.find('?'), target.size());
  if (query_entries_.empty() && !omit_empty_query_ && question == target.size()) {
    // Nothing to merge: the query's bytes pass unchanged.
    if (!query.empty()) {
      target.append("?").append(query);
    }
    return {};
  }
  const std::string own = target.substr(std::min(question + 1, target.size()));
  target.resize(question);
  bool first = true;
  std::vector<std::string> own_names;
  const auto is_entry = [&](const std::string& name) {
    return std::any_of(query_entries_.begin(), query_entries_.end(),
                       [&](const Entry& entry) { return entry.name == name; });
  };
  for_each_pair(own, [&](std::string_view pair, std::string_view raw_name) {
    std::string name = percent_decode_lenient(raw_name, true);
    if (!is_entry(name)) {
      append_pair(target, pair, first);
    }
    own_names.push_back(std::move(name));
  });
  for (const Entry& entry : query_entries_) {
    std::string pair = entry.encoded_name + "=";
    const std::size_t before = pair.size();
    if (Result<void> appended = append_list(pair, entry.field, values); !appended) {
      return appended;
    }
    if (pair.size() != before || !omit_empty_query_) {
      append_pair(target, pair, first);
    }
  }
  if (pass_query_) {
    for_each_pair(query, [&](std::string_view pair, std::string_view raw_name) {
      const std::string name = percent_decode_lenient(raw_name, true);
      const bool empty = pair.size() <= raw_name.size() + 1;
      if (!is_entry(name) && std::find(own_names.begin(), own_names.end(), name) == own_names.end() &&
          !(empty && omit_empty_query_)) {
        append_pair(target, pair, first);
      }
    });
  }
  return {};
}

bool Http::is_explicit(const http::Headers::Field& field) const noexcept {
  return std::any_of(explicit_names_.begin(), explicit_names_.end(), [&](const auto& name) {
    return field.id == name.first &&
           (field.id != http::FieldId::unknown || equals_ignore_case(field.name, name.second));
  });
}

Result<void> Http::prepare_headers(const gateway::Exchange& exchange, http::Headers& headers) const {
  const http::Request& from = exchange.request;
  if (pass_headers_) {
    http::Headers passed = from.headers;
    passed.remove_hop_by_hop();
    const bool trusted = exchange.context.connection.peer_trusted;
    for (const http::Headers::Field& field : passed) {
      const bool own = std::find(own_fields.begin(), own_fields.end(), field.id) != own_fields.end();
      if (own || never_passes(field.id) || field.id == http::FieldId::host ||
          functions::is_forwarding_field(field, trusted) || is_explicit(field) ||
          (omit_empty_headers_ && field.value.empty())) {
        continue;
      }
      headers.add(field.name, field.value);
    }
  } else if (!user_agent_given_) {
    if (const auto agent = from.headers.get(http::FieldId::user_agent)) {
      headers.add(http::FieldId::user_agent, *agent);
    }
  }
  std::string value;
  for (const Entry& entry : header_entries_) {
    value.clear();
    if (Result<void> appended = append_list(value, entry.field, exchange.values); !appended) {
      return appended;
    }
    if (entry.id == http::FieldId::host && !http::is_valid_authority(value)) {
      return downstream_error(ErrorCode::invalid, "parameter_bad_host",
                              "The parameters of the Host header make no valid host name or host:port", 400);
    }
    if (!value.empty() || !omit_empty_headers_) {
      headers.add(entry.name, value);
    }
  }
  const http::RequestContext& context = exchange.context;
  if (own_[0]) {
    if (const std::string list = functions::forwarded_for(from, context); !list.empty()) {
      headers.add(http::FieldId::x_forwarded_for, list);
    }
  }
  if (own_[1]) {
    headers.add(http::FieldId::x_forwarded_proto, functions::forwarded_proto(from, context));
  }
  if (own_[2]) {
    headers.add(http::FieldId::x_forwarded_host, functions::forwarded_host(from, context));
  }
  if (own_[3]) {
    headers.add(http::FieldId::x_request_id, context.request_id);
  }
  if (own_[4] && !context.trace_parent.empty()) {
    headers.add(http::FieldId::traceparent, context.trace_parent);
  }
  return {};
}

Result<void> Http::prepare(const gateway::Exchange& exchange, client::ClientRequest& request) const {
  if (!has_url_) {
    Error error = config_error("url of the http integration is empty, or a template that nobody filled in");
    error.slug = "empty_option";
    error.status = 502;
    error.message = "The integration has no URL: its url is empty or not filled in";
    return error;
  }
  std::string authority;
  if (Result<void> target = prepare_target(exchange, request, authority); !target) {
    return target;
  }
  // One allocation for the usual request, whatever is added below.
  request.headers.reserve(fixed_headers_.size() + header_entries_.size() + own_fields.size() + 2 +
                              (pass_headers_ ? exchange.request.headers.size() : 0),
                          usual_header_bytes);
  request.headers = fixed_headers_;
  if (!authority.empty() && !host_given_) {
    request.headers.add(http::FieldId::host, authority);
  }
  if (Result<void> headers = prepare_headers(exchange, request.headers); !headers) {
    return headers;
  }
  request.method = method_.empty() ? exchange.request.method_text : method_;
  return {};
}

std::string Http::authority_of(const gateway::Exchange& exchange) const {
  if (!parameter_in_host_) {
    return authority_;
  }
  client::ClientRequest request;
  std::string authority;
  return prepare_target(exchange, request, authority) ? authority : std::string();
}

/// The response passes as it is, without hop-by-hop fields. Where the two methods differ, what HEAD means
/// for the body is put right.
void Http::pass(const http::Request& from, const client::ClientRequest& sent, http::Response& response) {
  response.headers.remove_hop_by_hop();
  const bool head_sent = sent.method == "HEAD";
  const bool head_asked = from.method == http::Method::head;
  if (head_asked && !head_sent) {
    response.head_content_length = http::body_size(response.body);
    response.body = std::monostate();
  } else if (head_sent && !head_asked) {
    response.head_content_length.reset();
  }
}

// ---- the options

void Http::read_url(gateway::BuildContext& context, spec::ObjectReader& reader) {
  const std::string text = reader.required_string("url", "write the address that requests go to");
  if (text.empty()) {
    return;
  }
  has_url_ = true;
  const spec::Node& node = *reader.node("url");
  const parameters::ParameterSet& set = context.operation.parameter_set;
  const bool unfilled = !spec::find_leftover(node.text).empty() ||
                        (node.text.find("${var.") != std::string::npos && context.diagnostics.has_errors());
  if (unfilled && !TextTemplate::compile(node.text, Landing::url, set)) {
    has_url_ = false;  // the leftover or the undeclared variable was reported
    return;
  }
  auto whole = compile_template(reader, node, node.text, Landing::url, set);
  if (!whole) {
    return;
  }
  parameter_in_host_ = whole->has_parameter_in_host();
  public_addresses_only_ = parameter_in_host_ && !context.environment.http_allow_private;
  if (parameter_in_host_) {
    url_ = std::move(*whole);
    return;
  }
  // Scheme and host are fixed: they are parsed here, and the path is rendered for each request.
  const std::size_t host_at = node.text.find("://") + 3;
  const std::size_t path_at = std::min(node.text.find_first_of("/?", host_at), node.text.size());
  const Result<client::Url> parsed = client::parse_url(to_lower(node.text.substr(0, host_at)) +
                                                       node.text.substr(host_at, path_at - host_at) + "/");
  if (!parsed) {
    reader.error(node, rule_option, "url: " + parsed.error().detail);
    return;
  }
  origin_ = parsed->origin;
  authority_ = parsed->authority;
  fixed_headers_.add(http::FieldId::host, authority_);
  std::string path = node.text.substr(path_at);
  if (!path.starts_with('/')) {
    path.insert(0, 1, '/');
  }
  if (auto compiled = compile_template(reader, node, path, Landing::url_path, set)) {
    url_ = std::move(*compiled);
  }
}

void Http::read_method(spec::ObjectReader& reader) {
  const spec::Node* node = reader.node("method");
  const std::optional<std::string> text = reader.scalar_text("method");
  if (!text) {
    return;
  }
  std::string method = *text;
  std::transform(method.begin(), method.end(), method.begin(), [](char byte) {
    return byte >= 'a' && byte <= 'z' ? static_cast<char>(byte - 'a' + 'A') : byte;
  });
  if (method == "ANY") {
    return;  // what people write for the request's own
  }
  if (!is_token(method) || method == "CONNECT") {
    reader.error(*node, rule_option, "method \"" + sanitize_utf8(*text) + "\" is no method to send",
                 "write GET, POST, PUT, …, or leave it out to send the request's own");
    return;
  }
  method_ = std::move(method);
}

void Http::read_timeouts(gateway::BuildContext& context, spec::ObjectReader& reader) {
  connect_timeout_ = context.environment.connect_timeout;
  read_timeout_ = context.environment.read_timeout;
  const spec::Node* node = reader.node("timeouts");
  if (node == nullptr || node->is_null()) {
    return;
  }
  if (!node->is_mapping()) {
    reader.error(*node, "wrong-type",
                 "`timeouts` of an integration must be a mapping, it is " + node->describe());
    return;
  }
  spec::ObjectReader timeouts(context.document, *node, "timeouts", context.diagnostics);
  constexpr double shortest = 0.001;
  constexpr double longest = 86400;
  const auto seconds = [](double value) {
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(value));
  };
  if (const auto connect = timeouts.number("connect", shortest, longest)) {
    connect_timeout_ = seconds(*connect);
  }
  if (const auto read = timeouts.number("read", shortest, longest)) {
    read_timeout_ = seconds(*read);
  }
}

/// `'*': '*'` passes everything that is not overridden.
bool Http::read_star(spec::ObjectReader& reader, const spec::Node* star, std::string_view key) {
  if (star == nullptr) {
    return false;
  }
  if (!star->is_string() || star->text != "*") {
    reader.warning(*star, rule_option, "'*' in " + std::string(key) + " has no effect but with the value '*'",
                   "write '*': '*' to pass everything that is not overridden");
    return false;
  }
  return true;
}

void Http::take_host(http::FieldId id) {
  if (id == http::FieldId::host) {
    host_given_ = true;
    fixed_headers_.remove(http::FieldId::host);
  }
}

void Http::read_headers(gateway::BuildContext& context, spec::ObjectReader& reader) {
  const spec::Node* star = nullptr;
  std::vector<FieldTemplate> fields =
      read_fields(reader, "headers", Landing::header, context.operation.parameter_set, &star);
  pass_headers_ = read_star(reader, star, "headers");
  own_.fill(true);
  for (FieldTemplate& field : fields) {
    const http::FieldId id = http::field_id(field.name);
    if (never_passes(id)) {
      reader.warning(*reader.node("headers"), rule_option,
                     "the header " + field.name + " belongs to the connection and is never sent");
      continue;
    }
    user_agent_given_ = user_agent_given_ || id == http::FieldId::user_agent;
    for (std::size_t index = 0; index < own_fields.size(); ++index) {
      own_.at(index) = own_.at(index) && own_fields.at(index) != id;
    }
    explicit_names_.emplace_back(id, field.name);
    if (!field.is_constant()) {
      take_host(id);
      Entry entry{field.name, {}, id, {}};
      entry.field = std::move(field);
      header_entries_.push_back(std::move(entry));
      continue;
    }
    const std::string value = [&] {
      std::string text;
      // Constant templates cannot fail.
      static_cast<void>(append_list(text, field, {}).has_value());
      return text;
    }();
    if (id == http::FieldId::host && value.empty() && omit_empty_headers_) {
      continue;  // the URL's
    }
    take_host(id);
    if (id == http::FieldId::host && !http::is_valid_authority(value)) {
      reader.error(*reader.node("headers"), rule_option, "the header Host is no valid host name or host:port",
                   "leave it out to send the URL's");
    }
    if (!value.empty() || !omit_empty_headers_) {
      fixed_headers_.add(field.name, value);
    }
  }
}

void Http::read_query(gateway::BuildContext& context, spec::ObjectReader& reader) {
  const spec::Node* star = nullptr;
  std::vector<FieldTemplate> fields =
      read_fields(reader, "query", Landing::url_query_value, context.operation.parameter_set, &star);
  pass_query_ = read_star(reader, star, "query");
  for (FieldTemplate& field : fields) {
    Entry entry{field.name, percent_encode(field.name, PercentSet::unreserved), http::FieldId::unknown, {}};
    entry.field = std::move(field);
    query_entries_.push_back(std::move(entry));
  }
}

void Http::finish() {
  const bool constant_query = std::all_of(query_entries_.begin(), query_entries_.end(),
                                          [](const Entry& entry) { return entry.field.is_constant(); });
  needs_values_ = !url_.is_constant() || !constant_query || !header_entries_.empty();
  if (has_url_ && url_.is_constant() && constant_query && !pass_query_) {
    fixed_target_ = url_.constant();
    // Constant templates cannot fail.
    static_cast<void>(merge_query({}, {}, fixed_target_).has_value());
  }
}

IntegrationPtr Http::build(gateway::BuildContext& context, const spec::Node& node) {
  const std::size_t errors = context.diagnostics.error_count();
  auto result = std::make_shared<Http>();
  std::optional<std::string> account;
  {
    spec::ObjectReader reader(context.document, node, "the http integration", context.diagnostics);
    reader.accept("type");
    account = read_service_account(reader);
    result->omit_empty_headers_ = reader.boolean({"omitEmptyHeaders", "omit_empty_headers"}).value_or(false);
    result->omit_empty_query_ =
        reader.boolean({"omitEmptyQueryParameters", "omit_empty_query_parameters"}).value_or(false);
    result->read_url(context, reader);
    result->read_method(reader);
    result->read_timeouts(context, reader);
    result->read_headers(context, reader);
    result->read_query(context, reader);
  }
  if (context.diagnostics.error_count() != errors) {
    return nullptr;
  }
  if (account) {
    // The document's default account is not for http, as in the cloud: its token goes to no stranger unasked.
    if (!check_account(context, node, *account, Credential::iam_token)) {
      return nullptr;
    }
    result->account_ = *account;
    result->account_known_ = context.environment.mode == gateway::CompileMode::configured;
  }
  result->finish();
  return result;
}

}  // namespace

IntegrationPtr build_http(gateway::BuildContext& context, const spec::Node& node) {
  return Http::build(context, node);
}

}  // namespace sluice::integrations
