/// Who asks, and in which trace: what a request's head says about its way here, believed as far as the peer
/// is. daemon.md, "Trust" and "Trace context".
#pragma once

#include <string>
#include <string_view>

#include "sluice/http/handler.hpp"
#include "sluice/net/ip_set.hpp"

namespace sluice::gateway {

/// sourceIp into `out`: behind trusted peers the right-most untrusted entry of X-Forwarded-For (the
/// left-most when all are trusted), else the socket's address. An entry that is no address ends the search:
/// what stands right of it is the last that is known.
void find_client_address(std::string& out, const http::Headers& headers,
                         const http::ConnectionInfo& connection, const net::IpSet& trusted);

/// W3C Trace Context, version 00 and what later versions promise to keep.
bool is_valid_traceparent(std::string_view text) noexcept;
/// The client's traceparent into `out`, or a new one where it is absent, malformed or there twice; then its
/// tracestate, which belongs to another trace, is dropped from `headers`.
void find_traceparent(std::string& out, http::Headers& headers);

}  // namespace sluice::gateway
