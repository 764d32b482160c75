#include "sluice/base/log.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sluice/base/json.hpp"
#include "sluice/base/secrets.hpp"

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::Not;

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "sluice-log-XXXXXX").string();
    if (mkdtemp(name.data()) != nullptr) {
      path_ = name;
    }
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

std::string read_file(const std::string& path) {
  std::ifstream stream(path);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

TEST(LogLine, JsonHoldsEveryKindOfValue) {
  const std::string line = log::format_line(log::Format::json, log::Level::warning,
                                            "2027-01-04T10:00:00.123Z", "quoted \"text\"\n",
                                            {{"text", "a\x01z"},
                                             {"whole", -3},
                                             {"big", std::numeric_limits<std::uint64_t>::max()},
                                             {"half", 0.5},
                                             {"flag", true},
                                             {"nan", std::numeric_limits<double>::quiet_NaN()}});
  const auto parsed = parse_json(line);
  ASSERT_TRUE(parsed) << line;
  EXPECT_EQ((*parsed)["time"], "2027-01-04T10:00:00.123Z");
  EXPECT_EQ((*parsed)["level"], "warning");
  EXPECT_EQ((*parsed)["message"], "quoted \"text\"\n");
  EXPECT_EQ((*parsed)["text"], "a\x01z");
  EXPECT_EQ((*parsed)["whole"], -3);
  EXPECT_EQ((*parsed)["big"], std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ((*parsed)["half"], 0.5);
  EXPECT_EQ((*parsed)["flag"], true);
  EXPECT_TRUE((*parsed)["nan"].is_null());
  EXPECT_EQ(line.find('\n'), std::string::npos);
}

TEST(LogLine, TextQuotesWhatWouldBreakTheLine) {
  EXPECT_EQ(log::format_line(log::Format::text, log::Level::info, "T", "loaded",
                             {{"id", "shop"}, {"why", "two words"}, {"empty", ""}, {"bad", "x\ny"}}),
            "T info    loaded id=shop why=\"two words\" empty=\"\" bad=\"x\\ny\"");
  EXPECT_EQ(log::format_line(log::Format::text, log::Level::error, "T", "a\nb", {}), "T error   a\\nb");
}

TEST(Log, LevelsParse) {
  EXPECT_EQ(*log::parse_level("debug"), log::Level::debug);
  EXPECT_EQ(*log::parse_level("warn"), log::Level::warning);
  EXPECT_EQ(*log::parse_level("off"), log::Level::off);
  const auto bad = log::parse_level("loud");
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().detail, HasSubstr("debug, info, warning, error and off"));
}

TEST(Log, WritesToAFileAboveItsLevelAndMasksSecrets) {
  const Folder folder;
  remember_secret("hunter2-hunter2");
  remember_secret("abc");
  log::Settings settings;
  settings.output = folder.file("sluice.log");
  ASSERT_TRUE(log::start(settings));
  EXPECT_FALSE(log::enabled(log::Level::debug));
  EXPECT_TRUE(log::enabled(log::Level::info));
  log::debug("hidden");
  log::info("token is hunter2-hunter2", {{"value", "x hunter2-hunter2 abc"}});
  log::flush();
  const std::string text = read_file(settings.output);
  EXPECT_THAT(text, Not(HasSubstr("hidden")));
  EXPECT_THAT(text, Not(HasSubstr("hunter2")));
  EXPECT_THAT(text, HasSubstr("token is ***"));
  EXPECT_THAT(text, HasSubstr("x *** abc"));
  log::stop();
  EXPECT_EQ(log::writer(), nullptr);
}

TEST(Log, AnOutputThatCannotBeOpenedChangesNothing) {
  const Folder folder;
  log::Settings settings;
  settings.output = folder.file("good.log");
  ASSERT_TRUE(log::start(settings));
  log::Settings bad = settings;
  bad.output = folder.file("missing/dir/bad.log");
  const auto failed = log::start(bad);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().detail, HasSubstr("bad.log"));
  log::warning("still here");
  log::stop();
  EXPECT_THAT(read_file(settings.output), HasSubstr("still here"));
}

TEST(Log, ReopenFollowsARenamedFile) {
  const Folder folder;
  log::Settings settings;
  settings.output = folder.file("a.log");
  ASSERT_TRUE(log::start(settings));
  log::info("first");
  log::flush();
  std::filesystem::rename(settings.output, folder.file("a.log.1"));
  log::info("second");
  log::reopen();
  log::flush();
  log::info("third");
  log::stop();
  EXPECT_THAT(read_file(folder.file("a.log.1")), HasSubstr("first"));
  const std::string both = read_file(folder.file("a.log.1")) + read_file(settings.output);
  EXPECT_THAT(both, HasSubstr("second"));
  EXPECT_THAT(read_file(settings.output), HasSubstr("third"));
}

TEST(LineWriter, KeepsTheOrderOfAShardAndLosesNothingInItsBounds) {
  const Folder folder;
  LineWriter::Options options;
  options.output = folder.file("lines");
  options.shards = 2;
  {
    const auto writer = LineWriter::open(options);
    ASSERT_TRUE(writer);
    std::vector<std::thread> producers;
    producers.reserve(2);
    for (std::size_t shard = 0; shard < 2; ++shard) {
      producers.emplace_back([&, shard] {
        for (int number = 0; number < 5000; ++number) {
          EXPECT_TRUE((*writer)->push(shard, std::to_string(shard) + ' ' + std::to_string(number)));
        }
      });
    }
    for (std::thread& producer : producers) {
      producer.join();
    }
  }
  std::ifstream stream(options.output);
  std::array<int, 2> next{};
  std::size_t shard = 0;
  int number = 0;
  int lines = 0;
  while (stream >> shard >> number) {
    ASSERT_LT(shard, 2U);
    EXPECT_EQ(number, next.at(shard)++);
    ++lines;
  }
  EXPECT_EQ(lines, 10000);
}

TEST(LineWriter, DropsAndCountsWhatDoesNotFitAndSaysSo) {
  const Folder folder;
  LineWriter::Options options;
  options.output = folder.file("lines");
  options.shard_bytes = 64;
  options.dropped_line = [](std::uint64_t count) { return "dropped " + std::to_string(count); };
  const auto writer = LineWriter::open(options);
  ASSERT_TRUE(writer);
  EXPECT_FALSE((*writer)->push(0, std::string(100, 'x')));
  EXPECT_TRUE((*writer)->push(0, "fits"));
  (*writer)->flush();
  EXPECT_EQ((*writer)->dropped(), 1U);
  EXPECT_EQ(read_file(options.output), "fits\ndropped 1\n");
  EXPECT_TRUE((*writer)->push(0, "again"));
  (*writer)->flush();
  EXPECT_EQ(read_file(options.output), "fits\ndropped 1\nagain\n");
}

TEST(Secrets, TheLongerOneIsMaskedWhole) {
  remember_secret("inner-value");
  remember_secret("outer-inner-value-outer");
  EXPECT_EQ(mask_secrets("a outer-inner-value-outer b inner-value"), "a *** b ***");
  EXPECT_TRUE(holds_secret("has inner-value in it"));
  EXPECT_FALSE(holds_secret("nothing"));
  EXPECT_EQ(mask_secrets("nothing"), "nothing");
}

}  // namespace
}  // namespace sluice
