#include "sluice/base/folder.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

namespace fs = std::filesystem;
using std::string_literals::operator""s;

/// A folder `site` with a secret beside it. Both ways must tell the same of every key.
class FolderTest : public testing::TestWithParam<Folder::Way> {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "sluice-folder-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    top_ = name;
    write("secret.txt", "secret");
    write("site/index.html", "<h1>hello</h1>");
    write("site/a/b/deep.txt", "deep");
    write("site-beside/x.txt", "beside");
    folder_ = Folder::open((top_ / "site").string(), GetParam()).value();
  }
  void TearDown() override { fs::remove_all(top_); }

  void write(const fs::path& name, std::string_view text) {
    fs::create_directories((top_ / name).parent_path());
    std::ofstream(top_ / name) << text;
  }
  void link(const fs::path& target, const fs::path& name) {
    fs::create_symlink(target, top_ / "site" / name);
  }
  /// The file's text, or "404 slug".
  std::string get(std::string_view key) {
    Result<OpenFile> file = folder_->open_file(key, 0);
    if (!file) {
      return std::to_string(file.error().status) + " " + std::string(file.error().slug);
    }
    std::string text(file->size + 10, '\0');
    const ssize_t got = ::read(file->descriptor.get(), text.data(), text.size());
    text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    EXPECT_EQ(text.size(), file->size);
    return text;
  }

  const std::string missing_ = "404 object_not_found";
  fs::path top_;
  std::shared_ptr<const Folder> folder_;
};

INSTANTIATE_TEST_SUITE_P(Ways, FolderTest, testing::Values(Folder::Way::automatic, Folder::Way::walk),
                         [](const auto& way) {
                           return way.param == Folder::Way::walk ? "walk" : "automatic";
                         });

TEST_P(FolderTest, FilesBelowIt) {
  EXPECT_EQ(get("index.html"), "<h1>hello</h1>");
  EXPECT_EQ(get("a/b/deep.txt"), "deep");
  const Result<OpenFile> file = folder_->open_file("index.html", 3);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->size, 14U);
  EXPECT_GT(file->inode, 0U);
  EXPECT_GT(file->modified.tv_sec, 0);
}

TEST_P(FolderTest, NoKeyLeadsOutOfIt) {
  const std::string inside = (top_ / "site").string();
  for (const std::string& key : {"../secret.txt"s,
                                 "a/../../secret.txt"s,
                                 "a/../index.html"s,
                                 "/etc/passwd"s,
                                 (top_ / "secret.txt").string(),
                                 inside + "/index.html",
                                 "//etc/passwd"s,
                                 "./index.html"s,
                                 "."s,
                                 ".."s,
                                 "../"s,
                                 "a/.."s,
                                 "a/."s,
                                 "..\\secret.txt"s,
                                 "..%2fsecret.txt"s,
                                 "%2e%2e/secret.txt"s,
                                 "index.html\0"s,
                                 "index.html\0.png"s,
                                 "\0"s,
                                 "a//b/deep.txt"s,
                                 "a/b/deep.txt/"s,
                                 "index.html/"s,
                                 "/"s,
                                 ""s,
                                 "../site-beside/x.txt"s,
                                 "../site/index.html"s,
                                 "index.html/x"s,
                                 "index.html/.."s,
                                 "nothing"s,
                                 "a/nothing/x"s}) {
    EXPECT_EQ(get(key), missing_) << testing::PrintToString(key);
  }
}

TEST_P(FolderTest, FoldersAreNoObjects) {
  EXPECT_EQ(get("a"), missing_);
  EXPECT_EQ(get("a/b"), missing_);
  EXPECT_EQ(get("a/"), missing_);
}

TEST_P(FolderTest, LinksHoldWhileTheyStayInside) {
  link("index.html", "home.html");
  link("a/b", "short");
  link("../index.html", "a/up.html");
  link("../../a/b/../../index.html", "a/b/round.html");
  EXPECT_EQ(get("home.html"), "<h1>hello</h1>");
  EXPECT_EQ(get("short/deep.txt"), "deep");
  EXPECT_EQ(get("a/up.html"), "<h1>hello</h1>");
  EXPECT_EQ(get("a/b/round.html"), "<h1>hello</h1>");
  link("../secret.txt", "out.txt");
  link("..", "parent");
  link("/", "root");
  link("/etc/passwd", "passwd");
  link((top_ / "site" / "index.html").string(), "absolute.html");
  link("../../secret.txt", "a/out.txt");
  link("../site/index.html", "over.html");
  link("out.txt", "twice.txt");
  link("/proc/self/root/etc/passwd", "magic");
  for (const char* key : {"out.txt", "parent/secret.txt", "root/etc/passwd", "passwd", "absolute.html",
                          "a/out.txt", "over.html", "twice.txt", "magic", "parent/site/index.html"}) {
    EXPECT_EQ(get(key), missing_) << key;
  }
}

TEST_P(FolderTest, LinksInACircleEnd) {
  link("b", "a1");
  link("a1", "b");
  link("self", "self");
  link("nowhere", "broken");
  for (const char* key : {"a1", "b", "self", "self/x", "broken"}) {
    EXPECT_EQ(get(key), missing_) << key;
  }
}

TEST_P(FolderTest, LongKeysAreNoObjects) {
  EXPECT_EQ(get(std::string(256, 'x')), missing_);
  EXPECT_EQ(get(std::string(1025, 'x')), missing_);
  EXPECT_EQ(get(std::string(1 << 20, 'x')), missing_);
  std::string deep;
  for (int i = 0; i < 500; ++i) {
    deep += "a/";
  }
  EXPECT_EQ(get(deep + "x"), missing_);
  const std::string name(250, 'n');
  write(fs::path("site") / name / name / name / "f.txt", "far");
  EXPECT_EQ(get(name + "/" + name + "/" + name + "/f.txt"), "far");
}

TEST_P(FolderTest, WhatIsNoRegularFileIsNoObjectAndBlocksNobody) {
  ASSERT_EQ(::mkfifo((top_ / "site/pipe").c_str(), 0644), 0);
  const int server = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = (top_ / "site/sock").string();
  ASSERT_LT(path.size(), sizeof(address.sun_path));
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(::bind(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  if (::mknod((top_ / "site/null").c_str(), S_IFCHR | 0644, makedev(1, 3)) == 0) {
    EXPECT_EQ(get("null"), missing_);
  }
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(get("pipe"), missing_);
  EXPECT_EQ(get("sock"), missing_);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  ::close(server);
}

TEST_P(FolderTest, NamesAreBytes) {
  write("site/a b+c.txt", "plus");
  write("site/\xd0\xb6.txt", "zhe");
  write("site/a\\b.txt", "backslash");
  write("site/%2e%2e.txt", "percent");
  write("site/..hidden", "dots");
  write("site/.env", "hidden");
  EXPECT_EQ(get("a b+c.txt"), "plus");
  EXPECT_EQ(get("\xd0\xb6.txt"), "zhe");
  EXPECT_EQ(get("a\\b.txt"), "backslash");
  EXPECT_EQ(get("%2e%2e.txt"), "percent");
  EXPECT_EQ(get("..hidden"), "dots");
  EXPECT_EQ(get(".env"), "hidden");
}

TEST_P(FolderTest, AReplacedFolderIsServedAtOnceAndARemovedOneIsTold) {
  EXPECT_EQ(get("index.html"), "<h1>hello</h1>");
  fs::remove_all(top_ / "site");
  EXPECT_EQ(get("index.html"), "502 bucket_unavailable");
  EXPECT_EQ(get("index.html"), "502 bucket_unavailable");
  write("site/index.html", "new");
  EXPECT_EQ(get("index.html"), "new");
  fs::remove_all(top_ / "site");
  write("site", "a file");
  EXPECT_EQ(get("index.html"), "502 bucket_unavailable");
}

TEST_P(FolderTest, ALinkThatLeadsElsewhereNowIsFollowedWithinASecondOrSo) {
  write("releases/1/v.txt", "one");
  write("releases/2/v.txt", "two");
  fs::create_symlink("releases/1", top_ / "current");
  folder_ = Folder::open((top_ / "current").string(), GetParam()).value();
  EXPECT_EQ(get("v.txt"), "one");
  fs::create_symlink("releases/2", top_ / "next");
  fs::rename(top_ / "next", top_ / "current");
  for (int i = 0; i < 50 && get("v.txt") != "two"; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(get("v.txt"), "two");
}

TEST_P(FolderTest, KeepsNoDescriptorOpen) {
  const auto count = [] {
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  link("a/b", "short");
  get("index.html");
  const auto before = count();
  for (int i = 0; i < 100; ++i) {
    get("index.html");
    get("short/deep.txt");
    get("nothing");
    get("a");
    get("../secret.txt");
  }
  EXPECT_EQ(count(), before);
}

TEST_P(FolderTest, ManyWorkersAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (std::size_t worker = 0; worker < 20; ++worker) {
    threads.emplace_back([&, worker] {
      for (int i = 0; i < 200; ++i) {
        wrong += folder_->open_file("a/b/deep.txt", worker) ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong, 0);
}

TEST_P(FolderTest, RenamesMeanwhileDoNotMatter) {
  link("../index.html", "a/up.html");
  std::atomic<bool> stop{false};
  std::thread renaming([&] {
    for (bool there = false; !stop; there = !there) {
      fs::rename(top_ / (there ? "moved" : "site-beside"), top_ / (there ? "site-beside" : "moved"));
    }
  });
  int wrong = 0;
  for (int i = 0; i < 3000; ++i) {
    wrong += folder_->open_file("a/up.html", 0) ? 0 : 1;
  }
  stop = true;
  renaming.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(FolderTest, WithoutDescriptorsItIsBusy) {
  EXPECT_EQ(get("index.html"), "<h1>hello</h1>");
  std::vector<FileDescriptor> all;
  for (;;) {
    FileDescriptor one(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!one || all.size() > 100'000) {
      break;
    }
    all.push_back(std::move(one));
  }
  const Result<OpenFile> file = folder_->open_file("index.html", 0);
  all.clear();
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::overloaded);
  EXPECT_EQ(get("index.html"), "<h1>hello</h1>");
}

TEST(FolderOpen, SaysWhatIsWrong) {
  const Result<std::shared_ptr<const Folder>> none = Folder::open("/nonexistent/site");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().source, ErrorSource::config);
  EXPECT_THAT(none.error().detail, testing::HasSubstr("'/nonexistent/site'"));
  EXPECT_THAT(none.error().detail, testing::HasSubstr("create it"));
  const Result<std::shared_ptr<const Folder>> file = Folder::open("/etc/passwd");
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().detail, testing::HasSubstr("no folder"));
}

}  // namespace
}  // namespace sluice
