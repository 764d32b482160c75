#include "sluice/base/log.hpp"

#include <atomic>
#include <cmath>
#include <mutex>
#include <utility>

#include <fmt/format.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>

#include "sluice/base/clock.hpp"
#include "sluice/base/codec.hpp"
#include "sluice/base/secrets.hpp"

namespace sluice::log {
namespace {

spdlog::level::level_enum spdlog_level(Level level) noexcept {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
    case Level::off:
      break;
  }
  return spdlog::level::off;
}

/// Hands finished lines to the writer; messages of all threads share the shard after the workers'.
class WriterSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  WriterSink(std::shared_ptr<LineWriter> writer, std::size_t shard)
      : writer_(std::move(writer)), shard_(shard) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    writer_->push(shard_, std::string_view(message.payload.data(), message.payload.size()));
  }
  void flush_() override { writer_->flush(); }

 private:
  std::shared_ptr<LineWriter> writer_;
  std::size_t shard_;
};

class StderrSink final : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::string line(message.payload.data(), message.payload.size());
    std::fputs((line + '\n').c_str(), stderr);
  }
  void flush_() override { std::fflush(stderr); }
};

/// What messages are written with; replaced as a whole.
struct Target {
  Format format = Format::text;
  std::shared_ptr<spdlog::logger> logger;
  std::shared_ptr<LineWriter> writer;
};

std::shared_ptr<const Target> make_early_target() {
  auto target = std::make_shared<Target>();
  target->logger = std::make_shared<spdlog::logger>("sluice", std::make_shared<StderrSink>());
  target->logger->set_level(spdlog::level::warn);
  return target;
}

struct State {
  std::mutex mutex;
  std::shared_ptr<const Target> target = make_early_target();
  std::atomic<Level> level{Level::warning};
};

State& state() {
  static State instance;
  return instance;
}

std::shared_ptr<const Target> current() {
  State& shared = state();
  const std::lock_guard lock(shared.mutex);
  return shared.target;
}

void replace(std::shared_ptr<const Target> target, Level level) {
  State& shared = state();
  std::shared_ptr<const Target> old;
  {
    const std::lock_guard lock(shared.mutex);
    old = std::exchange(shared.target, std::move(target));
    shared.level = level;
  }
  // The old writer writes out what it has when its last owner lets go.
}

void append_quoted(std::string& out, std::string_view text) {
  out.push_back('"');
  append_json_escaped(out, text);
  out.push_back('"');
}

/// In text form only what would break the line's shape is quoted.
void append_text_value(std::string& out, std::string_view text) {
  const bool plain = !text.empty() && text.find_first_of(" \"\\=") == std::string_view::npos &&
                     text.find_first_of(std::string_view("\0\r\n\t", 4)) == std::string_view::npos &&
                     is_valid_utf8(text);
  if (plain) {
    out += text;
  } else {
    append_quoted(out, text);
  }
}

void append_value(std::string& out, Format format, const Field::Value& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    if (format == Format::json) {
      append_quoted(out, *text);
    } else {
      append_text_value(out, *text);
    }
  } else if (const auto* number = std::get_if<double>(&value)) {
    out += std::isfinite(*number) ? fmt::format("{}", *number) : std::string("null");
  } else if (const auto* flag = std::get_if<bool>(&value)) {
    out += *flag ? "true" : "false";
  } else if (const auto* whole = std::get_if<std::int64_t>(&value)) {
    out += std::to_string(*whole);
  } else {
    out += std::to_string(std::get<std::uint64_t>(value));
  }
}

std::string dropped_line(std::uint64_t count) {
  return format_line(current()->format, Level::warning, format_rfc3339(Clock::real().system()),
                     "log lines were dropped: the output does not take them fast enough",
                     {{"dropped", count}});
}

}  // namespace

Result<Level> parse_level(std::string_view text) {
  for (const Level level : {Level::debug, Level::info, Level::warning, Level::error, Level::off}) {
    if (text == to_string(level)) {
      return level;
    }
  }
  if (text == "warn") {
    return Level::warning;
  }
  return config_error("unknown log level \"" + std::string(text) +
                      "\"; known are debug, info, warning, error and off");
}

std::string_view to_string(Level level) noexcept {
  switch (level) {
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warning:
      return "warning";
    case Level::error:
      return "error";
    case Level::off:
      break;
  }
  return "off";
}

Result<void> start(const Settings& settings) {
  LineWriter::Options options;
  options.output = settings.output;
  options.shards = settings.workers + 1;
  options.shard_bytes = settings.shard_bytes;
  options.dropped_line = dropped_line;
  auto opened = LineWriter::open(std::move(options));
  if (!opened) {
    return opened.error();
  }
  auto target = std::make_shared<Target>();
  target->format = settings.format;
  target->writer = *opened;
  target->logger =
      std::make_shared<spdlog::logger>("sluice", std::make_shared<WriterSink>(*opened, settings.workers));
  target->logger->set_level(spdlog_level(settings.level));
  replace(std::move(target), settings.level);
  return {};
}

void stop() {
  flush();
  replace(make_early_target(), Level::warning);
}

void reopen() {
  if (const auto target = current(); target->writer) {
    target->writer->reopen();
  }
}

void flush() {
  current()->logger->flush();
}

std::shared_ptr<LineWriter> writer() {
  return current()->writer;
}

bool enabled(Level level) noexcept {
  return level != Level::off && level >= state().level.load(std::memory_order_relaxed);
}

void write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (!enabled(level)) {
    return;
  }
  const auto target = current();
  const std::string line = mask_secrets(
      format_line(target->format, level, format_rfc3339(Clock::real().system()), message, fields));
  target->logger->log(spdlog_level(level), spdlog::string_view_t(line.data(), line.size()));
}

std::string format_line(Format format, Level level, std::string_view time, std::string_view message,
                        std::initializer_list<Field> fields) {
  std::string out;
  if (format == Format::json) {
    out = "{\"time\":\"" + std::string(time) + "\",\"level\":\"" + std::string(to_string(level)) +
          "\",\"message\":";
    append_quoted(out, message);
    for (const Field& field : fields) {
      out.push_back(',');
      append_quoted(out, field.name);
      out.push_back(':');
      append_value(out, format, field.value);
    }
    out.push_back('}');
    return out;
  }
  out = std::string(time) + ' ' + fmt::format("{:<7}", to_string(level)) + ' ';
  // A message stays on its line whatever it holds.
  append_json_escaped(out, message);
  for (const Field& field : fields) {
    out.push_back(' ');
    out += field.name;
    out.push_back('=');
    append_value(out, format, field.value);
  }
  return out;
}

}  // namespace sluice::log
