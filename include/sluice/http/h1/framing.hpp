/// How the end of a message's body is found, RFC 9112 section 6.
#pragma once

#include <cstdint>

namespace sluice::http::h1 {

struct Framing {
  enum class Kind : std::uint8_t {
    none,         ///< no body
    length,       ///< `length` bytes
    chunked,      ///< chunks and a trailer section
    until_close,  ///< responses only: up to the end of the connection
  };
  Kind kind = Kind::none;
  std::uint64_t length = 0;

  static constexpr Framing of_length(std::uint64_t bytes) noexcept { return {Kind::length, bytes}; }
  static constexpr Framing chunked() noexcept { return {Kind::chunked, 0}; }
  [[nodiscard]] constexpr bool has_body() const noexcept {
    return kind == Kind::chunked || kind == Kind::until_close || (kind == Kind::length && length != 0);
  }
  bool operator==(const Framing&) const = default;
};

}  // namespace sluice::http::h1
