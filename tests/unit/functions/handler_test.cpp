#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sluice/functions/runtime.hpp"

#include "functions/runtime/launch.hpp"

namespace sluice::functions {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class HandlerOf : public testing::Test {
 public:
  ~HandlerOf() override { fs::remove_all(folder_); }

 protected:
  HandlerOf() {
    std::string pattern = (fs::temp_directory_path() / "sluice-handler-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  void write(const std::string& name) {
    fs::create_directories(fs::path(folder_ + "/" + name).parent_path());
    std::ofstream(folder_ + "/" + name) << "x";
  }
  std::string find(Language language, std::string_view handler) {
    const Result<Handler> found = resolve_handler(language, folder_, handler);
    return found ? found->file.substr(folder_.size() + 1) + " " + found->function
                 : "error: " + found.error().detail;
  }
  std::string folder_;
};

TEST_F(HandlerOf, Files) {
  for (const char* name :
       {"index.js", "src/bot.mjs", "a.b.cjs", "main.py", "pkg/mod.py", "pkg/__init__.py", "typed.ts"}) {
    write(name);
  }
  EXPECT_EQ(find(Language::nodejs, "index.handler"), "index.js handler");
  EXPECT_EQ(find(Language::nodejs, "src/bot.main"), "src/bot.mjs main");
  EXPECT_EQ(find(Language::nodejs, "a.b.handler"), "a.b.cjs handler");
  EXPECT_EQ(find(Language::nodejs, "index.api.handler"), "index.js api.handler");
  EXPECT_EQ(find(Language::python, "main.handler"), "main.py handler");
  EXPECT_EQ(find(Language::python, "pkg/mod.handler"), "pkg/mod.py handler");
  EXPECT_EQ(find(Language::python, "pkg.mod.handler"), "pkg/mod.py handler");
  EXPECT_EQ(find(Language::python, "pkg.handler"), "pkg/__init__.py handler");
  EXPECT_THAT(find(Language::nodejs, "main.handler"), HasSubstr("is not there"));
  EXPECT_THAT(find(Language::nodejs, "typed.handler"), HasSubstr("TypeScript"));
  for (const char* bad : {"index", "index.", ".handler", "src/.main", ""}) {
    EXPECT_THAT(find(Language::nodejs, bad), HasSubstr("names no function")) << bad;
  }
  for (const char* bad : {"/etc/x.handler", "../x.handler", "a/../../x.y"}) {
    EXPECT_THAT(find(Language::nodejs, bad), HasSubstr("must stay within")) << bad;
  }
  EXPECT_THAT(resolve_handler(Language::nodejs, folder_ + "/absent", "a.b").error().detail,
              HasSubstr("is not there"));
}

TEST_F(HandlerOf, SourcesThatAreWatched) {
  for (const char* name : {"index.js", "lib/a.mjs", "package.json", "data.json", "node_modules/x/index.js",
                           ".git/x.js", "__pycache__/x.py", "main.py"}) {
    write(name);
  }
  FunctionSpec spec;
  spec.directory = folder_;
  spec.handler = "index.handler";
  const auto files = runtime::source_files(spec);
  for (const char* name : {"index.js", "lib/a.mjs", "package.json", "index.mjs"}) {
    EXPECT_THAT(files, Contains(folder_ + "/" + name));
  }
  for (const char* name : {"data.json", "node_modules/x/index.js", ".git/x.js", "main.py"}) {
    EXPECT_THAT(files, Not(Contains(folder_ + "/" + name)));
  }
}

TEST(Runtime, Names) {
  EXPECT_EQ(parse_runtime("nodejs"), Language::nodejs);
  EXPECT_EQ(parse_runtime("nodejs22"), Language::nodejs);
  EXPECT_EQ(parse_runtime("python312"), Language::python);
  for (const char* bad : {"", "node", "nodejs-18", "python3.12", "golang"}) {
    EXPECT_EQ(parse_runtime(bad), std::nullopt) << bad;
  }
}

TEST(Launch, AProcessGetsItsOwnThingsOnly) {
  FunctionSpec spec;
  spec.id = "fn";
  spec.handler = "index.handler";
  spec.directory = "/srv/fn";
  spec.environment = {{"PATH", "/own"}, {"K", "v"}, {"SLUICE_WORKER", "forged"}};
  spec.memory = std::uint64_t{128} << 20U;
  const Handler handler{"/srv/fn/index.js", "handler"};
  const runtime::LaunchInput input{spec, handler, "v1", "/usr/bin/node", "/tmp/own", "127.0.0.1:1/secret", 2};
  const net::ProcessOptions options = runtime::launch_options(input);
  EXPECT_THAT(options.arguments,
              testing::ElementsAre("/usr/bin/node", "--max-old-space-size=96", "-", "fn", "index.handler"));
  EXPECT_THAT(options.environment, Contains(testing::Pair("PATH", "/own")));
  EXPECT_THAT(options.environment, Contains(testing::Pair("YC_METADATA_ADDR", "127.0.0.1:1/secret")));
  std::size_t workers = 0;
  for (const auto& [name, value] : options.environment) {
    if (name == "SLUICE_WORKER") {
      ++workers;
      EXPECT_THAT(value, HasSubstr(R"("channels":[4,5])"));
    }
  }
  EXPECT_EQ(workers, 1U);
  EXPECT_TRUE(options.sandbox.enabled);
  EXPECT_THAT(options.sandbox.write, testing::ElementsAre("/srv/fn", "/tmp/own"));
  EXPECT_THAT(options.sandbox.read, Contains("/srv/node_modules"));
}

}  // namespace
}  // namespace sluice::functions
