// type: object_storage: an object of a bucket. spec.md section 4, backends.md.
#include <optional>
#include <utility>

#include "sluice/base/codec.hpp"
#include "sluice/client/cloud/sigv4.hpp"
#include "sluice/http/problem.hpp"

#include "integrations/common/mapped.hpp"
#include "integrations/common/options.hpp"
#include "integrations/object_storage/disk_store.hpp"
#include "integrations/object_storage/s3_store.hpp"
#include "integrations/types.hpp"

namespace sluice::integrations {
namespace {

using parameters::Landing;
using parameters::TextTemplate;

/// A bucket that leads nowhere: under `check` and `serve --spec`. Shows what the cloud would be asked.
class NoStore final : public ObjectStore {
 public:
  NoStore(std::string bucket, client::Url cloud) : bucket_(std::move(bucket)), cloud_(std::move(cloud)) {}

  net::Awaitable<Result<http::Response>> get(const ObjectRequest& /*request*/,
                                             gateway::Exchange& /*exchange*/) const override {
    co_return error();
  }
  [[nodiscard]] bool presigns() const noexcept override { return false; }
  net::Awaitable<Result<std::string>> presigned_url(std::string_view /*key*/,
                                                    gateway::Exchange& /*exchange*/) const override {
    co_return error();
  }
  [[nodiscard]] OrderedJson explain(const ObjectRequest& request,
                                    gateway::Exchange& /*exchange*/) const override {
    const std::string path =
        "/" + percent_encode(bucket_, PercentSet::unreserved) + "/" + client::cloud::object_path(request.key);
    OrderedJson result = OrderedJson::object();
    result["method"] = request.head ? "HEAD" : "GET";
    result["url"] = explain_url(cloud_.origin, cloud_.authority, path);
    result["headers"] = explain_headers(conditions_of(request));
    result["body"] = nullptr;
    return result;
  }
  [[nodiscard]] Error error() const { return not_mapped("bucket", "buckets", bucket_, "directory: …"); }

 private:
  std::string bucket_;
  client::Url cloud_;
};

class ObjectStorage final : public gateway::Integration {
 public:
  [[nodiscard]] bool needs_values() const noexcept override { return needs_values_; }

  net::Awaitable<Result<http::Response>> run(gateway::Exchange& exchange) const override {
    const http::Method method = exchange.request.method;
    if (method != http::Method::get && method != http::Method::head) {
      co_return method_not_allowed(exchange);
    }
    Result<std::string> key = object_.render(exchange.values);
    if (!key) {
      co_return std::move(key).error();
    }
    if (presigned_redirect_ && store_->presigns() && !key->empty()) {
      Result<http::Response> redirect = co_await redirected(*key, exchange);
      co_return redirect;
    }
    const bool head = method == http::Method::head;
    Result<http::Response> answer = missing();
    if (!key->empty()) {  // an empty one would be the bucket's own listing
      const ObjectRequest request{*key, head, &exchange.request.headers};
      answer = co_await store_->get(request, exchange);
    }
    if (!answer || answer->status < 400) {
      co_return answer;
    }
    const int status = answer->status;
    if (default_object_ && status == 404) {
      Result<http::Response> instead = co_await fetch(*default_object_, head, exchange);
      if (instead && instead->status == 200) {
        co_return instead;
      }
      if (!instead || instead->status < 400) {
        co_return refuse(*answer, exchange, instead ? std::string_view() : instead.error().detail);
      }
    }
    if (error_object_) {
      Result<http::Response> instead = co_await fetch(*error_object_, head, exchange);
      if (instead && instead->status == 200) {
        instead->status = error_status_.value_or(status);
        forget_validators(*instead);
        keep_content_range(*answer, *instead);
        co_return instead;
      }
      co_return refuse(*answer, exchange, instead ? std::string_view() : instead.error().detail);
    }
    co_return refuse(*answer, exchange, {});
  }

  Result<OrderedJson> explain(gateway::Exchange& exchange) const override;

  static IntegrationPtr build(gateway::BuildContext& context, const spec::Node& node);

 private:
  void read_options(gateway::BuildContext& context, spec::ObjectReader& reader, const spec::Node& node,
                    std::string& bucket, std::string& account);

