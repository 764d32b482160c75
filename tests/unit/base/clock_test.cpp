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

TEST(Clock, ReadsRfc3339) {
  EXPECT_EQ(parse_rfc3339("2027-01-04T10:00:00Z"), at(1799056800000));
  EXPECT_EQ(parse_rfc3339("2027-01-04T10:00:00.123Z"), at(1799056800123));
  EXPECT_EQ(parse_rfc3339("2027-01-04t13:30:00.5+03:30"), at(1799056800500));
  EXPECT_EQ(parse_rfc3339("2027-01-04T05:00:00-05:00"), at(1799056800000));
  EXPECT_EQ(parse_rfc3339("2027-01-04T10:00:00.123456789Z"),
            at(1799056800123) + std::chrono::nanoseconds(456789));
  EXPECT_EQ(parse_rfc3339("2027-01-04T10:00:00.1234567899999999999999Z"),
            at(1799056800123) + std::chrono::nanoseconds(456789));
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00Z"), at(0));
  for (const char* text :
       {"", "2027-01-04", "2027-01-04T10:00:00", "2027-01-04 10:00:00Z", "2027-13-04T10:00:00Z",
        "2027-02-30T10:00:00Z", "2027-01-04T24:00:00Z", "2027-01-04T10:00:00.Z", "2027-01-04T10:00:00+3",
        "2027-01-04T10:00:00+03:0a", "2027-01-04T10:00:00ZZ", "20270104T100000Z", "-027-01-04T10:00:00Z",
        "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z", "2027-01-04T10:00:-1Z"}) {
    EXPECT_FALSE(parse_rfc3339(text).has_value()) << text;
  }
}

TEST(Clock, Advances) {
  const Clock& clock = Clock::real();
  const SteadyTime before = clock.steady();
  EXPECT_LE(before, clock.steady());
  EXPECT_GT(clock.system(), at(1'600'000'000'000));
}

}  // namespace
}  // namespace sluice
