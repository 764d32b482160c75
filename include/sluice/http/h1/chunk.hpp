/// The chunked coding, RFC 9112 section 7.1.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/base/result.hpp"
#include "sluice/http/headers.hpp"

namespace sluice::http::h1 {

struct ChunkLimits {
  std::size_t extension_bytes = std::size_t{4} << 10U;  ///< all chunk extensions of a body together
  std::size_t trailer_bytes = std::size_t{16} << 10U;   ///< the trailer section
  std::size_t trailer_fields = 100;
};

/// Takes a chunked body apart without copying it. Strict: sizes are 1 to 16 hex digits below 2^63, lines end
/// in CRLF, extensions follow their grammar. Keeps no pointers into its input. Single-threaded.
class ChunkDecoder {
 public:
  /// `source`: whose errors these are: downstream for requests (400, 431), upstream for responses
  /// (malformed).
  explicit ChunkDecoder(ErrorSource source = ErrorSource::downstream, const ChunkLimits& limits = {})
      : limits_(limits), source_(source) {}

  struct Step {
    std::size_t consumed = 0;  ///< bytes of the input that are done with, `data` among them
    std::string_view data;     ///< the next bytes of the body, a view into the input; may be empty
    bool done = false;         ///< the last chunk and the trailers were read
  };
  /// Decodes up to the end of the first piece of body in `input`; call again with what is left. A step
  /// without data that is not done has consumed the whole input. An error stays.
  Result<Step> feed(std::string_view input);
  [[nodiscard]] bool done() const noexcept { return state_ == State::done; }
  /// After the end. Fields that must not stand in trailers are left out (framing ones are an error): those
  /// that the daemon has a FieldId for, but ETag.
  [[nodiscard]] const Headers& trailers() const noexcept { return trailers_; }
  /// For the next body.
  void reset() noexcept;

 private:
  enum class State : std::uint8_t {
    size_start,
    size,
    extension_space,
    extension_name_start,
    extension_name,
    extension_name_end,
    extension_value_start,
    extension_value,
    extension_quoted,
    extension_quoted_pair,
    extension_quoted_end,
    size_line_feed,
    data,
    data_carriage_return,
    data_line_feed,
    trailer,
    done,
    failed,
  };
  std::string_view step(char byte);
  std::string_view step_size(char byte);
  std::string_view step_extension(char byte);
  Result<void> take_trailer_line(std::string_view bytes);
  Result<void> finish_trailers();
  Error fail(std::string_view detail, bool too_large = false);

  ChunkLimits limits_;
  ErrorSource source_;
  State state_ = State::size_start;
  unsigned digits_ = 0;
  std::uint64_t remaining_ = 0;  ///< of the chunk that is being read
  std::size_t extension_bytes_ = 0;
  std::size_t line_ = 0;  ///< where the current line starts in trailer_text_
  std::string trailer_text_;
  Headers trailers_;
  std::string_view failure_;
  bool failure_is_size_ = false;
};

/// "1f4\r\n" for a chunk of that many bytes (not 0), in `buffer`; after the data comes "\r\n".
std::string_view format_chunk_head(std::array<char, 18>& buffer, std::size_t size) noexcept;
/// One whole chunk; nothing for empty data.
void append_chunk(std::string& out, std::string_view data);
/// The last chunk and the trailers, if any.
void append_last_chunk(std::string& out, const Headers* trailers = nullptr);

}  // namespace sluice::http::h1
