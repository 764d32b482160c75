#include "sluice/base/line_writer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace sluice {
namespace {

/// How long the writer gathers lines once it was woken: one write and one wake-up for all of them.
constexpr std::chrono::milliseconds gather_time{20};

class Output {
 public:
  explicit Output(std::string name) : name_(std::move(name)) {}
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() { close_file(); }

  Result<void> open() {
    if (name_ == "stderr" || name_ == "stdout") {
      descriptor_ = name_ == "stderr" ? STDERR_FILENO : STDOUT_FILENO;
      return {};
    }
    const int opened = ::open(name_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (opened < 0) {
      Error error = config_error("cannot open the log " + name_ + ": " + std::strerror(errno));
      error.code = ErrorCode::io;
      return error;
    }
    close_file();
    descriptor_ = opened;
    return {};
  }

  /// A full disk or a closed pipe loses lines; there is nobody to tell.
  void write(std::string_view bytes) noexcept {
    while (!bytes.empty()) {
      const ssize_t wrote = ::write(descriptor_, bytes.data(), bytes.size());
      if (wrote > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(wrote));
      } else if (wrote < 0 && errno == EAGAIN) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      } else if (wrote == 0 || errno != EINTR) {
        return;
      }
    }
  }

 private:
  void close_file() noexcept {
    if (descriptor_ > STDERR_FILENO) {
      ::close(descriptor_);
    }
  }

  std::string name_;
  int descriptor_ = -1;
};

class Writer final : public LineWriter {
 public:
  explicit Writer(Options options)
      : options_(std::move(options)),
        output_(options_.output),
        shards_(std::vector<Shard>(std::max<std::size_t>(options_.shards, 1))) {}

  ~Writer() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  Result<void> start() {
    auto opened = output_.open();
    if (opened) {
      thread_ = std::thread([this] { run(); });
    }
    return opened;
  }

  bool push(std::size_t shard, std::string_view line) override {
    Shard& mine = shards_[std::min(shard, shards_.size() - 1)];
    {
      const std::lock_guard lock(mine.mutex);
      if (mine.text.size() + line.size() >= options_.shard_bytes) {
        dropped_.fetch_add(1, std::memory_order_relaxed);
        return false;
      }
      mine.text.append(line);
      mine.text.push_back('\n');
    }
    if (asleep_.load(std::memory_order_seq_cst)) {
      const std::lock_guard lock(mutex_);
      if (asleep_.exchange(false)) {
        wake_.notify_one();
      }
    }
    return true;
  }

  void reopen() override {
    const std::lock_guard lock(mutex_);
    reopen_ = true;
    asleep_ = false;
    wake_.notify_one();
  }

  void flush() override {
    std::unique_lock lock(mutex_);
    const std::uint64_t wanted = ++flushes_asked_;
    asleep_ = false;
    wake_.notify_one();
    flushed_.wait(lock, [&] { return flushes_done_ >= wanted; });
  }

  [[nodiscard]] std::uint64_t dropped() const noexcept override {
    return dropped_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t shards() const noexcept override { return shards_.size(); }

 private:
  struct alignas(64) Shard {
    std::mutex mutex;
    std::string text;
  };

  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      // Marked asleep first and looked for lines after: a push between the two sees the mark and wakes us.
      asleep_.store(true, std::memory_order_seq_cst);
      if (!anything_to_do()) {
        wake_.wait(lock, [&] { return !asleep_ || stopping_; });
      }
      asleep_ = false;
      if (!stopping_ && flushes_asked_ == flushes_done_) {
        wake_.wait_for(lock, gather_time, [&] { return stopping_ || flushes_asked_ != flushes_done_; });
      }
      const bool reopen_now = std::exchange(reopen_, false);
      const bool last = stopping_;
      const std::uint64_t flushing = flushes_asked_;
      lock.unlock();
      if (reopen_now) {
        write_all();
        static_cast<void>(output_.open());
      }
      write_all();
      lock.lock();
      if (flushing != flushes_done_) {
        flushes_done_ = flushing;
        flushed_.notify_all();
      }
      if (last) {
        return;
      }
    }
  }

  /// With mutex_ held.
  bool anything_to_do() {
    if (stopping_ || reopen_ || flushes_asked_ != flushes_done_) {
      return true;
    }
    return std::any_of(shards_.begin(), shards_.end(), [](Shard& shard) {
      const std::lock_guard lock(shard.mutex);
      return !shard.text.empty();
    });
  }

  void write_all() {
    for (Shard& shard : shards_) {
      taken_.clear();
      {
        const std::lock_guard lock(shard.mutex);
        taken_.swap(shard.text);
      }
      output_.write(taken_);
      if (taken_.capacity() > (std::size_t{256} << 10U)) {
        taken_ = std::string();
      }
    }
    const std::uint64_t dropped_now = dropped();
    if (dropped_now != dropped_told_ && options_.dropped_line != nullptr) {
      output_.write(options_.dropped_line(dropped_now - dropped_told_) + '\n');
    }
    dropped_told_ = dropped_now;
  }

  Options options_;
  Output output_;
  std::vector<Shard> shards_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable flushed_;
  std::atomic<bool> asleep_{false};
  std::atomic<std::uint64_t> dropped_{0};
  std::uint64_t dropped_told_ = 0;
  std::uint64_t flushes_asked_ = 0;
  std::uint64_t flushes_done_ = 0;
  bool reopen_ = false;
  bool stopping_ = false;
  std::string taken_;
  std::thread thread_;
};

}  // namespace

Result<std::shared_ptr<LineWriter>> LineWriter::open(Options options) {
  auto writer = std::make_shared<Writer>(std::move(options));
  if (auto started = writer->start(); !started) {
    return started.error();
  }
  return std::shared_ptr<LineWriter>(std::move(writer));
}

}  // namespace sluice
