#include "sluice/server/config_values.hpp"

#include <gtest/gtest.h>

namespace sluice::server {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(ConfigValues, DurationsHaveUnits) {
  EXPECT_EQ(parse_duration("500ms").value(), milliseconds(500));
  EXPECT_EQ(parse_duration("3s").value(), seconds(3));
  EXPECT_EQ(parse_duration("1.5s").value(), milliseconds(1500));
  EXPECT_EQ(parse_duration("5m").value(), minutes(5));
  EXPECT_EQ(parse_duration("1h").value(), hours(1));
  EXPECT_EQ(parse_duration("0s").value(), Duration(0));
  EXPECT_EQ(parse_duration("10000h").value(), hours(10000));
}

TEST(ConfigValues, WhatIsNoDurationIsRefusedWithTheRemedy) {
  for (const char* text :
       {"", "s", "-1s", "3 s", "3S", "3sec", ".5s", "5.s", "1e3s", "1h30m", "10001h", "abc"}) {
    EXPECT_TRUE(parse_duration(text).has_error()) << text;
  }
  EXPECT_NE(parse_duration("30").error().detail.find("30s"), std::string::npos);
}

TEST(ConfigValues, SizesHaveUnits) {
  EXPECT_EQ(parse_size("500B").value(), 500U);
  EXPECT_EQ(parse_size("64KiB").value(), 65536U);
  EXPECT_EQ(parse_size("2.5MiB").value(), 2'621'440U);
  EXPECT_EQ(parse_size("1GiB").value(), 1'073'741'824U);
  for (const char* text : {"", "64", "64KB", "64kib", "-1B", "1TiB", "9999999999GiB", "MiB"}) {
    EXPECT_TRUE(parse_size(text).has_error()) << text;
  }
  EXPECT_NE(parse_size("64").error().detail.find("64KiB"), std::string::npos);
}

TEST(ConfigValues, WhatIsWrittenCanBeReadAgain) {
  for (const Duration duration : {Duration(0), Duration(milliseconds(1)), Duration(milliseconds(1500)),
                                  Duration(seconds(75)), Duration(minutes(5)), Duration(hours(24))}) {
    EXPECT_EQ(parse_duration(format_duration(duration)).value(), duration) << format_duration(duration);
  }
  for (const std::uint64_t size :
       {0ULL, 1ULL, 500ULL, 1024ULL, 65536ULL, 2'621'440ULL, 3'670'016ULL, 1ULL << 30U}) {
    EXPECT_EQ(parse_size(format_size(size)).value(), size) << format_size(size);
  }
  EXPECT_EQ(format_duration(milliseconds(1500)), "1500ms");
  EXPECT_EQ(format_duration(hours(2)), "2h");
  EXPECT_EQ(format_size(2'621'440), "2.5MiB");
  EXPECT_EQ(format_size(1023), "1023B");
}

ExpansionSources sources() {
  return {[](const std::string& name) -> std::optional<std::string> {
            return name == "A" ? std::optional<std::string>("one") : std::nullopt;
          },
          [](const std::string& path) -> Result<std::string> {
            if (path == "f") {
              return std::string("two\r\n");
            }
            return config_error("no such file");
          }};
}

TEST(ConfigValues, References) {
  std::vector<Expansion> used;
  EXPECT_EQ(expand_references("x ${env:A}-${file:f} ${other} $ {", sources(), &used).value(),
            "x one-two ${other} $ {");
  ASSERT_EQ(used.size(), 2U);
  EXPECT_EQ(used[1].reference, "${file:f}");
  EXPECT_EQ(used[1].value, "two");
  EXPECT_EQ(expand_references("", sources(), nullptr).value(), "");
  for (const char* text : {"${env:B}", "${file:g}", "${env:A", "${env:}", "${file:}"}) {
    EXPECT_TRUE(expand_references(text, sources(), nullptr).has_error()) << text;
  }
  // A value is not looked at again.
  const ExpansionSources nested{[](const std::string&) { return std::optional<std::string>("${env:A}"); },
                                {}};
  EXPECT_EQ(expand_references("${env:X}", nested, nullptr).value(), "${env:A}");
}

}  // namespace
}  // namespace sluice::server
