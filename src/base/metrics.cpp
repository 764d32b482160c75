#include "sluice/base/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

namespace sluice {

Counter::Counter(std::size_t shards) : cells_(std::make_unique<Cell[]>(shards)), count_(shards) {}

std::uint64_t Counter::value() const noexcept {
  std::uint64_t sum = 0;
  for (std::size_t shard = 0; shard < count_; ++shard) {
    sum += cells_[shard].value.load(std::memory_order_relaxed);
  }
  return sum;
}

Level::Level(std::size_t shards) : cells_(std::make_unique<Cell[]>(shards)), count_(shards) {}

std::int64_t Level::value() const noexcept {
  std::int64_t sum = 0;
  for (std::size_t shard = 0; shard < count_; ++shard) {
    sum += cells_[shard].value.load(std::memory_order_relaxed);
  }
  return sum;
}

namespace {

std::string number_text(double value) {
  if (std::isnan(value)) {
    return "NaN";
  }
  if (std::isinf(value)) {
    return value > 0 ? "+Inf" : "-Inf";
  }
  return fmt::format("{}", value);
}

/// A label's value or (quotes false) a help text, escaped as the text format asks for.
void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (const char byte : text) {
    switch (byte) {
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '"':
        out += quotes ? "\\\"" : "\"";
        break;
      default:
        out.push_back(byte);
    }
  }
}

/// `name="value",…` without braces.
std::string label_text(const std::vector<std::string>& names, const LabelValues& values) {
  std::string out;
  for (std::size_t index = 0; index < names.size(); ++index) {
    out += index == 0 ? "" : ",";
    out += names[index];
    out += "=\"";
    append_escaped(out, values[index], true);
    out.push_back('"');
  }
  return out;
}

void append_sample(std::string& out, std::string_view name, std::string_view labels, std::string_view value) {
  out += name;
  if (!labels.empty()) {
    out.push_back('{');
    out += labels;
    out.push_back('}');
  }
  out.push_back(' ');
  out += value;
  out.push_back('\n');
}

}  // namespace

const std::vector<double>& Histogram::default_bounds() {
  static const std::vector<double> bounds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                          0.25,   0.5,   1,      2.5,   5,    10,    30,   60};
  return bounds;
}

Histogram::Histogram(std::size_t shards, std::vector<double> bounds)
    : bounds_(std::move(bounds)), shards_(std::make_unique<Shard[]>(shards)), shard_count_(shards) {
  for (std::size_t shard = 0; shard < shards; ++shard) {
    shards_[shard].buckets = std::make_unique<std::atomic<std::uint64_t>[]>(bounds_.size() + 1);
  }
}

