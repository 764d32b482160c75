#include "sluice/http/conditions.hpp"

#include <initializer_list>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace sluice::http {
namespace {

constexpr std::int64_t changed = 784111777;  // Sun, 06 Nov 1994 08:49:37 GMT
constexpr std::int64_t now = 1'700'000'000;
constexpr const char* at = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr const char* before = "Sun, 06 Nov 1994 08:49:36 GMT";
constexpr const char* after = "Sun, 06 Nov 1994 08:49:38 GMT";

/// "200", "206 0-4", "304", "412", "416".
std::string ask(std::initializer_list<std::pair<std::string_view, std::string_view>> fields,
                std::uint64_t size = 10) {
  Headers request;
  for (const auto& [name, value] : fields) {
    request.add(name, value);
  }
  const Selection chosen = select(request, {"\"abc\"", changed, size}, now);
  switch (chosen.outcome) {
    case Selection::Outcome::whole:
      EXPECT_EQ(chosen.size, size);
      return "200";
    case Selection::Outcome::part:
      EXPECT_GT(chosen.size, 0U);
      EXPECT_LE(chosen.first + chosen.size, size);
      return "206 " + std::to_string(chosen.first) + "-" + std::to_string(chosen.first + chosen.size - 1);
    case Selection::Outcome::not_modified:
      return "304";
    case Selection::Outcome::precondition_failed:
      return "412";
    case Selection::Outcome::unsatisfiable:
      return "416";
  }
  return "?";
}

TEST(HttpDate, ReadsItsThreeForms) {
  EXPECT_EQ(parse_http_date(at, now), changed);
  EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT", now), changed);
  EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994", now), changed);
  EXPECT_EQ(parse_http_date("Thu, 01 Jan 1970 00:00:00 GMT", now), 0);
  EXPECT_EQ(parse_http_date("Tue, 29 Feb 2000 00:00:00 GMT", now), 951782400);
  EXPECT_EQ(parse_http_date("Wed Nov 16 08:49:37 1994", now), changed + std::int64_t{10} * 86400);
  // Two digits: at most fifty years ahead (2023 is now).
  EXPECT_EQ(parse_http_date("Sunday, 06-Nov-73 08:49:37 GMT", now),
            parse_http_date("Mon, 06 Nov 2073 08:49:37 GMT", now));
  EXPECT_EQ(parse_http_date("Sunday, 06-Nov-74 08:49:37 GMT", now),
            parse_http_date("Mon, 06 Nov 1974 08:49:37 GMT", now));
}

TEST(HttpDate, RefusesWhatIsNone) {
  for (const char* text : {"",
                           "x",
                           "Sun, 06 Nov 1994 08:49:37",
                           "Sun, 06 Nov 1994 08:49:37 UTC",
                           "Sun, 6 Nov 1994 08:49:37 GMT",
                           "Sun, 31 Feb 1994 08:49:37 GMT",
                           "Sun, 06 Nov 1994 24:00:00 GMT",
                           "Sun, 06 Nov 1994 08:60:37 GMT",
                           "Sun, 06 Nov 1994 08:49:37 GMT x",
                           "sun, 06 Nov 1994 08:49:37 GMT",
                           "Sun, 00 Nov 1994 08:49:37 GMT",
                           "Sun, 06 Nov -994 08:49:37 GMT",
                           "Sun, -6 Nov 1994 08:49:37 GMT",
                           "1994-11-06T08:49:37Z",
                           "0",
                           "-1",
                           "06 Nov 1994 08:49:37 GMT",
                           "Sun, 06 Nov 1994 08:49:37 GMT ",
                           "Sun, 06 Nov 1994 28:49:37 GMT",
                           "784111777"}) {
    EXPECT_EQ(parse_http_date(text, now), std::nullopt) << text;
  }
}

TEST(Conditions, None) {
  EXPECT_EQ(ask({}), "200");
  EXPECT_EQ(ask({{"Accept", "*/*"}}), "200");
}

TEST(Conditions, IfMatchComparesStrongly) {
  EXPECT_EQ(ask({{"If-Match", "\"abc\""}}), "200");
  EXPECT_EQ(ask({{"If-Match", "*"}}), "200");
  EXPECT_EQ(ask({{"If-Match", "\"x\", \"abc\""}}), "200");
  EXPECT_EQ(ask({{"If-Match", "\"x\""}, {"If-Match", "\"abc\""}}), "200");
  EXPECT_EQ(ask({{"If-Match", "W/\"abc\""}}), "412");
  EXPECT_EQ(ask({{"If-Match", "\"x\""}}), "412");
  EXPECT_EQ(ask({{"If-Match", ""}}), "412");
  EXPECT_EQ(ask({{"If-Match", "\"abc"}}), "412");
  EXPECT_EQ(ask({{"If-Match", "\"a,abc\""}}), "412");
}

TEST(Conditions, IfNoneMatchComparesWeakly) {
  EXPECT_EQ(ask({{"If-None-Match", "\"abc\""}}), "304");
  EXPECT_EQ(ask({{"If-None-Match", "W/\"abc\""}}), "304");
  EXPECT_EQ(ask({{"If-None-Match", "*"}}), "304");
  EXPECT_EQ(ask({{"If-None-Match", "\"x\" ,, W/\"y\",\"abc\""}}), "304");
  EXPECT_EQ(ask({{"If-None-Match", "\"x\""}}), "200");
  EXPECT_EQ(ask({{"If-None-Match", "\"abc"}}), "200");
  EXPECT_EQ(ask({{"If-None-Match", "W/"}}), "200");
  EXPECT_EQ(ask({{"If-None-Match", "abc"}}), "304") << "S3 takes a tag without quotes";
}

TEST(Conditions, Dates) {
  EXPECT_EQ(ask({{"If-Modified-Since", at}}), "304");
  EXPECT_EQ(ask({{"If-Modified-Since", after}}), "304");
  EXPECT_EQ(ask({{"If-Modified-Since", before}}), "200");
  EXPECT_EQ(ask({{"If-Modified-Since", "yesterday"}}), "200");
  EXPECT_EQ(ask({{"If-Unmodified-Since", at}}), "200");
  EXPECT_EQ(ask({{"If-Unmodified-Since", after}}), "200");
  EXPECT_EQ(ask({{"If-Unmodified-Since", before}}), "412");
  EXPECT_EQ(ask({{"If-Unmodified-Since", "yesterday"}}), "200");
}

TEST(Conditions, TagsComeBeforeDatesAndMatchBeforeNoneMatch) {
  EXPECT_EQ(ask({{"If-Match", "\"abc\""}, {"If-Unmodified-Since", before}}), "200");
  EXPECT_EQ(ask({{"If-None-Match", "\"x\""}, {"If-Modified-Since", at}}), "200");
  EXPECT_EQ(ask({{"If-None-Match", "\"abc\""}, {"If-Modified-Since", before}}), "304");
  EXPECT_EQ(ask({{"If-Match", "\"x\""}, {"If-None-Match", "\"abc\""}}), "412");
  EXPECT_EQ(ask({{"If-Match", "\"abc\""}, {"If-None-Match", "\"abc\""}}), "304");
  EXPECT_EQ(ask({{"If-Unmodified-Since", before}, {"If-None-Match", "\"abc\""}}), "412");
  EXPECT_EQ(ask({{"If-None-Match", "\"abc\""}, {"Range", "bytes=0-1"}}), "304");
  EXPECT_EQ(ask({{"If-Match", "\"x\""}, {"Range", "bytes=0-1"}}), "412");
}

TEST(Ranges, OfOnePart) {
  EXPECT_EQ(ask({{"Range", "bytes=0-4"}}), "206 0-4");
  EXPECT_EQ(ask({{"Range", "bytes=0-0"}}), "206 0-0");
  EXPECT_EQ(ask({{"Range", "bytes=9-9"}}), "206 9-9");
  EXPECT_EQ(ask({{"Range", "bytes=5-"}}), "206 5-9");
  EXPECT_EQ(ask({{"Range", "bytes=5-1000"}}), "206 5-9");
  EXPECT_EQ(ask({{"Range", "bytes=-3"}}), "206 7-9");
  EXPECT_EQ(ask({{"Range", "bytes=-1000"}}), "206 0-9");
  EXPECT_EQ(ask({{"Range", "BYTES=0-1"}}), "206 0-1");
  EXPECT_EQ(ask({{"Range", " bytes = 0 - 1 "}}), "206 0-1");
  EXPECT_EQ(ask({{"Range", "bytes=0-99999999999999999999999999"}}), "206 0-9");
}

TEST(Ranges, ThatCannotBe) {
  EXPECT_EQ(ask({{"Range", "bytes=10-"}}), "416");
  EXPECT_EQ(ask({{"Range", "bytes=10-20"}}), "416");
  EXPECT_EQ(ask({{"Range", "bytes=-0"}}), "416");
  EXPECT_EQ(ask({{"Range", "bytes=99999999999999999999999999-"}}), "416");
  EXPECT_EQ(ask({{"Range", "bytes=0-"}}, 0), "416");
  EXPECT_EQ(ask({{"Range", "bytes=-5"}}, 0), "416");
}

TEST(Ranges, ThatAreNone) {
  for (const char* text : {"", "bytes", "bytes=", "bytes=-", "bytes=x", "bytes=1", "bytes=a-b", "bytes=4-2",
                           "bytes=--1", "bytes=1--2", "bytes=+1-2", "items=0-1", "bytes=0-1,3-4",
                           "bytes=0-1,", "bytes=0x1-2", "bytes=1-2-3"}) {
    EXPECT_EQ(ask({{"Range", text}}), "200") << text;
  }
  EXPECT_EQ(ask({{"Range", "bytes=0-1"}, {"Range", "bytes=2-3"}}), "200");
}

TEST(Ranges, IfRange) {
  EXPECT_EQ(ask({{"Range", "bytes=0-1"}, {"If-Range", "\"abc\""}}), "206 0-1");
  EXPECT_EQ(ask({{"Range", "bytes=0-1"}, {"If-Range", "\"x\""}}), "200");
  EXPECT_EQ(ask({{"Range", "bytes=0-1"}, {"If-Range", "W/\"abc\""}}), "200");
  EXPECT_EQ(ask({{"Range", "bytes=0-1"}, {"If-Range", at}}), "206 0-1");
  EXPECT_EQ(ask({{"Range", "bytes=0-1"}, {"If-Range", after}}), "200") << "the date must be the very same";
  EXPECT_EQ(ask({{"Range", "bytes=0-1"}, {"If-Range", "x"}}), "200");
  EXPECT_EQ(ask({{"Range", "bytes=90-"}, {"If-Range", "\"x\""}}), "200");
  EXPECT_EQ(ask({{"If-Range", "\"abc\""}}), "200");
  Headers request;
  request.add("Range", "bytes=0-1");
  request.add("If-Range", at);
  EXPECT_EQ(select(request, {"\"abc\"", changed, 10}, changed).outcome, Selection::Outcome::whole)
      << "within the second of a change its date tells nothing";
}

TEST(NamesCurrent, TagsOfAllLinesByWeakComparison) {
  const auto named = [](std::initializer_list<std::string_view> lines) {
    Headers request;
    for (const std::string_view line : lines) {
      request.add("If-None-Match", line);
    }
    return names_current(request, "\"a1\"");
  };
  EXPECT_FALSE(named({}));
  EXPECT_TRUE(named({"*"}));
  EXPECT_TRUE(named({"\"b\", W/\"a1\""}));
  EXPECT_TRUE(named({"\"b\"", "\"a1\""}));
  EXPECT_FALSE(named({"\"a1-gz\"", "\"b\""}));
  EXPECT_FALSE(named({"\"x\"a1\"y\""}));
}

}  // namespace
}  // namespace sluice::http
