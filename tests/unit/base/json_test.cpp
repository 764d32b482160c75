#include "sluice/base/json.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using ::testing::HasSubstr;

std::filesystem::path parsing_data() {
  const char* given = std::getenv("SLUICE_SHARED_DATA");
  const std::filesystem::path root = given != nullptr
                                         ? std::filesystem::path(given)
                                         : std::filesystem::path(SLUICE_SOURCE_DIR) / "../shared/data";
  return root / "json-parsing";
}

std::string read(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// JSONTestSuite: y_ must be accepted, n_ refused, i_ may be either; nothing may crash.
TEST(JsonData, IsAcceptedAndRefusedAsTheSuiteSays) {
  const std::filesystem::path folder = parsing_data();
  if (!std::filesystem::is_directory(folder)) {
    GTEST_SKIP() << "no test data at " << folder << " (set SLUICE_SHARED_DATA)";
  }
  std::size_t accepted = 0;
  std::size_t refused = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const Result<Json> result = parse_json(read(entry.path()));
    if (name.starts_with("y_")) {
      EXPECT_TRUE(result.has_value()) << name << ": " << result.error().detail;
      ++accepted;
    } else if (name.starts_with("n_")) {
      EXPECT_FALSE(result.has_value()) << name;
      ++refused;
    }
    if (result.has_value()) {
      const Result<Json> again = parse_json(dump_json(*result));
      ASSERT_TRUE(again.has_value()) << name;
      EXPECT_EQ(*again, *result) << name;
    } else {
      EXPECT_FALSE(result.error().detail.empty()) << name;
    }
  }
  EXPECT_GT(accepted, 90U);
  EXPECT_GT(refused, 180U);
}

TEST(Json, RefusesDepth) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(parse_json(nested(128)).has_value());
  const Result<Json> deep = parse_json(nested(129));
  ASSERT_FALSE(deep.has_value());
  EXPECT_EQ(deep.error().code, ErrorCode::too_large);
  EXPECT_THAT(deep.error().detail, HasSubstr("128"));
  EXPECT_FALSE(parse_json(std::string(1'000'000, '[')).has_value());
  EXPECT_TRUE(
      parse_json("[\"" + std::string(1000, '[') + "\\\"" + std::string(1000, '{') + "\"]").has_value())
      << "brackets in strings do not count";
  JsonLimits limits;
  limits.max_depth = 2;
  EXPECT_TRUE(parse_json("[[1], [2], [3]]", limits).has_value());
  EXPECT_FALSE(parse_json("[[[1]]]", limits).has_value());
}

TEST(Json, RefusesNulBytes) {
  for (const std::string_view text : {std::string_view("1\0", 2), std::string_view("{\"a\":1}\0 garbage", 16),
                                      std::string_view("\0", 1), std::string_view("[1\0]", 4)}) {
    EXPECT_FALSE(parse_json(text).has_value());
  }
  EXPECT_EQ(parse_json("\"\\u0000\"").value(), std::string(1, '\0'));
}

TEST(Json, RefusesSize) {
  JsonLimits limits;
  limits.max_bytes = 10;
  EXPECT_TRUE(parse_json("\"12345678\"", limits).has_value());
  const Result<Json> result = parse_json("\"123456789\"", limits);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::too_large);
  EXPECT_EQ(result.error().source, ErrorSource::downstream);
}

TEST(Json, TellsThePlaceOfAMistake) {
  const Result<Json> result = parse_json("{\n  \"a\": 1,\n  b: 2}");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::invalid);
  EXPECT_THAT(result.error().detail, HasSubstr("line 3, column 3"));
  EXPECT_THAT(result.error().detail, ::testing::Not(HasSubstr("json.exception")));
}

TEST(Json, WritesWithoutThrowing) {
  EXPECT_EQ(dump_json(Json("a\xFF"
                           "b")),
            "\"a\xEF\xBF\xBD"
            "b\"");
  EXPECT_EQ(dump_json(Json{{"b", 1}, {"a", Json::array({1, 2.5, nullptr, true})}}),
            R"({"a":[1,2.5,null,true],"b":1})");
  OrderedJson ordered;
  ordered["z"] = "\xC0";
  ordered["a"] = 1;
  EXPECT_EQ(dump_json(ordered), "{\"z\":\"\xEF\xBF\xBD\",\"a\":1}");
  EXPECT_EQ(dump_json(Json{{"a", 1}}, 2), "{\n  \"a\": 1\n}");
}

}  // namespace
}  // namespace sluice