  static http::Response missing() {
    http::Response response;
    response.status = 404;
    return response;
  }
  static http::Response method_not_allowed(gateway::Exchange& exchange) {
    exchange.context.record.slug = "method_not_allowed";
    http::Response response =
        http::problem(405, "An object can be read only: with GET or HEAD", exchange.context.request_id);
    response.headers.add("Allow", "GET, HEAD");
    return response;
  }
  /// An error page's tag and date say nothing of what is missing, and its date would have caches keep the
  /// error for long (RFC 9111 section 4.2.2).
  static void forget_validators(http::Response& response) {
    if (response.status >= 400) {
      response.headers.remove(http::FieldId::etag);
      response.headers.remove(http::FieldId::last_modified);
      response.headers.remove(http::FieldId::accept_ranges);
    }
  }
  /// A 416 tells the object's size whatever its body is.
  static void keep_content_range(const http::Response& from, http::Response& to) {
    const auto range = from.headers.get(http::FieldId::content_range);
    if (from.status == 416 && to.status == 416 && range) {
      const std::string value(*range);
      to.headers.set(http::FieldId::content_range, value);
    }
  }
  /// The gateway's JSON with the store's code.
  static http::Response refuse(const http::Response& answer, gateway::Exchange& exchange,
                               std::string_view detail) {
    http::RequestRecord& record = exchange.context.record;
    std::string_view message;
    switch (answer.status) {
      case 401:
      case 403:
        record.slug = "object_forbidden";
        message = "The object may not be read";
        break;
      case 404:
        record.slug = "object_not_found";
        message = "There is no such object";
        break;
      case 412:
        record.slug = "precondition_failed";
        message = "The object is not as the request's conditions want it";
        break;
      case 416:
        record.slug = "range_not_satisfiable";
        message = "The object has no bytes in the range";
        break;
      default:
        record.slug = "object_refused";
        break;
    }
    if (!detail.empty()) {
      record.detail = detail;  // else what the store has said of it
    }
    http::Response response = http::problem(answer.status, message, exchange.context.request_id);
    keep_content_range(answer, response);
    return response;
  }

  /// default_object and error_object: whole and without the client's conditions.
  net::Awaitable<Result<http::Response>> fetch(const TextTemplate& object, bool head,
                                               gateway::Exchange& exchange) const {
    Result<std::string> key = object.render(exchange.values);
    if (!key) {
      co_return std::move(key).error();
    }
    if (key->empty()) {
      co_return missing();
    }
    const ObjectRequest request{*key, head, nullptr};
    Result<http::Response> answer = co_await store_->get(request, exchange);
    co_return answer;
  }

  net::Awaitable<Result<http::Response>> redirected(std::string_view key, gateway::Exchange& exchange) const {
    Result<std::string> url = co_await store_->presigned_url(key, exchange);
    if (!url) {
      co_return std::move(url).error();
    }
    http::Response response;
    response.status = 302;
    response.headers.add(http::FieldId::location, *url);
    // The URL ends to hold before long.
    response.headers.add(http::FieldId::cache_control, "no-store");
    co_return response;
  }

