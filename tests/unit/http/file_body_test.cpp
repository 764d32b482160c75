#include "sluice/http/file_body.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "unit/http/server_connection_fixture.hpp"

namespace sluice::http::h1 {
namespace {

namespace fs = std::filesystem;

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    text[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  }
  return text;
}

/// Files of a few sizes, served over memory (read in blocks) and over sockets (sent by the system).
class FileBodyTest : public ConnectionTest {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);
    std::string name = (fs::temp_directory_path() / "sluice-file-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    handler_.answers["/file"] = [this](Request&, RequestContext&) -> net::Awaitable<Response> {
      Response response;
      response.body = make_file_body(open(), offset_, size_, worker_);
      response.headers.add("Content-Type", "text/plain");
      if (before_send_) {
        before_send_();
      }
      co_return response;
    };
  }
  void TearDown() override {
    ConnectionTest::TearDown();
    fs::remove_all(folder_);
  }
  void make(std::size_t size) {
    text_ = pattern(size);
    std::ofstream(folder_ / "f", std::ios::binary) << text_;
    offset_ = 0;
    size_ = size;
  }
  FileDescriptor open() const {
    return FileDescriptor(::open((folder_ / "f").c_str(), O_RDONLY | O_CLOEXEC));
  }
  void start_over_sockets(int send_buffer = 0) {
    int sockets[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets), 0);
    if (send_buffer != 0) {
      ::setsockopt(sockets[1], SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));
    }
    start_with(net::adopt_stream(worker_.executor(), sockets[0]),
               net::adopt_stream(worker_.executor(), sockets[1]));
  }
  /// The body of one answer on a connection that stays open.
  std::string fetch() {
    send("GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string head = receive_until("\r\n\r\n");
    EXPECT_NE(head.find("Content-Length: " + std::to_string(size_) + "\r\n"), std::string::npos) << head;
    EXPECT_TRUE(run_until([this] { return got_.size() >= size_ || closed_ || reset_; }));
    std::string body = got_.substr(0, static_cast<std::size_t>(size_));
    got_.erase(0, body.size());
    return body;
  }
  static long descriptors() {
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  }

  fs::path folder_;
  std::string text_;
  std::uint64_t offset_ = 0;
  std::uint64_t size_ = 0;
  std::function<void()> before_send_;
};

