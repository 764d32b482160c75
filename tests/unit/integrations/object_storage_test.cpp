// The rules of spec.md section 4 over a bucket on disk.
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "integrations/object_storage/disk_store.hpp"
#include "integrations/object_storage/media_types.hpp"
#include "unit/integrations/fixture.hpp"

namespace sluice::integrations::test {
namespace {

namespace fs = std::filesystem;

class ObjectStorageTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "sluice-bucket-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    write("index.html", "<h1>home</h1>");
    write("404.html", "<h1>lost</h1>");
    write("css/site.css", "a{}");
    write("data.bin", "0123456789");
    write("empty.txt", "");
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write(const fs::path& name, std::string_view text) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }
  /// The integration with these options beside type and bucket, the bucket mapped to the folder.
  std::unique_ptr<Bench> bench(const std::string& options) {
    auto made = std::make_unique<Bench>("type: object_storage\nbucket: site\n" + options);
    made->environment.mode = gateway::CompileMode::configured;
    made->environment.buckets.emplace_back("site", Folder::open(folder_.string()).value());
    return made;
  }
  Answer get(const std::string& key, const Pairs& headers = {}, const std::string& method = "GET",
             const std::string& more = {}) {
    last_ = bench("object: '{rest}'\n" + more);
    return last_->run(method, "/pets/1/" + key, headers);
  }
  std::string slug() { return std::string(last_->context.record.slug); }

  fs::path folder_;
  std::unique_ptr<Bench> last_;
};

TEST_F(ObjectStorageTest, AnObject) {
  const Answer answer = get("css/site.css");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "a{}");
  EXPECT_EQ(answer.header("Content-Type"), "text/css; charset=utf-8");
  EXPECT_EQ(answer.header("Accept-Ranges"), "bytes");
  EXPECT_EQ(answer.header("ETag").size(), 34U);
  EXPECT_EQ(answer.header("ETag").front(), '"');
  EXPECT_NE(answer.header("Last-Modified").find(" GMT"), std::string::npos);
  EXPECT_EQ(get("empty.txt").body, "");
  EXPECT_EQ(get("empty.txt").status, 200);
}

TEST_F(ObjectStorageTest, HeadHasTheLengthAndNoBody) {
  const Answer answer = get("data.bin", {}, "HEAD");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "");
  EXPECT_EQ(answer.head_content_length, 10U);
  const Answer part = get("data.bin", {{"Range", "bytes=2-3"}}, "HEAD");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.head_content_length, 2U);
}

TEST_F(ObjectStorageTest, OtherMethodsAreNotAllowed) {
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE"}) {
    const Answer answer = get("index.html", {}, method);
    EXPECT_EQ(answer.status, 405) << method;
    EXPECT_EQ(answer.header("Allow"), "GET, HEAD");
    EXPECT_EQ(slug(), "method_not_allowed");
  }
}

TEST_F(ObjectStorageTest, Ranges) {
  const Answer part = get("data.bin", {{"Range", "bytes=2-4"}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "234");
  EXPECT_EQ(part.header("Content-Range"), "bytes 2-4/10");
  EXPECT_EQ(part.header("Content-Type"), "application/octet-stream");
  const Answer beyond = get("data.bin", {{"Range", "bytes=10-"}});
  EXPECT_EQ(beyond.status, 416);
  EXPECT_EQ(beyond.header("Content-Range"), "bytes */10");
  EXPECT_EQ(beyond.header("Content-Type"), "application/json");
  EXPECT_EQ(slug(), "range_not_satisfiable");
  const Answer several = get("data.bin", {{"Range", "bytes=0-1,4-5"}});
  EXPECT_EQ(several.status, 200);
  EXPECT_EQ(several.body, "0123456789");
}

TEST_F(ObjectStorageTest, Conditions) {
  const std::string etag = get("data.bin").header("ETag");
  const std::string date = get("data.bin").header("Last-Modified");
  const Answer same = get("data.bin", {{"If-None-Match", etag}});
  EXPECT_EQ(same.status, 304);
  EXPECT_EQ(same.header("ETag"), etag);
  EXPECT_EQ(same.header("Content-Type"), "(absent)");
  EXPECT_EQ(get("data.bin", {{"If-Modified-Since", date}}).status, 304);
  EXPECT_EQ(get("data.bin", {{"If-Match", "\"x\""}}).status, 412);
  EXPECT_EQ(slug(), "precondition_failed");
  EXPECT_EQ(get("data.bin", {{"Range", "bytes=0-1"}, {"If-Range", etag}}).status, 206);
  EXPECT_EQ(get("data.bin", {{"Range", "bytes=0-1"}, {"If-Range", "\"x\""}}).status, 200);
}

TEST_F(ObjectStorageTest, EveryChangeOfAFileChangesItsTag) {
  const std::string first = get("data.bin").header("ETag");
  EXPECT_EQ(get("data.bin").header("ETag"), first);
  struct stat status = {};
  ASSERT_EQ(::stat((folder_ / "data.bin").c_str(), &status), 0);
  // The same size and time, as an archive that is unpacked has them.
  write("new", "9876543210");
  const std::array<timespec, 2> times{status.st_mtim, status.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, (folder_ / "new").c_str(), times.data(), 0), 0);
  fs::rename(folder_ / "new", folder_ / "data.bin");
  const Answer second = get("data.bin");
  EXPECT_EQ(second.body, "9876543210");
  EXPECT_NE(second.header("ETag"), first);
}

TEST_F(ObjectStorageTest, ADateToComeIsNone) {
  timespec later{};
  later.tv_sec = 4'102'444'800;  // 2100
  const std::array<timespec, 2> times{later, later};
  ASSERT_EQ(::utimensat(AT_FDCWD, (folder_ / "data.bin").c_str(), times.data(), 0), 0);
  EXPECT_EQ(get("data.bin").header("Last-Modified").find("2100"), std::string::npos);
}

TEST_F(ObjectStorageTest, AMissingObjectIsTheGatewaysJson) {
  const Answer answer = get("nothing.html");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.header("Content-Type"), "application/json");
  EXPECT_EQ(answer.body, R"({"message":"There is no such object","requestId":"req-1"})");
  EXPECT_EQ(slug(), "object_not_found");
  EXPECT_EQ(answer.body.find("site"), std::string::npos);
}