  std::shared_ptr<const ObjectStore> store_;
  TextTemplate object_;
  std::optional<TextTemplate> default_object_;
  std::optional<TextTemplate> error_object_;
  std::optional<int> error_status_;
  bool presigned_redirect_ = false;
  bool needs_values_ = false;
  std::string note_;  ///< for explain
};

Result<OrderedJson> ObjectStorage::explain(gateway::Exchange& exchange) const {
  OrderedJson result = OrderedJson::object();
  const http::Method method = exchange.request.method;
  if (method != http::Method::get && method != http::Method::head) {
    OrderedJson& shown = result["response"];
    shown["status"] = 405;
    shown["headers"] = {{"Allow", "GET, HEAD"}};
    return result;
  }
  Result<std::string> key = object_.render(exchange.values);
  if (!key) {
    return std::move(key).error();
  }
  if (key->empty()) {
    OrderedJson& shown = result["response"];
    shown["status"] = 404;
    result["note"] = "the object's key is empty, which is no object";
    return result;
  }
  const ObjectRequest request{*key, method == http::Method::head, &exchange.request.headers};
  result["request"] = store_->explain(request, exchange);
  std::string note;
  const auto add = [&](std::string text) { note += (note.empty() ? "" : "; ") + std::move(text); };
  if (presigned_redirect_) {
    add(store_->presigns()
            ? "the client is sent to a presigned URL of this object (302)"
            : "presigned_redirect: this bucket has no presigned URLs, the object itself is sent");
  }
  const auto named = [&](const TextTemplate& object) {
    const Result<std::string> text = object.render(exchange.values);
    return text ? sanitize_utf8(*text) : std::string("(no valid key)");
  };
  if (default_object_) {
    add("404 → " + named(*default_object_) + " with 200");
  }
  if (error_object_) {
    add("4xx → " + named(*error_object_) +
        (error_status_ ? " with " + std::to_string(*error_status_) : " with its code"));
  }
  if (!note_.empty()) {
    add(note_);
  }
  if (!note.empty()) {
    result["note"] = note;
  }
  return result;
}

/// A key that is compiled; the mistakes that spec's checks see too are worded as there.
std::optional<TextTemplate> read_key(spec::ObjectReader& reader, std::string_view name,
                                     const parameters::ParameterSet& set) {
  const spec::Node* node = reader.node(name);
  const std::optional<std::string> text = reader.scalar_text(name);
  if (node == nullptr || !text || text->empty()) {
    return std::nullopt;
  }
  if (text->starts_with('/')) {
    reader.warning(*node, rule_option,
                   '`' + std::string(name) + "` begins with '/', which is part of an object's key",
                   "leave the '/' out unless the object's name really begins with one");
  }
  return compile_template(reader, *node, *text, Landing::object_key, set);
}

void ObjectStorage::read_options(gateway::BuildContext& context, spec::ObjectReader& reader,
                                 const spec::Node& node, std::string& bucket, std::string& account) {
  const parameters::ParameterSet& set = context.operation.parameter_set;
  reader.accept("type");
  account = read_service_account(reader).value_or(context.api.service_account_id);
  bucket = reader.required_string("bucket", "write the name of the bucket");
  reader.required_string("object", "write the object's key; it may hold {parameters} of the path");
  if (auto object = read_key(reader, "object", set)) {
    object_ = std::move(*object);
  }
  default_object_ = read_key(reader, "default_object", set);
  presigned_redirect_ = reader.boolean("presigned_redirect").value_or(false);
  const spec::Node* error_object = reader.node("error_object");
  if (error_object != nullptr && error_object->is_mapping()) {
    spec::ObjectReader object(context.document, *error_object, "error_object", context.diagnostics);
    object.required_string("object", "write the key of the object that is served on errors");
    constexpr std::int64_t least = 200;
    constexpr std::int64_t most = 599;
    if (const auto status = object.integer("statusCode", least, most)) {
      error_status_ = static_cast<int>(*status);
    }
    error_object_ = read_key(object, "object", set);
  } else {
    error_object_ = read_key(reader, "error_object", set);
  }
  if (presigned_redirect_ && (default_object_ || error_object_)) {
    reader.warning(node, rule_option,
                   "`default_object` and `error_object` have no effect beside `presigned_redirect`: whether "
                   "the object exists shows when the client follows the redirect");
  }
}

IntegrationPtr ObjectStorage::build(gateway::BuildContext& context, const spec::Node& node) {
  const std::size_t errors = context.diagnostics.error_count();
  auto result = std::make_shared<ObjectStorage>();
  std::string bucket;
  std::string account;
  {
    spec::ObjectReader reader(context.document, node, "the object_storage integration", context.diagnostics);
    result->read_options(context, reader, node, bucket, account);
  }
  if (context.diagnostics.error_count() != errors) {
    return nullptr;
  }
  const gateway::Environment& environment = context.environment;
  if (auto folder = environment.bucket(bucket)) {
    result->store_ = make_disk_store(std::move(folder));
  } else if (environment.mode == gateway::CompileMode::configured) {
    result->store_ = make_s3_store(context, node, bucket, account);
  } else {
    auto none = std::make_shared<NoStore>(bucket, environment.endpoints.object_storage.url);
    result->note_ = none->error().message;
    result->store_ = std::move(none);
  }
  if (result->store_ == nullptr) {
    return nullptr;
  }
  result->needs_values_ = !result->object_.is_constant() ||
                          (result->default_object_ && !result->default_object_->is_constant()) ||
                          (result->error_object_ && !result->error_object_->is_constant());
  return result;
}

}  // namespace

IntegrationPtr build_object_storage(gateway::BuildContext& context, const spec::Node& node) {
  return ObjectStorage::build(context, node);
}

}  // namespace sluice::integrations
