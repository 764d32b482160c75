/// The fields that frame a message and keep its connection, the same for requests and responses.
#pragma once

#include <cstdint>
#include <string_view>

#include "sluice/http/h1/framing.hpp"
#include "sluice/http/headers.hpp"

namespace sluice::http::h1 {

/// Why a head is refused; static storage.
struct Refusal {
  std::string_view slug;
  std::string_view message;
  int status = 0;  ///< 0: nothing is wrong
  explicit operator bool() const noexcept { return status != 0; }
};

/// Collects Content-Length, Transfer-Encoding and Connection of one message.
class MessageFields {
 public:
  /// For those three; others have no effect. Refuses: a length that is not 1 to 19 digits below 2^63, a
  /// coding other than "chunked", either of them twice (the same value too), both together.
  Refusal take(FieldId id, std::string_view value) noexcept;
  [[nodiscard]] Framing framing() const noexcept {
    return chunked_ ? Framing::chunked() : has_length_ ? Framing::of_length(length_) : Framing{};
  }
  [[nodiscard]] bool keep_alive(bool http_1_0) const noexcept {
    return !close_ && (!http_1_0 || keep_alive_);
  }

 private:
  Refusal take_length(std::string_view value) noexcept;
  void take_connection(std::string_view value) noexcept;

  std::uint64_t length_ = 0;
  bool has_length_ = false;
  bool chunked_ = false;
  bool close_ = false;
  bool keep_alive_ = false;
};

}  // namespace sluice::http::h1
