/// One request and its answer on one connection.
#pragma once

#include <string>

#include "sluice/client/http_client.hpp"
#include "sluice/http/h1/parser.hpp"

#include "client/pool.hpp"
#include "client/request_body.hpp"

namespace sluice::client {

/// What all attempts of one call share.
struct Call {
  ClientRequest& request;
  const CallOptions& options;
  http::Method method;
  RequestBody body;
  std::string_view authority;  ///< for Host where the request has none
  http::h1::ResponseLimits limits;
};

/// How far an attempt that failed had come; backends.md, "Retries".
struct Attempt {
  bool sent = false;      ///< a byte was handed to the kernel
  bool answered = false;  ///< a byte of the answer was read
};

/// Sends the request and reads the answer's head into `response`. The connection goes back to its pool with
/// the last byte of the answer. `scratch` is used before the first wait only. Errors: read_timeout, deadline,
/// closed, malformed, cancelled, invalid (the request itself); or that of the request's body.
net::Awaitable<Result<void>> exchange(Call& call, ConnectionLease lease, std::string& scratch,
                                      Attempt& attempt, http::Response& response);

}  // namespace sluice::client
