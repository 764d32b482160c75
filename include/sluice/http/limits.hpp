/// Limits and times of client connections, with their defaults (engineering defaults; docs/configuration.md,
/// `limits`).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "sluice/base/clock.hpp"

namespace sluice::http {

struct ServerLimits {
  std::size_t header_bytes = std::size_t{16} << 10U;   ///< whole head; beyond it 431
  std::size_t header_fields = 100;                     ///< each cookie counts; beyond it 431
  std::size_t line_bytes = std::size_t{8} << 10U;      ///< request line (414) and each field line (431)
  Duration header_timeout = std::chrono::seconds(10);  ///< from the first byte to the complete head; 408
  Duration keep_alive_timeout = std::chrono::seconds(75);
  Duration tls_handshake_timeout = std::chrono::seconds(10);
  Duration body_grace = std::chrono::seconds(10);     ///< then the body must come at `body_rate`; 408
  std::uint64_t body_rate = 500;                      ///< bytes a second
  Duration write_timeout = std::chrono::seconds(60);  ///< a client that takes nothing for so long is cut
  std::size_t drain_bytes = std::size_t{64} << 10U;   ///< unread body that is read to keep the connection
  Duration half_close_grace =
      std::chrono::seconds(1);            ///< how long an answer may take after the client's FIN
  std::uint64_t keep_alive_requests = 0;  ///< per connection; 0: no limit
};

}  // namespace sluice::http
