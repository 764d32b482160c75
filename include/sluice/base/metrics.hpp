/// Counters and histograms in shards, one a worker, so that counting is a plain store; Prometheus text on
/// demand.
///
/// Families and their children are made at load or at start (locks), kept for the life of the registry, and
/// found again by name and labels; observing takes no lock. A shard may be written by one thread only: each
/// worker has its own (its index), and the control thread has MetricsRegistry::control_shard().
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

class Counter {
 public:
  explicit Counter(std::size_t shards);
  /// From the shard's own thread.
  void add(std::size_t shard, std::uint64_t amount = 1) noexcept {
    auto& cell = cells_[shard].value;
    cell.store(cell.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t value() const noexcept;

 private:
  struct alignas(64) Cell {
    std::atomic<std::uint64_t> value{0};
  };
  std::unique_ptr<Cell[]> cells_;
  std::size_t count_;
};

/// What goes up and down: requests in flight. A shard may go below zero while another is above (what began on
/// one worker and ended on another); the sum is what counts.
class Level {
 public:
  explicit Level(std::size_t shards);
  /// From the shard's own thread.
  void add(std::size_t shard, std::int64_t amount) noexcept {
    auto& cell = cells_[shard].value;
    cell.store(cell.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  [[nodiscard]] std::int64_t value() const noexcept;

 private:
  struct alignas(64) Cell {
    std::atomic<std::int64_t> value{0};
  };
  std::unique_ptr<Cell[]> cells_;
  std::size_t count_;
};

/// Seconds; buckets are fixed at creation.
class Histogram {
 public:
  /// `bounds`: the buckets' upper bounds, ascending; +Inf is added.
  Histogram(std::size_t shards, std::vector<double> bounds);
  /// 0.5 ms to 60 s.
  static const std::vector<double>& default_bounds();
  /// From the shard's own thread.
  void observe(std::size_t shard, double seconds) noexcept;
  [[nodiscard]] std::uint64_t count() const noexcept;
  /// Appends the samples of one child; `labels` is `name="value",…`, escaped, or empty.
  void render(std::string& out, std::string_view name, std::string_view labels) const;

 private:
  struct Shard {
    std::unique_ptr<std::atomic<std::uint64_t>[]> buckets;
    std::atomic<double> sum{0};
  };
  std::vector<double> bounds_;
  std::unique_ptr<Shard[]> shards_;
  std::size_t shard_count_;
};

/// "name" → "value" in the order of the family's label names.
using LabelValues = std::vector<std::string>;

/// A name belongs to one kind with one list of label names; another use of it is a defect
/// (std::logic_error).
class MetricsRegistry {
 public:
  /// `shards`: the number of workers; one more is made for the control thread.
  explicit MetricsRegistry(std::size_t shards);
  MetricsRegistry(const MetricsRegistry&) = delete;
  MetricsRegistry& operator=(const MetricsRegistry&) = delete;
  ~MetricsRegistry();

  Counter& counter(std::string_view name, std::string_view help,
                   const std::vector<std::string>& label_names = {}, const LabelValues& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help,
                       const std::vector<std::string>& label_names = {}, const LabelValues& labels = {});
  Level& level(std::string_view name, std::string_view help, const std::vector<std::string>& label_names = {},
               const LabelValues& labels = {});
  /// A gauge is asked for when it is rendered; `read` runs on the rendering thread, with the registry locked
  /// (it must not call back). Named again it is replaced. One whose name ends in _total is told as a counter.
  void gauge(std::string_view name, std::string_view help, const std::vector<std::string>& label_names,
             const LabelValues& labels, std::function<double()> read);
  /// Before what `read` looks at dies.
  void remove_gauge(std::string_view name, const LabelValues& labels);
  /// Prometheus text format 0.0.4, families and children sorted by name and labels.
  [[nodiscard]] std::string render() const;
  /// All shards, the control thread's too.
  [[nodiscard]] std::size_t shards() const noexcept;
  [[nodiscard]] std::size_t control_shard() const noexcept { return shards() - 1; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice
