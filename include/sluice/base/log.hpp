/// The daemon's own messages: structured lines (JSON objects or text) on spdlog, written by a thread of their
/// own. The access log (gateway/access_log.hpp) shares the writer.
///
/// Thread-safe. Before start() messages of level warning and above go to stderr at once, as text.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "sluice/base/line_writer.hpp"
#include "sluice/base/result.hpp"

namespace sluice::log {

enum class Level : std::uint8_t { debug, info, warning, error, off };
enum class Format : std::uint8_t { json, text };

/// "debug", "info", "warning" (or "warn"), "error", "off".
Result<Level> parse_level(std::string_view text);
std::string_view to_string(Level level) noexcept;

/// A named value of a line. `name` is snake_case; "time", "level" and "message" are taken.
struct Field {
  using Value = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;
  Field(std::string_view its_name, std::string_view its_value) : name(its_name), value(its_value) {}
  Field(std::string_view its_name, const std::string& its_value)
      : name(its_name), value(std::string_view(its_value)) {}
  Field(std::string_view its_name, const char* its_value)
      : name(its_name), value(std::string_view(its_value)) {}
  Field(std::string_view its_name, bool its_value) : name(its_name), value(its_value) {}
  Field(std::string_view its_name, double its_value) : name(its_name), value(its_value) {}
  template <class Integer>
    requires std::is_integral_v<Integer>
  Field(std::string_view its_name, Integer its_value) : name(its_name) {
    if constexpr (std::is_signed_v<Integer>) {
      value = static_cast<std::int64_t>(its_value);
    } else {
      value = static_cast<std::uint64_t>(its_value);
    }
  }
  std::string_view name;
  Value value;
};

/// Configuration `log`. daemon.md, "Configuration".
struct Settings {
  Level level = Level::info;
  Format format = Format::json;
  std::string output = "stderr";                    ///< "stderr", "stdout" or a path
  std::size_t workers = 1;                          ///< shards of the writer for access lines: one a worker
  std::size_t shard_bytes = std::size_t{4} << 20U;  ///< of a shard until it is written (limits.log_buffer)
};

/// Opens the output and sends messages there from now on; called again (reload) it replaces settings and
/// output, after the old one was written out. Errors (config, io): the output cannot be opened; nothing has
/// changed then.
Result<void> start(const Settings& settings);
/// Writes everything out and goes back to the state before start().
void stop();
/// For log rotation (SIGUSR1); not in a signal handler itself.
void reopen();
/// Waits until what was logged so far is written.
void flush();
/// The writer behind start(), for access lines: shard = the worker's index. nullptr before start().
std::shared_ptr<LineWriter> writer();

[[nodiscard]] bool enabled(Level level) noexcept;
void write(Level level, std::string_view message, std::initializer_list<Field> fields = {});
inline void debug(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::debug, message, fields);
}
inline void info(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::info, message, fields);
}
inline void warning(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::warning, message, fields);
}
inline void error(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::error, message, fields);
}

/// The line that write() makes, without line feed; for tests.
std::string format_line(Format format, Level level, std::string_view time, std::string_view message,
                        std::initializer_list<Field> fields);

}  // namespace sluice::log
