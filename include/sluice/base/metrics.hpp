/// Counters and histograms in shards, one a worker, so that counting is a plain store; Prometheus text on
/// demand.
///
/// Families and their children are made at load or at start (locks), kept for the life of the registry, and
/// found again by name and labels; observing takes no lock. A shard may be written by its own worker only;
/// shard 0 is also the control thread's, atomically.
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

/// Seconds; buckets are fixed at creation.
class Histogram {
 public:
  Histogram(std::size_t shards, std::vector<double> bounds);
  void observe(std::size_t shard, double seconds) noexcept;
  void render(std::string& out, std::string_view name, std::string_view labels) const;

 private:
  struct Shard {
    std::unique_ptr<std::atomic<std::uint64_t>[]> buckets;
    std::atomic<std::uint64_t> count{0};
    std::atomic<double> sum{0};
  };
  std::vector<double> bounds_;
  std::unique_ptr<Shard[]> shards_;
  std::size_t shard_count_;
};

/// "name" → "value" in the order of the family's label names.
using LabelValues = std::vector<std::string>;

class MetricsRegistry {
 public:
  explicit MetricsRegistry(std::size_t shards);
  MetricsRegistry(const MetricsRegistry&) = delete;
  MetricsRegistry& operator=(const MetricsRegistry&) = delete;
  ~MetricsRegistry();

  Counter& counter(std::string_view name, std::string_view help,
                   const std::vector<std::string>& label_names = {}, const LabelValues& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help,
                       const std::vector<std::string>& label_names = {}, const LabelValues& labels = {});
  /// A gauge is asked for when it is rendered; `read` runs on the rendering thread.
  void gauge(std::string_view name, std::string_view help, const std::vector<std::string>& label_names,
             const LabelValues& labels, std::function<double()> read);
  /// Prometheus text format 0.0.4.
  [[nodiscard]] std::string render() const;
  [[nodiscard]] std::size_t shards() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice
