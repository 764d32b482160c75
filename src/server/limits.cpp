#include "sluice/server/limits.hpp"

#include <array>

#include "sluice/server/config_values.hpp"

namespace sluice::server {

namespace {

using Unit = LimitDescription::Unit;
using Target = LimitDescription::Target;

constexpr std::uint64_t second = 1'000'000'000;
constexpr std::uint64_t hour = 3600 * second;
constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;
constexpr std::uint64_t gib = 1024 * mib;
constexpr std::uint64_t tib = 1024 * gib;

constexpr std::array table{
    // Client connections.
    LimitDescription{"connections", Unit::count, 1, 10'000'000, true,
                     "the smaller of 10000 and the open-files limit / 2.2",
                     "Client connections of all workers together; one more is answered 503 and closed.",
                     [](Limits& limits) -> Target { return &limits.connections; }},
    LimitDescription{"header_bytes", Unit::size, kib, mib, true, "", "A request's whole head; beyond it 431.",
                     [](Limits& limits) -> Target { return &limits.server.header_bytes; }},
    LimitDescription{"header_fields", Unit::count, 1, 10'000, true, "",
                     "Fields of a request's head, each cookie counted; beyond it 431.",
                     [](Limits& limits) -> Target { return &limits.server.header_fields; }},
    LimitDescription{"line_bytes", Unit::size, 256, mib, true, "",
                     "The request line (beyond it 414) and each header line (431).",
                     [](Limits& limits) -> Target { return &limits.server.line_bytes; }},
    LimitDescription{"header_timeout", Unit::duration, second / 10, hour, true, "",
                     "From the first byte of a request to its complete head; then 408.",
                     [](Limits& limits) -> Target { return &limits.server.header_timeout; }},
    LimitDescription{"keep_alive_timeout", Unit::duration, second / 10, 24 * hour, true, "",
                     "How long an idle connection waits for its next request.",
                     [](Limits& limits) -> Target { return &limits.server.keep_alive_timeout; }},
    LimitDescription{"keep_alive_requests", Unit::count, 0, 1'000'000'000'000, true, "0 (no limit)",
                     "Requests that one connection may carry.",
                     [](Limits& limits) -> Target { return &limits.server.keep_alive_requests; }},
    LimitDescription{"tls_handshake_timeout", Unit::duration, second / 10, hour, true, "",
                     "A TLS handshake; then the connection is closed.",
                     [](Limits& limits) -> Target { return &limits.server.tls_handshake_timeout; }},
    LimitDescription{"body_grace", Unit::duration, second / 10, hour, true, "",
                     "After this time a request's body must come at `body_rate`; else 408.",
                     [](Limits& limits) -> Target { return &limits.server.body_grace; }},
    LimitDescription{"body_rate", Unit::size, 0, gib, true, "", "Bytes a second, see `body_grace`.",
                     [](Limits& limits) -> Target { return &limits.server.body_rate; }},
    LimitDescription{"write_timeout", Unit::duration, second / 10, hour, true, "",
                     "A client that takes nothing of its answer for so long is cut off.",
                     [](Limits& limits) -> Target { return &limits.server.write_timeout; }},
    LimitDescription{"drain_bytes", Unit::size, 0, gib, true, "",
                     "Rest of a request's body that is read away to keep the connection.",
                     [](Limits& limits) -> Target { return &limits.server.drain_bytes; }},
    LimitDescription{"half_close_grace", Unit::duration, 0, hour, true, "",
                     "How long an answer may still take after the client has ended its direction.",
                     [](Limits& limits) -> Target { return &limits.server.half_close_grace; }},
    // Bodies.
    LimitDescription{
        "request_body", Unit::size, 1, tib, true, "no cap in profile `open`, 2.5MiB in profile `cloud`",
        "A request's body; beyond it 413.", [](Limits& limits) -> Target { return &limits.request_body; }},
    LimitDescription{"response_body", Unit::size, 1, tib, true,
                     "no cap in profile `open`, 2.5MiB in profile `cloud`",
                     "A response's body; a longer one is 502, or broken off where it has begun.",
                     [](Limits& limits) -> Target { return &limits.response_body; }},
    LimitDescription{"event_body", Unit::size, kib, gib, true, "",
                     "A request's body that must be read whole (events of functions); beyond it 413.",
                     [](Limits& limits) -> Target { return &limits.event_body; }},
    LimitDescription{"function_answer", Unit::size, kib, gib, true, "",
                     "A function's answer; a longer one is 502.",
                     [](Limits& limits) -> Target { return &limits.function_answer; }},
    // Calls to what is behind.
    LimitDescription{"connect_timeout", Unit::duration, second / 1000, hour, true, "",
                     "Until connected (name, TCP and TLS), where the document sets no `timeouts.connect`.",
                     [](Limits& limits) -> Target { return &limits.connect_timeout; }},
    LimitDescription{"read_timeout", Unit::duration, second / 1000, 24 * hour, true, "",
                     "The longest silence of an upstream, where the document sets no `timeouts.read`.",
                     [](Limits& limits) -> Target { return &limits.read_timeout; }},
    LimitDescription{"connect_retry", Unit::duration, 0, hour, true, "",
                     "How long a refused or failed connect is tried again.",
                     [](Limits& limits) -> Target { return &limits.connect_retry; }},
    LimitDescription{"upstream_idle_timeout", Unit::duration, second / 1000, 24 * hour, true, "",
                     "How long a pooled connection to an upstream may lie idle.",
                     [](Limits& limits) -> Target { return &limits.upstream_idle_timeout; }},
    LimitDescription{"upstream_connections", Unit::count, 1, 1'000'000, true, "",
                     "Connections to one origin, a worker; more calls wait.",
                     [](Limits& limits) -> Target { return &limits.upstream_connections; }},
    LimitDescription{"upstream_idle_connections", Unit::count, 0, 1'000'000, true, "",
                     "Idle connections that are kept to one origin, a worker.",
                     [](Limits& limits) -> Target { return &limits.upstream_idle_connections; }},
    LimitDescription{"upstream_header_bytes", Unit::size, kib, 16 * mib, true, "",
                     "The head of an upstream's response; a longer one is 502.",
                     [](Limits& limits) -> Target { return &limits.upstream_header_bytes; }},
    LimitDescription{"upstream_kept_body", Unit::size, 0, 16 * mib, true, "",
                     "A request's body that is kept so that an idempotent request can be sent again.",
                     [](Limits& limits) -> Target { return &limits.upstream_kept_body; }},
    LimitDescription{"token_timeout", Unit::duration, second / 10, 600 * second, true, "",
                     "One exchange for a service account's IAM token; then calls that need it are 502.",
                     [](Limits& limits) -> Target { return &limits.token_timeout; }},
    LimitDescription{"presigned_lifetime", Unit::duration, second, 168 * hour, true, "",
                     "How long the URLs of `presigned_redirect` are good for.",
                     [](Limits& limits) -> Target { return &limits.presigned_lifetime; }},
    // Documents.
    LimitDescription{"document_bytes", Unit::size, kib, gib, true, "", "One document or file that it names.",
                     [](Limits& limits) -> Target { return &limits.document.max_bytes; }},
    LimitDescription{"document_nodes", Unit::count, 100, 1'000'000'000, true, "",
                     "Values of a document, aliases counted as often as they are used.",
                     [](Limits& limits) -> Target { return &limits.document.max_nodes; }},
    LimitDescription{"document_depth", Unit::count, 8, 1000, true, "", "Nesting of a document.",
                     [](Limits& limits) -> Target { return &limits.document.max_depth; }},
    // The daemon.
    LimitDescription{"drain_timeout", Unit::duration, 0, 24 * hour, true, "",
                     "At a stop, and for a removed listener: how long requests in flight may still take.",
                     [](Limits& limits) -> Target { return &limits.drain_timeout; }},
    LimitDescription{
        "container_start", Unit::duration, second / 10, hour, true, "",
        "Until a container with `command` listens on its port; then it is ended, and started again.",
        [](Limits& limits) -> Target { return &limits.container_start; }},
    LimitDescription{"container_stop", Unit::duration, 0, hour, true, "",
                     "How long a container may take to end after SIGTERM; then SIGKILL.",
                     [](Limits& limits) -> Target { return &limits.container_stop; }},
    LimitDescription{
        "log_buffer", Unit::size, 64 * kib, gib, true, "",
        "Log lines of a worker that wait to be written; beyond it lines are dropped and counted.",
        [](Limits& limits) -> Target { return &limits.log_buffer; }},
    // Functions that run here.
    LimitDescription{"function_queue", Unit::count, 0, 1'000'000, true, "",
                     "Events that wait for a process of a function with `runtime`, each; beyond it 429.",
                     [](Limits& limits) -> Target { return &limits.function_queue; }},
    LimitDescription{"function_start", Unit::duration, second / 10, hour, true, "",
                     "From the start of a function's process to its handler being loaded; then 502.",
                     [](Limits& limits) -> Target { return &limits.function_start; }},
    // What later steps use.
    LimitDescription{"authorizer_timeout", Unit::duration, second / 1000, hour, false, "",
                     "A call of a function authorizer.",
                     [](Limits& limits) -> Target { return &limits.authorizer_timeout; }},
    LimitDescription{"jwks_timeout", Unit::duration, second / 1000, hour, false, "", "A fetch of JWT keys.",
                     [](Limits& limits) -> Target { return &limits.jwks_timeout; }},
    LimitDescription{"jwks_bytes", Unit::size, kib, 16 * mib, false, "", "A set of JWT keys.",
                     [](Limits& limits) -> Target { return &limits.jwks_bytes; }},
    LimitDescription{"websocket_message", Unit::size, kib, gib, false, "",
                     "A WebSocket message on the wire; beyond it close code 1009.",
                     [](Limits& limits) -> Target { return &limits.websocket_message; }},
    LimitDescription{"websocket_frame", Unit::size, 128, gib, false, "",
                     "A WebSocket frame on the wire; beyond it close code 1009.",
                     [](Limits& limits) -> Target { return &limits.websocket_frame; }},
    LimitDescription{"websocket_lifetime", Unit::duration, second, 1000 * hour, false, "",
                     "The life of a WebSocket connection.",
                     [](Limits& limits) -> Target { return &limits.websocket_lifetime; }},
    LimitDescription{"websocket_idle", Unit::duration, second, 1000 * hour, false, "",
                     "How long a WebSocket connection may be silent in both directions.",
                     [](Limits& limits) -> Target { return &limits.websocket_idle; }},
};

}  // namespace

std::span<const LimitDescription> limit_table() {
  return table;
}

std::string default_text(const LimitDescription& limit) {
  if (!limit.when_absent.empty()) {
    return std::string(limit.when_absent);
  }
  Limits defaults;
  const Target target = limit.at(defaults);
  if (const auto* const* duration = std::get_if<Duration*>(&target)) {
    return format_duration(**duration);
  }
  const std::uint64_t* const* number = std::get_if<std::uint64_t*>(&target);
  if (number == nullptr) {
    return "none";
  }
  return limit.unit == Unit::size ? format_size(**number) : std::to_string(**number);
}

}  // namespace sluice::server
