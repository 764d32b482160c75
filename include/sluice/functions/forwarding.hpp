/// What is said about the client to whatever stands behind the gateway, and which of the client's own headers
/// may not say it. daemon.md, "Trust"; events.md, "Event of an operation".
#pragma once

#include <string>
#include <string_view>

#include "sluice/http/handler.hpp"

namespace sluice::functions {

/// X-Forwarded-For: the client's address; behind trusted peers the list they sent with the peer appended.
/// Empty for a unix socket whose client nobody named.
std::string forwarded_for(const http::Request& request, const http::RequestContext& context);
/// X-Forwarded-Proto: "https" or "http"; a trusted peer's own word is kept.
std::string_view forwarded_proto(const http::Request& request, const http::RequestContext& context) noexcept;
/// X-Forwarded-Host: the Host that the client asked for; a trusted peer's own word is kept.
std::string_view forwarded_host(const http::Request& request, const http::RequestContext& context) noexcept;
/// The trace id (32 hex digits) of context.trace_parent; empty without one.
std::string_view trace_id(const http::RequestContext& context) noexcept;

/// A field that speaks about the client or its way here and must not be taken over from an untrusted client:
/// X-Forwarded-*, Forwarded. X-Forwarded-For and -Proto are always written anew, whoever sent them.
bool is_forwarding_field(const http::Headers::Field& field, bool peer_trusted) noexcept;
/// A field that functions and containers believe to come from the gateway: those of added_headers,
/// is_forwarding_field, and X-Yc-ApiGateway-*.
bool is_gateway_field(const http::Headers::Field& field, bool peer_trusted) noexcept;

}  // namespace sluice::functions