constexpr std::array<std::size_t, 8> sizes{0, 1, 1024, 16384, 16385, 65536, 200'000, 5'000'000};

TEST_F(FileBodyTest, OverMemoryItIsRead) {
  start();
  for (const std::size_t size : sizes) {
    make(size);
    EXPECT_EQ(fetch(), text_) << size;
  }
  EXPECT_EQ(handler_.done.size(), sizes.size());
}

TEST_F(FileBodyTest, OverASocketTheSystemSendsIt) {
  start_over_sockets();
  for (const std::size_t size : sizes) {
    make(size);
    EXPECT_EQ(fetch(), text_) << size;
    ASSERT_FALSE(handler_.done.empty());
    EXPECT_GT(handler_.done.back().bytes_out, size);
    EXPECT_LT(handler_.done.back().bytes_out, size + 300);
  }
}

TEST_F(FileBodyTest, ThroughASmallSocketBuffer) {
  start_over_sockets(4096);
  make(3'000'000);
  EXPECT_EQ(fetch(), text_);
  EXPECT_EQ(fetch(), text_);
}

TEST_F(FileBodyTest, ARange) {
  start_over_sockets();
  for (const auto& [from, size] :
       {std::pair<std::size_t, std::size_t>{0, 10}, {5, 20'000}, {199'999, 1}, {100, 199'900}}) {
    make(200'000);
    offset_ = from;
    size_ = size;
    EXPECT_EQ(fetch(), text_.substr(from, size));
  }
}

TEST_F(FileBodyTest, PipelinedRequestsKeepTheirOrder) {
  start_over_sockets();
  make(100'000);
  std::string requests;
  for (int i = 0; i < 5; ++i) {
    requests += "GET /file HTTP/1.1\r\nHost: x\r\n\r\nGET /small HTTP/1.1\r\nHost: x\r\n\r\n";
  }
  send(requests);
  for (int i = 0; i < 5; ++i) {
    receive_until("\r\n\r\n");
    ASSERT_TRUE(run_until([this] { return got_.size() >= size_; }));
    EXPECT_EQ(got_.substr(0, text_.size()), text_);
    got_.erase(0, text_.size());
    receive_until("asked for /small");
  }
}

TEST_F(FileBodyTest, AFileThatBecameShorterBreaksTheAnswerOff) {
  for (const std::size_t size : {std::size_t{1000}, std::size_t{16'000}, std::size_t{5'000'000}}) {
    for (const bool sockets : {true, false}) {
      sockets ? start_over_sockets() : start();
      make(size);
      before_send_ = [this, size] { fs::resize_file(folder_ / "f", size / 2); };
      got_.clear();
      closed_ = reset_ = false;
      send("GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
      ASSERT_TRUE(ended());
      run_until([this] { return closed_ || reset_; });
      EXPECT_LT(got_.size(), size);
      ASSERT_FALSE(handler_.done.empty());
      EXPECT_TRUE(handler_.done.back().aborted) << size << sockets;
    }
  }
}

TEST_F(FileBodyTest, AFileThatGrowsIsSentAsLongAsItWas) {
  start_over_sockets();
  make(100'000);
  before_send_ = [this] { std::ofstream(folder_ / "f", std::ios::app) << "more"; };
  EXPECT_EQ(fetch(), text_);
}

TEST_F(FileBodyTest, HeadAnd304AndHttp10) {
  start_over_sockets();
  make(100'000);
  send("HEAD /file HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(receive_until("\r\n\r\n").find("Content-Length: 100000\r\n"), std::string::npos);
  EXPECT_EQ(fetch(), text_);
  send("GET /file HTTP/1.0\r\n\r\n");
  const std::string all = receive_all();
  EXPECT_NE(all.find("Content-Length: 100000\r\n"), std::string::npos);
  EXPECT_EQ(all.substr(all.find("\r\n\r\n") + 4), text_);
}

TEST_F(FileBodyTest, AClientThatGoesAwayLeavesNothingOpen) {
  make(5'000'000);
  const long before = descriptors();
  for (int i = 0; i < 5; ++i) {
    start_over_sockets(4096);
    reading_ = false;
    send("GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
    run_for(std::chrono::milliseconds(20));
    client_->close(true);
    ASSERT_TRUE(ended());
    client_.reset();
    EXPECT_TRUE(handler_.done.back().aborted);
  }
  EXPECT_EQ(descriptors(), before);
}

/// Says that it sends files, and finds each time that it cannot: a file system without sendfile().
class PromisingStream final : public net::Stream {
 public:
  explicit PromisingStream(std::unique_ptr<net::Stream> inner) : inner_(std::move(inner)) {}
  Result<std::optional<std::size_t>> try_read(net::asio::mutable_buffer buffer) override {
    return inner_->try_read(buffer);
  }
  void start_wait_readable(net::WaitMode mode, Callback callback, void* context) override {
    inner_->start_wait_readable(mode, callback, context);
  }
  Result<std::size_t> try_write(std::span<const net::asio::const_buffer> buffers) override {
    return inner_->try_write(buffers);
  }
  [[nodiscard]] bool sends_files() const noexcept override { return true; }
  Result<void> try_send_file(net::asio::const_buffer before, int descriptor, std::uint64_t offset,
                             std::size_t size, net::FileProgress& progress) override {
    ++asked;
    Result<void> refused = Stream::try_send_file(before, descriptor, offset, size, progress);
    const std::array<net::asio::const_buffer, 1> part{before};
    progress.before = inner_->try_write(part).value();
    return refused;
  }
  void start_wait_writable(Callback callback, void* context) override {
    inner_->start_wait_writable(callback, context);
  }
  void cancel() noexcept override { inner_->cancel(); }
  void shutdown() noexcept override { inner_->shutdown(); }
  void close(bool reset) noexcept override { inner_->close(reset); }
  [[nodiscard]] bool is_open() const noexcept override { return inner_->is_open(); }

  static inline int asked = 0;

 private:
  std::unique_ptr<net::Stream> inner_;
};

TEST_F(FileBodyTest, WhereTheFileSystemCannotSendItIsRead) {
  auto [client, server] = net::make_memory_streams(worker_.executor(), 65536);
  start_with(std::move(client), std::make_unique<PromisingStream>(std::move(server)));
  for (const std::size_t size : sizes) {
    make(size);
    EXPECT_EQ(fetch(), text_) << size;
  }
  EXPECT_EQ(PromisingStream::asked, 4) << "those above 16 KiB";
}

TEST_F(FileBodyTest, AClientThatTakesNothingIsCutOff) {
  limits_.write_timeout = std::chrono::milliseconds(100);
  make(5'000'000);
  start_over_sockets(4096);
  reading_ = false;
  send("GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(ended());
  EXPECT_TRUE(handler_.done.back().aborted);
}

TEST_F(FileBodyTest, ReadAsAnyOtherBody) {
  make(3'000'000);
  const std::unique_ptr<BodySource> source = make_file_body(open(), 10, 2'999'980, worker_);
  EXPECT_EQ(source->size(), 2'999'980U);
  bool done = false;
  net::asio::co_spawn(
      worker_.executor(),
      [](BodySource& body, std::string& expected, bool& finished) -> net::Awaitable<void> {
        const Result<std::string> all = co_await read_all(body, std::size_t{10} << 20U);
        EXPECT_TRUE(all.has_value());
        EXPECT_TRUE(all && *all == expected.substr(10, 2'999'980));
        const Result<std::string_view> more = co_await body.read();
        EXPECT_TRUE(more && more->empty());
        finished = true;
      }(*source, text_, done),
      net::asio::detached);
  EXPECT_TRUE(run_until([&done] { return done; }));
}

}  // namespace
}  // namespace sluice::http::h1
