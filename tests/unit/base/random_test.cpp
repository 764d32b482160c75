#include "sluice/base/random.hpp"

#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Random, MakesUuidsOfVersion4) {
  std::set<std::string> seen;
  for (int at = 0; at < 10'000; ++at) {
    const std::string uuid = make_uuid();
    ASSERT_EQ(uuid.size(), 36U);
    for (std::size_t index = 0; index < uuid.size(); ++index) {
      if (index == 8 || index == 13 || index == 18 || index == 23) {
        ASSERT_EQ(uuid[index], '-') << uuid;
      } else {
        ASSERT_NE(std::string_view("0123456789abcdef").find(uuid[index]), std::string_view::npos) << uuid;
      }
    }
    ASSERT_EQ(uuid[14], '4') << uuid;
    ASSERT_NE(std::string_view("89ab").find(uuid[19]), std::string_view::npos) << uuid;
    ASSERT_TRUE(seen.insert(uuid).second);
  }
}

TEST(Random, SetsEveryBit) {
  std::uint64_t ones = 0;
  std::uint64_t zeros = 0;
  for (int at = 0; at < 1000; ++at) {
    const std::uint64_t value = fast_random();
    ones |= value;
    zeros |= ~value;
  }
  EXPECT_EQ(ones, ~std::uint64_t{0});
  EXPECT_EQ(zeros, ~std::uint64_t{0});
}

TEST(Random, DiffersBetweenThreads) {
  std::uint64_t other = 0;
  std::thread thread([&] { other = fast_random(); });
  thread.join();
  EXPECT_NE(fast_random(), other);
}

TEST(Random, GivesSecretsOfEveryLength) {
  EXPECT_EQ(secure_random(0), "");
  EXPECT_EQ(secure_random(33).size(), 33U);
  EXPECT_NE(secure_random(32), secure_random(32));
}

}  // namespace
}  // namespace sluice
