/// AWS Signature Version 4: how the services that are compatible with AWS are told who calls, with a static
/// key. backends.md, "SigV4"; checked against the public signing test suite.
///
/// Pure and thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/base/clock.hpp"
#include "sluice/http/headers.hpp"

namespace sluice::client::cloud {

/// A static access key of a service account. The secret is kept out of messages by its reader
/// (base/secrets.hpp).
struct StaticKey {
  std::string id;
  std::string secret;
  std::string session_token{};  ///< of temporary keys; empty: none
  bool operator==(const StaticKey&) const = default;
};

/// What a signature is good for.
struct SigningScope {
  std::string_view service;  ///< "s3", "sqs", "kinesis", "dynamodb"
  std::string_view region;   ///< "ru-central1"
};

struct SigningRules {
  /// The path stands in the canonical request as it was sent (S3, whose path segments are encoded once);
  /// otherwise it is encoded once more.
  bool path_as_sent = false;
  /// "." and ".." segments and repeated slashes are resolved; never for S3.
  bool normalize_path = true;
  /// Sign every field but those that a proxy may change; otherwise Host, Content-Type and all X-Amz-*.
  bool all_headers = false;
  /// Send and sign X-Amz-Content-Sha256; S3 asks for it.
  bool send_payload_hash = false;
  /// The session token is sent, and no part of the signature.
  bool session_token_unsigned = false;

  static constexpr SigningRules s3() { return {true, false, false, true, false}; }
};

/// The parts of a request that are signed.
struct SigningInput {
  std::string_view method;
  std::string_view path;     ///< as on the request line, without the query; "/" at least
  std::string_view query{};  ///< as on the request line, without '?'
  /// 64 hex digits, or "UNSIGNED-PAYLOAD".
  std::string_view payload_hash;
};

inline constexpr std::string_view empty_payload_hash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
inline constexpr std::string_view unsigned_payload = "UNSIGNED-PAYLOAD";

/// Header form: adds X-Amz-Date, X-Amz-Security-Token, X-Amz-Content-Sha256 where they belong, and
/// Authorization, to `headers`, which holds Host already. A previous signature in `headers` is replaced.
void sign_headers(const SigningInput& input, const SigningScope& scope, const SigningRules& rules,
                  const StaticKey& key, SystemTime now, http::Headers& headers);

/// Query form (a presigned URL): the query to send, without '?', X-Amz-Signature last. `headers` are those
/// that the caller of the URL will send, Host at least. `lifetime` in whole seconds, at most seven days.
std::string presign_query(const SigningInput& input, const SigningScope& scope, const SigningRules& rules,
                          const StaticKey& key, SystemTime now, std::chrono::seconds lifetime,
                          const http::Headers& headers);

/// The path of an object for the request line: every byte but unreserved ones and '/' encoded, so that a
/// server that decodes once and one that signs what it decoded agree. `key` as the client wrote it; a slash
/// at its start stays.
std::string object_path(std::string_view key);

/// The steps, for tests and for messages.
namespace sigv4 {
/// The canonical request; `signed_headers` gets the list of names.
std::string canonical_request(const SigningInput& input, const SigningRules& rules,
                              const http::Headers& headers, std::string& signed_headers);
std::string canonical_path(std::string_view path, const SigningRules& rules);
std::string canonical_query(std::string_view query);
std::string string_to_sign(std::string_view canonical_request, std::string_view date_time,
                           const SigningScope& scope);
/// "20150830T123600Z".
std::string date_time(SystemTime time);
std::string signature(const StaticKey& key, std::string_view date_time, const SigningScope& scope,
                      std::string_view string_to_sign);
}  // namespace sigv4

}  // namespace sluice::client::cloud
