/// Message bodies as sources that are pulled: nobody reading is the back-pressure. A proxied answer is the
/// client's body source handed to the server.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "sluice/base/result.hpp"
#include "sluice/http/headers.hpp"
#include "sluice/net/awaitable.hpp"

namespace sluice::http {

/// What of a file is still to come, for who sends it without reading it: each step moves `offset` on and
/// takes from `left`. The descriptor belongs to the source.
struct FileRange {
  int descriptor = -1;
  std::uint64_t offset = 0;
  std::uint64_t left = 0;

  /// Reads up to `size` bytes (and at most `left`) to `out` and moves on; 0 where the file ends. Errors: io.
  Result<std::size_t> read(char* out, std::size_t size);
};

/// Single-threaded. Destroying a source before its end abandons the message (the connection behind it
/// closes).
class BodySource {
 public:
  BodySource() = default;
  BodySource(const BodySource&) = delete;
  BodySource& operator=(const BodySource&) = delete;
  virtual ~BodySource() = default;

  /// The next bytes, never empty before the end; an empty view is the end. The view is valid until the next
  /// call or the source's destruction. After an error or the end, calls repeat it.
  virtual net::Awaitable<Result<std::string_view>> read() = 0;
  /// The same without waiting; nullopt where read() would wait.
  virtual std::optional<Result<std::string_view>> try_read() = 0;
  /// The length in bytes where it is known before the end (Content-Length).
  [[nodiscard]] virtual std::optional<std::uint64_t> size() const noexcept = 0;
  /// Makes a waiting read() end soon, with `cancelled` or whatever came first; the source is of no more use
  /// then. Without a waiting read() it does nothing. What the source stands on must stay until that read()
  /// has ended. A source that cannot do this ends its read() in its own time.
  virtual void cancel_read() noexcept {}
  /// The rest of the body as a range of a file; nullptr where it is none. The caller may move the range on
  /// and read() the rest.
  virtual FileRange* file_range() noexcept { return nullptr; }
  /// After the end: the trailers, or nullptr.
  [[nodiscard]] virtual const Headers* trailers() const noexcept { return nullptr; }
};

/// No body; bytes of one's own; bytes of the snapshot or another long-lived owner; a source.
using Body = std::variant<std::monostate, std::string, std::shared_ptr<const std::string>,
                          std::unique_ptr<BodySource>>;

/// Reads to the end. Errors: those of the source; too_large (source: downstream) beyond `limit`.
net::Awaitable<Result<std::string>> read_all(BodySource& source, std::size_t limit);
/// A source over bytes, for tests and for requests made from values.
std::unique_ptr<BodySource> make_body_source(std::string bytes);
/// The size where it is known without reading.
std::optional<std::uint64_t> body_size(const Body& body) noexcept;

}  // namespace sluice::http
