/// Where the object_storage integration gets its objects from: a folder (disk_store.hpp) or a service that
/// speaks S3 (s3_store.hpp). The integration knows keys and the rules of spec.md section 4, the store knows
/// how an object is had.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "sluice/gateway/integration.hpp"

namespace sluice::integrations {

struct ObjectRequest {
  /// As it is, neither encoded nor checked; never empty.
  std::string_view key;
  bool head = false;
  /// Whose Range and If-* hold: the client's request. nullptr: the whole object without conditions.
  const http::Headers* conditions = nullptr;
};

/// Made at load, immutable, shared by workers.
class ObjectStore {
 public:
  ObjectStore() = default;
  ObjectStore(const ObjectStore&) = delete;
  ObjectStore& operator=(const ObjectStore&) = delete;
  virtual ~ObjectStore() = default;

  /// The object, or what the store says instead of it:
  /// - 200, 206: `headers` (only those of is_object_header, without Content-Length) and the body; for `head`
  ///   no body and `head_content_length`;
  /// - 304: `headers`;
  /// - any 4xx: the object is not to be had. `headers` may hold Content-Range (416); a body is not looked at,
  ///   and its source is destroyed.
  /// Whatever else the store does is an Error (upstream: 502, or 504 for time), whose `detail` may name
  /// bucket and key and whose `message` may not. `exchange` lends the worker, the client, the deadline and
  /// the cancel token; it stays until the awaitable has completed, but not as long as the body.
  virtual net::Awaitable<Result<http::Response>> get(const ObjectRequest& request,
                                                     gateway::Exchange& exchange) const = 0;

  /// Whether presigned_url() can be called: a folder has no URL of its own.
  [[nodiscard]] virtual bool presigns() const noexcept = 0;
  /// The absolute URL of a GET that carries its own authorization.
  virtual net::Awaitable<Result<std::string>> presigned_url(std::string_view key,
                                                            gateway::Exchange& exchange) const = 0;

  /// What get() would send, for `explain`: {method, url, headers, body}; secrets are masked by the caller.
  [[nodiscard]] virtual OrderedJson explain(const ObjectRequest& request,
                                            gateway::Exchange& exchange) const = 0;
};

/// The fields of an object that reach the client (backends.md, "Object Storage"), but Content-Length, which
/// the connection makes.
bool is_object_header(const http::Headers::Field& field) noexcept;
/// Range and If-*: the fields of `ObjectRequest::conditions` that a store obeys.
bool is_condition(http::FieldId id) noexcept;
/// Those fields of a request's conditions; for what is sent, and for `explain`.
http::Headers conditions_of(const ObjectRequest& request);

}  // namespace sluice::integrations