TEST_F(ObjectStorageTest, AFileThatMayNotBeReadIs403AndTheLogSaysWhy) {
  write("closed", "x");
  fs::permissions(folder_ / "closed", fs::perms::none);
  fs::permissions(folder_, fs::perms(0755));
  const bool root = ::geteuid() == 0;
  if (root) {
    ASSERT_EQ(::seteuid(65534), 0);  // what root may read has no bounds
  }
  const Answer answer = get("closed");
  if (root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(slug(), "object_forbidden");
  EXPECT_EQ(answer.body.find("closed"), std::string::npos);
  const std::string& detail = last_->context.record.detail;
  EXPECT_NE(detail.find("closed: Permission denied: the daemon's user may not read it"), std::string::npos)
      << detail;
}

TEST_F(ObjectStorageTest, KeysAreTakenAsTheyAre) {
  write("a b+c/\xd0\xb6.txt", "x");
  EXPECT_EQ(get("a%20b+c/%D0%B6.txt").body, "x");
  EXPECT_EQ(get("css%2Fsite.css").body, "a{}") << "a key is bytes";
  EXPECT_EQ(get("css%2F..%2Findex.html").status, 404);
  EXPECT_EQ(get("..%2Findex.html").status, 404);
  EXPECT_EQ(get("css/").status, 404);
  EXPECT_EQ(get("css").status, 404);
}

TEST_F(ObjectStorageTest, AnEmptyKeyIsNoObject) {
  auto made = std::make_unique<Bench>(
      "type: object_storage\nbucket: site\nobject: '{q}'\ndefault_object: '{q}'\nerror_object: '{q}'",
      "- {name: q, in: query}");
  made->environment.mode = gateway::CompileMode::configured;
  made->environment.buckets.emplace_back("site", Folder::open(folder_.string()).value());
  EXPECT_EQ(made->run("GET", "/pets/1/x").status, 404);
  EXPECT_EQ(made->run("GET", "/pets/1/x?q=index.html").status, 200);
}

TEST_F(ObjectStorageTest, ADefaultObjectAnswersWith200) {
  const std::string options = "default_object: index.html\n";
  const Answer answer = get("app/route", {}, "GET", options);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "<h1>home</h1>");
  EXPECT_EQ(answer.header("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(slug(), "");
  const std::string etag = get("index.html").header("ETag");
  EXPECT_EQ(get("app/route", {{"If-None-Match", etag}, {"Range", "bytes=0-1"}}, "GET", options).status, 200);
  EXPECT_EQ(get("data.bin", {{"Range", "bytes=90-"}}, "GET", options).status, 416);
  const Answer head = get("app/route", {}, "HEAD", options);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.head_content_length, 13U);
}

TEST_F(ObjectStorageTest, AnErrorObjectKeepsTheCodeUnlessItHasItsOwn) {
  const Answer answer = get("nothing", {}, "GET", "error_object: 404.html\n");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.body, "<h1>lost</h1>");
  EXPECT_EQ(answer.header("Content-Type"), "text/html; charset=utf-8");
  for (const char* name : {"ETag", "Last-Modified", "Accept-Ranges"}) {
    EXPECT_EQ(answer.header(name), "(absent)") << "a cache would keep the error by it";
  }
  EXPECT_EQ(get("nothing", {}, "GET", "error_object: {object: 404.html, statusCode: 410}\n").status, 410);
  const Answer range = get("data.bin", {{"Range", "bytes=90-"}}, "GET", "error_object: 404.html\n");
  EXPECT_EQ(range.status, 416);
  EXPECT_EQ(range.body, "<h1>lost</h1>");
  EXPECT_EQ(range.header("Content-Range"), "bytes */10");
  EXPECT_EQ(get("data.bin", {{"If-Match", "\"x\""}}, "GET", "error_object: 404.html\n").body,
            "<h1>lost</h1>");
}

TEST_F(ObjectStorageTest, WhereAllOfThemAreMissingTheCodeIsTheFirst) {
  const Answer both = get("nothing", {}, "GET", "default_object: none.html\nerror_object: 404.html\n");
  EXPECT_EQ(both.status, 404);
  EXPECT_EQ(both.body, "<h1>lost</h1>");
  const Answer none = get("nothing", {}, "GET",
                          "default_object: none.html\nerror_object: {object: gone.html, statusCode: 200}\n");
  EXPECT_EQ(none.status, 404);
  EXPECT_EQ(none.header("Content-Type"), "application/json");
  const Answer range = get("data.bin", {{"Range", "bytes=90-"}}, "GET", "error_object: gone.html\n");
  EXPECT_EQ(range.status, 416);
  EXPECT_EQ(range.header("Content-Type"), "application/json");
}

TEST_F(ObjectStorageTest, TheNamesOfErrorObjectsHoldParametersToo) {
  write("1/404.html", "one's own");
  EXPECT_EQ(get("nothing", {}, "GET", "error_object: '{id}/404.html'\n").body, "one's own");
}

TEST_F(ObjectStorageTest, AFolderThatIsGoneIs502) {
  auto made = bench("object: '{rest}'\ndefault_object: index.html\nerror_object: 404.html");
  made->build();
  fs::remove_all(folder_);
  const Answer answer = made->run("GET", "/pets/1/index.html");
  ASSERT_TRUE(answer.error.has_value());
  EXPECT_EQ(answer.error->status, 502);
  EXPECT_EQ(answer.error->slug, "bucket_unavailable");
  EXPECT_NE(answer.error->detail.find(folder_.string()), std::string::npos);
  EXPECT_EQ(answer.error->message.find(folder_.string()), std::string::npos);
}

TEST_F(ObjectStorageTest, PresignedRedirectOfAFolderSendsTheObject) {
  const Answer answer = get("index.html", {}, "GET", "presigned_redirect: true\n");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "<h1>home</h1>");
}

