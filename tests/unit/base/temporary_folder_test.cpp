#include "sluice/base/temporary_folder.hpp"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// A variable of the environment, and what it was before.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* before = std::getenv(name)) {
      before_ = before;
    }
    ::setenv(name, value.c_str(), 1);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() {
    if (before_) {
      ::setenv(name_, before_->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }

 private:
  const char* name_;
  std::optional<std::string> before_;
};

TEST(TemporaryFolder, IsItsOwnersAloneAndGoesWithAllThatIsInIt) {
  std::string path;
  {
    Result<TemporaryFolder> made = TemporaryFolder::create("sluice-test");
    ASSERT_TRUE(made.has_value()) << made.error().detail;
    const TemporaryFolder folder = std::move(made.value());
    path = folder.path();
    EXPECT_TRUE(fs::path(path).is_absolute());
    EXPECT_THAT(fs::path(path).filename().string(), HasSubstr("sluice-test-"));
    struct stat status = {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0700U);
    fs::create_directories(path + "/deep/er");
    std::ofstream(path + "/deep/er/file") << "x";
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(TemporaryFolder, MovesWithItsOwner) {
  TemporaryFolder first = TemporaryFolder::create("sluice-test").value();
  TemporaryFolder second = TemporaryFolder::create("sluice-test").value();
  const std::string kept = first.path();
  const std::string dropped = second.path();
  second = std::move(first);
  EXPECT_EQ(second.path(), kept);
  EXPECT_TRUE(fs::exists(kept));
  EXPECT_FALSE(fs::exists(dropped));
  second.remove();
  EXPECT_FALSE(fs::exists(kept));
  EXPECT_EQ(second.path(), "");
}

TEST(TemporaryFolder, SaysWhereNoneCanBeMade) {
  const Variable variable("TMPDIR", "/nowhere/at all");
  const Result<TemporaryFolder> made = TemporaryFolder::create("sluice-test");
  ASSERT_TRUE(made.has_error());
  EXPECT_THAT(made.error().detail, HasSubstr("/nowhere/at all"));
  EXPECT_THAT(made.error().detail, HasSubstr("TMPDIR"));
}

}  // namespace
}  // namespace sluice
