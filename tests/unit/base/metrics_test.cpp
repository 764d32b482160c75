#include "sluice/base/metrics.hpp"

#include <limits>
#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using testing::HasSubstr;

TEST(Metrics, CounterSumsItsShards) {
  MetricsRegistry registry(2);
  ASSERT_EQ(registry.shards(), 3U);
  ASSERT_EQ(registry.control_shard(), 2U);
  Counter& counter = registry.counter("sluice_things_total", "Things.");
  counter.add(0);
  counter.add(1, 41);
  counter.add(registry.control_shard(), 100);
  EXPECT_EQ(counter.value(), 142U);
  EXPECT_EQ(registry.render(),
            "# HELP sluice_things_total Things.\n"
            "# TYPE sluice_things_total counter\n"
            "sluice_things_total 142\n");
}

TEST(Metrics, SameNameAndLabelsAreTheSameChild) {
  MetricsRegistry registry(1);
  Counter& first = registry.counter("a_total", "A.", {"code"}, {"200"});
  Counter& again = registry.counter("a_total", "A.", {"code"}, {"200"});
  Counter& other = registry.counter("a_total", "A.", {"code"}, {"404"});
  EXPECT_EQ(&first, &again);
  EXPECT_NE(&first, &other);
}

TEST(Metrics, LabelsAndHelpAreEscaped) {
  MetricsRegistry registry(1);
  registry.counter("a_total", "Line one\nback\\slash \"quoted\"", {"path"}, {"/a\"b\\c\nd"}).add(0);
  const std::string text = registry.render();
  EXPECT_THAT(text, HasSubstr("# HELP a_total Line one\\nback\\\\slash \"quoted\"\n"));
  EXPECT_THAT(text, HasSubstr("a_total{path=\"/a\\\"b\\\\c\\nd\"} 1\n"));
}

TEST(Metrics, HistogramBucketsAreCumulative) {
  Histogram histogram(2, {0.1, 1});
  histogram.observe(0, 0.1);
  histogram.observe(0, 0.5);
  histogram.observe(1, 1.5);
  std::string text;
  histogram.render(text, "h", "x=\"y\"");
  EXPECT_EQ(text,
            "h_bucket{x=\"y\",le=\"0.1\"} 1\n"
            "h_bucket{x=\"y\",le=\"1\"} 2\n"
            "h_bucket{x=\"y\",le=\"+Inf\"} 3\n"
            "h_sum{x=\"y\"} 2.1\n"
            "h_count{x=\"y\"} 3\n");
  EXPECT_EQ(histogram.count(), 3U);
}

TEST(Metrics, HistogramOfARegistryHasTheDefaultBuckets) {
  MetricsRegistry registry(1);
  registry.histogram("d_seconds", "D.").observe(0, 1e9);
  const std::string text = registry.render();
  EXPECT_THAT(text, HasSubstr("# TYPE d_seconds histogram\n"));
  EXPECT_THAT(text, HasSubstr("d_seconds_bucket{le=\"0.0005\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("d_seconds_bucket{le=\"60\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("d_seconds_bucket{le=\"+Inf\"} 1\n"));
}

TEST(Metrics, GaugesAreReadWhenRenderedAndCanGo) {
  MetricsRegistry registry(1);
  double value = 1.5;
  registry.gauge("g", "G.", {"pool"}, {"a"}, [&] { return value; });
  EXPECT_THAT(registry.render(), HasSubstr("# TYPE g gauge\ng{pool=\"a\"} 1.5\n"));
  value = std::numeric_limits<double>::infinity();
  EXPECT_THAT(registry.render(), HasSubstr("g{pool=\"a\"} +Inf\n"));
  registry.gauge("g", "G.", {"pool"}, {"a"}, [] { return 7.0; });
  EXPECT_THAT(registry.render(), HasSubstr("g{pool=\"a\"} 7\n"));
  registry.gauge("read_total", "R.", {}, {}, [] { return 3.0; });
  EXPECT_THAT(registry.render(), HasSubstr("# TYPE read_total counter\nread_total 3\n"));
  registry.remove_gauge("g", {"a"});
  registry.remove_gauge("read_total", {});
  registry.remove_gauge("unknown", {});
  EXPECT_EQ(registry.render(), "");
}

TEST(Metrics, LevelGoesUpAndDownAcrossShards) {
  MetricsRegistry registry(2);
  Level& level = registry.level("in_flight", "F.");
  level.add(0, 1);
  level.add(0, 1);
  level.add(1, -1);
  EXPECT_EQ(level.value(), 1);
  EXPECT_THAT(registry.render(), HasSubstr("# TYPE in_flight gauge\nin_flight 1\n"));
}

TEST(Metrics, OneNameIsOneKindWithOneListOfLabels) {
  MetricsRegistry registry(1);
  registry.counter("a_total", "A.", {"code"}, {"200"});
  EXPECT_THROW(registry.histogram("a_total", "A.", {"code"}, {"200"}), std::logic_error);
  EXPECT_THROW(registry.counter("a_total", "A.", {"path"}, {"/"}), std::logic_error);
  EXPECT_THROW(registry.counter("a_total", "A.", {"code"}, {"200", "extra"}), std::logic_error);
}

TEST(Metrics, RenderingWhileOthersCountNeverTearsAHistogram) {
  MetricsRegistry registry(1);
  Histogram& histogram = registry.histogram("d_seconds", "D.");
  std::thread worker([&] {
    for (int round = 0; round < 20000; ++round) {
      histogram.observe(0, 0.0001);
    }
  });
  for (int round = 0; round < 50; ++round) {
    const std::string text = registry.render();
    const std::size_t inf = text.find("le=\"+Inf\"} ");
    const std::size_t count = text.find("d_seconds_count ");
    ASSERT_NE(inf, std::string::npos);
    ASSERT_NE(count, std::string::npos);
    EXPECT_EQ(std::stoull(text.substr(inf + 11)), std::stoull(text.substr(count + 16)));
  }
  worker.join();
  EXPECT_EQ(histogram.count(), 20000U);
}

}  // namespace
}  // namespace sluice