TEST_F(ObjectStorageTest, ExplainNamesTheFileAndWhatComesInstead) {
  auto made = bench(
      "object: 'css/{rest}'\ndefault_object: index.html\nerror_object: {object: 404.html, statusCode: 410}");
  const OrderedJson shown =
      made->explain("GET", "/pets/1/a/b.css", {{"Range", "bytes=0-1"}, {"Accept", "*/*"}});
  EXPECT_EQ(shown.at("request").at("url"), "file:" + folder_.string() + "/css/a/b.css");
  EXPECT_EQ(shown.at("request").at("headers"), OrderedJson({{"Range", "bytes=0-1"}}));
  EXPECT_EQ(shown.at("note"), "404 → index.html with 200; 4xx → 404.html with 410");
  EXPECT_EQ(made->explain("POST", "/pets/1/x").at("response").at("status"), 405);
}

TEST(ObjectStorageUnmapped, Answers502WithTheKeyToAdd) {
  Bench bench("type: object-storage\nbucket: my-site\nobject: 'a b/{rest}'\nservice_account_id: aje1");
  bench.environment.mode = gateway::CompileMode::standalone;
  const Answer answer = bench.run("GET", "/pets/1/x");
  ASSERT_TRUE(answer.error.has_value());
  EXPECT_EQ(answer.error->status, 502);
  EXPECT_NE(answer.error->message.find("buckets: {my-site: {directory: …}}"), std::string::npos);
  EXPECT_EQ(bench.run("POST", "/pets/1/x").status, 405);
  const OrderedJson shown = bench.explain("GET", "/pets/1/x");
  EXPECT_EQ(shown.at("request").at("url"), "https://storage.yandexcloud.net/my-site/a%20b/x");
  EXPECT_NE(shown.at("note").get<std::string>().find("buckets: {my-site"), std::string::npos);
}

TEST(ObjectStorageOptions, MistakesAreTold) {
  EXPECT_EQ(Bench("type: object_storage").mistakes(),
            "error: the object_storage integration needs `bucket`\nerror: the object_storage integration "
            "needs `object`\n");
  EXPECT_NE(Bench("type: object_storage\nbucket: b\nobject: o\nerror_object: {object: e, statusCode: 42}")
                .mistakes()
                .find("error: "),
            std::string::npos);
  EXPECT_NE(Bench("type: object_storage\nbucket: b\nobject: o\nerror_object: {statusCode: 404}")
                .mistakes()
                .find("`object`"),
            std::string::npos);
  EXPECT_NE(Bench("type: object_storage\nbucket: b\nobject: /o").mistakes().find("begins with '/'"),
            std::string::npos);
  EXPECT_NE(Bench("type: object_storage\nbucket: b\nobject: o\npresigned_redirect: true\ndefault_object: x")
                .mistakes()
                .find("no effect"),
            std::string::npos);
  EXPECT_EQ(
      Bench("type: object_storage\nbucket: b\nobject: o\nservice_account: aje1\nerror_object: e").mistakes(),
      "");
}

TEST(MediaTypes, ByTheEndOfTheName) {
  for (const auto& [key, type] :
       std::vector<std::pair<std::string, std::string>>{{"index.html", "text/html; charset=utf-8"},
                                                        {"a/b.HTML", "text/html; charset=utf-8"},
                                                        {"x.min.js", "text/javascript; charset=utf-8"},
                                                        {"x.json", "application/json"},
                                                        {"x.svg", "image/svg+xml"},
                                                        {"x.webmanifest", "application/manifest+json"},
                                                        {"x.woff2", "font/woff2"},
                                                        {"x.7z", "application/x-7z-compressed"},
                                                        {"x.zst", "application/zstd"},
                                                        {"x.tar.gz", "application/gzip"},
                                                        {".html", "text/html; charset=utf-8"},
                                                        {"a.html/file", "application/octet-stream"},
                                                        {"html", "application/octet-stream"},
                                                        {"x.", "application/octet-stream"},
                                                        {"", "application/octet-stream"},
                                                        {"x.averylongextension", "application/octet-stream"},
                                                        {"x.unknown", "application/octet-stream"}}) {
    EXPECT_EQ(media_type_of(key), type) << key;
  }
}

}  // namespace
}  // namespace sluice::integrations::test
