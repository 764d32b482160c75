/// Lines for a log, written by a thread of their own: the request path pays for a copy into memory and,
/// where the writer slept, for waking it; never for a write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "sluice/base/result.hpp"

namespace sluice {

/// Thread-safe. Bounded: what does not fit is dropped and counted, and a line of its own says so once the
/// writer has room again.
class LineWriter {
 public:
  struct Options {
    /// "stderr", "stdout" or a file's path (appended to; created with mode 0640).
    std::string output = "stderr";
    /// Producers that do not wait for each other; push() takes the index of one.
    std::size_t shards = 1;
    /// Bytes that a shard holds until they are written.
    std::size_t shard_bytes = std::size_t{4} << 20U;
    /// Makes the line (without line feed) that reports `count` dropped ones; nullptr: none.
    std::string (*dropped_line)(std::uint64_t count) = nullptr;
  };

  /// Errors (config, io): the file cannot be opened.
  static Result<std::shared_ptr<LineWriter>> open(Options options);
  virtual ~LineWriter() = default;
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  /// Adds a line; the line feed is added. False: dropped. Lines of one shard stay in order.
  virtual bool push(std::size_t shard, std::string_view line) = 0;
  /// Opens the file anew (log rotation), before the next line is written. A file that cannot be opened
  /// leaves the old one in use.
  virtual void reopen() = 0;
  /// Waits until everything that was pushed before is written.
  virtual void flush() = 0;
  [[nodiscard]] virtual std::uint64_t dropped() const noexcept = 0;
  [[nodiscard]] virtual std::size_t shards() const noexcept = 0;

 protected:
  LineWriter() = default;
};

}  // namespace sluice