void Histogram::observe(std::size_t shard, double seconds) noexcept {
  std::size_t bucket = 0;
  while (bucket < bounds_.size() && seconds > bounds_[bucket]) {
    ++bucket;
  }
  Shard& mine = shards_[shard];
  auto& cell = mine.buckets[bucket];
  cell.store(cell.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  mine.sum.store(mine.sum.load(std::memory_order_relaxed) + seconds, std::memory_order_relaxed);
}

std::uint64_t Histogram::count() const noexcept {
  std::uint64_t sum = 0;
  for (std::size_t shard = 0; shard < shard_count_; ++shard) {
    for (std::size_t bucket = 0; bucket <= bounds_.size(); ++bucket) {
      sum += shards_[shard].buckets[bucket].load(std::memory_order_relaxed);
    }
  }
  return sum;
}

void Histogram::render(std::string& out, std::string_view name, std::string_view labels) const {
  const std::string bucket_name = std::string(name) + "_bucket";
  const std::string prefix = labels.empty() ? std::string() : std::string(labels) + ',';
  std::uint64_t below = 0;
  for (std::size_t bucket = 0; bucket <= bounds_.size(); ++bucket) {
    for (std::size_t shard = 0; shard < shard_count_; ++shard) {
      below += shards_[shard].buckets[bucket].load(std::memory_order_relaxed);
    }
    const std::string bound = bucket == bounds_.size() ? "+Inf" : number_text(bounds_[bucket]);
    append_sample(out, bucket_name, fmt::format("{}le=\"{}\"", prefix, bound), std::to_string(below));
  }
  double sum = 0;
  for (std::size_t shard = 0; shard < shard_count_; ++shard) {
    sum += shards_[shard].sum.load(std::memory_order_relaxed);
  }
  append_sample(out, std::string(name) + "_sum", labels, number_text(sum));
  // The count is the last bucket's by definition: read apart, the two could differ while others count on.
  append_sample(out, std::string(name) + "_count", labels, std::to_string(below));
}

struct MetricsRegistry::Impl {
  enum class Kind : std::uint8_t { counter, histogram, level, gauge };

  struct Child {
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Histogram> histogram;
    std::unique_ptr<Level> level;
    std::function<double()> read;
    std::string labels;
  };

  struct Family {
    Kind kind = Kind::counter;
    std::string help;
    std::vector<std::string> label_names;
    std::map<LabelValues, Child> children;
  };

  explicit Impl(std::size_t workers) : shards(workers + 1) {}

  /// With `mutex` held.
  Child& child(Kind kind, std::string_view name, std::string_view help,
               const std::vector<std::string>& label_names, const LabelValues& labels) {
    auto [at, fresh] = families.try_emplace(std::string(name));
    Family& family = at->second;
    if (fresh) {
      family.kind = kind;
      family.help = help;
      family.label_names = label_names;
    }
    if (family.kind != kind || family.label_names != label_names || labels.size() != label_names.size()) {
      throw std::logic_error("metric " + std::string(name) + " used with two kinds or sets of labels");
    }
    Child& found = family.children[labels];
    if (found.labels.empty()) {
      found.labels = label_text(label_names, labels);
    }
    return found;
  }

  std::size_t shards;
  mutable std::mutex mutex;
  std::map<std::string, Family, std::less<>> families;
};

MetricsRegistry::MetricsRegistry(std::size_t shards) : impl_(std::make_unique<Impl>(shards)) {}
MetricsRegistry::~MetricsRegistry() = default;

std::size_t MetricsRegistry::shards() const noexcept {
  return impl_->shards;
}

Counter& MetricsRegistry::counter(std::string_view name, std::string_view help,
                                  const std::vector<std::string>& label_names, const LabelValues& labels) {
  const std::lock_guard lock(impl_->mutex);
  Impl::Child& child = impl_->child(Impl::Kind::counter, name, help, label_names, labels);
  if (!child.counter) {
    child.counter = std::make_unique<Counter>(impl_->shards);
  }
  return *child.counter;
}

Histogram& MetricsRegistry::histogram(std::string_view name, std::string_view help,
                                      const std::vector<std::string>& label_names,
                                      const LabelValues& labels) {
  const std::lock_guard lock(impl_->mutex);
  Impl::Child& child = impl_->child(Impl::Kind::histogram, name, help, label_names, labels);
  if (!child.histogram) {
    child.histogram = std::make_unique<Histogram>(impl_->shards, Histogram::default_bounds());
  }
  return *child.histogram;
}

Level& MetricsRegistry::level(std::string_view name, std::string_view help,
                              const std::vector<std::string>& label_names, const LabelValues& labels) {
  const std::lock_guard lock(impl_->mutex);
  Impl::Child& child = impl_->child(Impl::Kind::level, name, help, label_names, labels);
  if (!child.level) {
    child.level = std::make_unique<Level>(impl_->shards);
  }
  return *child.level;
}

void MetricsRegistry::gauge(std::string_view name, std::string_view help,
                            const std::vector<std::string>& label_names, const LabelValues& labels,
                            std::function<double()> read) {
  const std::lock_guard lock(impl_->mutex);
  impl_->child(Impl::Kind::gauge, name, help, label_names, labels).read = std::move(read);
}

void MetricsRegistry::remove_gauge(std::string_view name, const LabelValues& labels) {
  const std::lock_guard lock(impl_->mutex);
  const auto family = impl_->families.find(name);
  if (family != impl_->families.end() && family->second.kind == Impl::Kind::gauge) {
    family->second.children.erase(labels);
  }
}

std::string MetricsRegistry::render() const {
  const std::lock_guard lock(impl_->mutex);
  std::string out;
  for (const auto& [name, family] : impl_->families) {
    if (family.children.empty()) {
      continue;
    }
    out += "# HELP " + name + ' ';
    append_escaped(out, family.help, false);
    out += "\n# TYPE " + name;
    const bool counts =
        family.kind == Impl::Kind::counter || (family.kind == Impl::Kind::gauge && name.ends_with("_total"));
    out += counts ? " counter\n" : family.kind == Impl::Kind::histogram ? " histogram\n" : " gauge\n";
    for (const auto& [values, child] : family.children) {
      if (child.counter) {
        append_sample(out, name, child.labels, std::to_string(child.counter->value()));
      } else if (child.histogram) {
        child.histogram->render(out, name, child.labels);
      } else if (child.level) {
        append_sample(out, name, child.labels, std::to_string(child.level->value()));
      } else if (child.read) {
        append_sample(out, name, child.labels, number_text(child.read()));
      }
    }
  }
  return out;
}

}  // namespace sluice
