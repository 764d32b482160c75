#include "sluice/base/clock.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

SystemTime at(std::int64_t milliseconds) {
  return SystemTime(std::chrono::milliseconds(milliseconds));
}

TEST(Clock, WritesHttpDates) {
  EXPECT_EQ(format_http_date(at(784111777000)), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(format_http_date(at(0)), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(format_http_date(at(951782399999)), "Mon, 28 Feb 2000 23:59:59 GMT");
  EXPECT_EQ(format_http_date(at(951782400000)), "Tue, 29 Feb 2000 00:00:00 GMT");
}

TEST(Clock, WritesRfc3339WithMilliseconds) {
  EXPECT_EQ(format_rfc3339(at(1799056800123)), "2027-01-04T10:00:00.123Z");
  EXPECT_EQ(format_rfc3339(at(1799056800007)), "2027-01-04T10:00:00.007Z");
  EXPECT_EQ(format_rfc3339(at(0)), "1970-01-01T00:00:00.000Z");
}

TEST(Clock, WritesCommonLogDatesWithoutPaddingTheDay) {
  EXPECT_EQ(format_clf(at(1799056800123)), "4/Jan/2027:10:00:00 +0000");
  EXPECT_EQ(format_clf(at(1803859199000)), "28/Feb/2027:23:59:59 +0000");
}

TEST(Clock, Advances) {
  const Clock& clock = Clock::real();
  const SteadyTime before = clock.steady();
  EXPECT_LE(before, clock.steady());
  EXPECT_GT(clock.system(), at(1'600'000'000'000));
}

}  // namespace
}  // namespace sluice
