/// Frames between the daemon and its worker processes; docs/worker-protocol.md, version 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::functions::runtime {

inline constexpr int protocol_version = 1;

enum class FrameType : std::uint8_t {
  invoke = 1,        ///< daemon: an event
  ready = 2,         ///< worker: the handler is loaded
  answer = 3,        ///< worker: what the handler returned
  error = 4,         ///< worker: what it threw
  fatal = 5,         ///< worker: likewise, and the process ends
  start_failed = 6,  ///< worker: the handler could not be loaded, and the process ends
};

inline constexpr std::size_t frame_header_bytes = 16;
inline constexpr std::size_t frame_head_most = std::size_t{64} << 10U;

/// The 16 bytes before head and body.
void append_frame_header(std::string& out, FrameType type, std::uint32_t id, std::size_t head_bytes,
                         std::size_t body_bytes);

/// Reads frames from bytes as they come. User code may write on the channel, so nothing is taken on trust.
class FrameReader {
 public:
  /// A body beyond `body_most` is read over: the frame then says too_large.
  explicit FrameReader(std::size_t body_most) : body_most_(body_most) {}

  enum class State : std::uint8_t { more, complete, malformed };
  /// Takes bytes up to the end of one frame; `bytes` keeps what was not taken. After `malformed` no more can
  /// be read.
  State feed(std::string_view& bytes);
  /// For the next frame; the last one's parts are gone.
  void reset();

  [[nodiscard]] FrameType type() const noexcept { return type_; }
  [[nodiscard]] std::uint32_t id() const noexcept { return id_; }
  [[nodiscard]] const std::string& head() const noexcept { return head_; }
  [[nodiscard]] std::string& body() noexcept { return body_; }
  [[nodiscard]] bool too_large() const noexcept { return too_large_; }
  /// Bytes of an unfinished frame were taken.
  [[nodiscard]] bool begun() const noexcept { return header_size_ > 0; }

 private:
  bool read_header();

  std::size_t body_most_;
  char header_[frame_header_bytes] = {};  // NOLINT(modernize-avoid-c-arrays)
  std::size_t header_size_ = 0;
  FrameType type_ = FrameType::answer;
  std::uint32_t id_ = 0;
  std::size_t head_left_ = 0;
  std::size_t body_left_ = 0;
  bool too_large_ = false;
  std::string head_;
  std::string body_;
};

}  // namespace sluice::functions::runtime
