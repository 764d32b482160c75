/// Every limit and timeout of the daemon with its default: the configuration's `limits` section, its
/// reference in docs/configuration.md and its JSON Schema all come from the one table here.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "sluice/base/clock.hpp"
#include "sluice/http/limits.hpp"
#include "sluice/spec/node.hpp"

namespace sluice::server {

struct Limits {
  http::ServerLimits server;
  std::optional<std::uint64_t> connections;    ///< of all workers; absent: min(10 000, fd limit / 2.2)
  std::optional<std::uint64_t> request_body;   ///< absent: no cap in profile open, 2.5 MB in cloud
  std::optional<std::uint64_t> response_body;  ///< likewise
  std::uint64_t event_body = 3'670'016;
  std::uint64_t function_answer = 3'670'016;
  Duration connect_timeout = std::chrono::seconds(5);
  Duration read_timeout = std::chrono::minutes(5);
  Duration connect_retry = std::chrono::seconds(1);
  Duration upstream_idle_timeout = std::chrono::seconds(60);
  std::uint64_t upstream_connections = 512;
  std::uint64_t upstream_idle_connections = 128;
  std::uint64_t upstream_header_bytes = std::uint64_t{64} << 10U;
  std::uint64_t upstream_kept_body = std::uint64_t{64} << 10U;
  Duration token_timeout = std::chrono::seconds(10);
  Duration presigned_lifetime = std::chrono::hours(1);
  spec::NodeLimits document;
  Duration drain_timeout = std::chrono::seconds(30);
  Duration container_start = std::chrono::seconds(30);
  Duration container_stop = std::chrono::seconds(10);
  std::uint64_t log_buffer = std::uint64_t{4} << 20U;
  std::uint64_t function_queue = 1000;
  Duration function_start = std::chrono::seconds(30);
  Duration authorizer_timeout = std::chrono::seconds(10);
  Duration jwks_timeout = std::chrono::milliseconds(1500);
  std::uint64_t jwks_bytes = std::uint64_t{150} << 10U;
  std::uint64_t websocket_message = std::uint64_t{128} << 10U;
  std::uint64_t websocket_frame = std::uint64_t{32} << 10U;
  Duration websocket_lifetime = std::chrono::minutes(60);
  Duration websocket_idle = std::chrono::minutes(10);
};

/// One limit. `at` gives its place in a Limits object; an absent optional means what `when_absent` says.
struct LimitDescription {
  enum class Unit : std::uint8_t { duration, size, count };
  using Target = std::variant<Duration*, std::uint64_t*, std::optional<std::uint64_t>*>;

  std::string_view name;
  Unit unit;
  /// Smallest and largest value: nanoseconds, bytes or a number.
  std::uint64_t min;
  std::uint64_t max;
  bool built;                    ///< false: recognised, but a later step makes use of it
  std::string_view when_absent;  ///< the default's text where it is no plain value
  std::string_view meaning;
  Target (*at)(Limits& limits);
};

/// All limits in the order of the reference.
std::span<const LimitDescription> limit_table();
/// The default as the configuration would write it: "10s", "16KiB", "100".
std::string default_text(const LimitDescription& limit);

}  // namespace sluice::server
