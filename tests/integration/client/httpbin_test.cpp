// The client against httpbin under gunicorn.
#include "sluice/base/codec.hpp"
#include "sluice/base/json.hpp"

#include "integration/client/servers.hpp"

namespace sluice::client::test {
namespace {

class WithHttpbin : public ClientTest {
 protected:
  static void SetUpTestSuite() {
    const std::string gunicorn = find_program("gunicorn");
    if (gunicorn.empty() || !std::filesystem::exists("/usr/lib/python3/dist-packages/httpbin")) {
      return;
    }
    port = free_port();
    process = std::make_unique<Process>(
        std::vector<std::string>{gunicorn, "--bind", "127.0.0.1:" + std::to_string(port), "--worker-class",
                                 "gthread", "--threads", "8", "--keep-alive", "30", "httpbin:app"},
        ProcessOptions{.directory = {}, .environment = {{"PYTHONDONTWRITEBYTECODE", "1"}}});
    if (!process->wait_until_accepts(port)) {
      ADD_FAILURE() << "httpbin does not come up: " << process->output();
      process.reset();
    }
  }
  static void TearDownTestSuite() { process.reset(); }
  void SetUp() override {
    if (!process) {
      GTEST_SKIP() << "httpbin does not run: apt-get install gunicorn python3-httpbin";
    }
  }
  static Json json(const Result<Answer>& answer) {
    if (answer.has_error()) {
      ADD_FAILURE() << answer.error().detail;
      return nullptr;
    }
    const Result<Json> parsed = parse_json(answer->body);
    return parsed.has_value() ? *parsed : Json(nullptr);
  }

  static std::uint16_t port;
  static std::unique_ptr<Process> process;
};
std::uint16_t WithHttpbin::port = 0;
std::unique_ptr<Process> WithHttpbin::process;

TEST_F(WithHttpbin, Get) {
  ClientRequest request = get(port, "/get?a=1&b=%20x");
  request.headers.add("X-Thing", "a, b");
  const Json seen = json(call(std::move(request)));
  EXPECT_EQ(seen["args"]["a"], "1");
  EXPECT_EQ(seen["args"]["b"], " x");
  EXPECT_EQ(seen["headers"]["X-Thing"], "a, b");
  EXPECT_EQ(seen["headers"]["Host"], "127.0.0.1:" + std::to_string(port));
}

TEST_F(WithHttpbin, Bodies) {
  EXPECT_EQ(json(call([] {
              ClientRequest request = post(port, R"({"k": [1, 2]})");
              request.path_and_query = "/post";
              request.headers.add("Content-Type", "application/json");
              return request;
            }()))["json"]["k"][1],
            2);
  for (const std::string method : {"PUT", "PATCH", "DELETE"}) {
    ClientRequest request = post(port, "data of " + method, method);
    request.path_and_query = "/" + to_lower(method);
    EXPECT_EQ(json(call(std::move(request)))["data"], "data of " + method);
  }
}

TEST_F(WithHttpbin, AChunkedUpload) {
  ClientRequest request = get(port, "/post");
  request.method = "POST";
  request.headers.add("Content-Type", "application/octet-stream");
  std::vector<std::string> pieces;
  std::string all;
  for (int piece = 0; piece < 64; ++piece) {
    pieces.emplace_back(16384, static_cast<char>('a' + piece % 26));
    all += pieces.back();
  }
  request.body = std::make_unique<SlowBody>(worker, std::move(pieces), 1ms);
  const Json seen = json(call(std::move(request)));
  EXPECT_TRUE(seen["data"] == all);
  EXPECT_EQ(seen["headers"]["Transfer-Encoding"], "chunked");
}

TEST_F(WithHttpbin, LargeAndStreamed) {
  Result<Answer> answer = call(get(port, "/bytes/102400?seed=1"));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->body.size(), 102400U);
  answer = call(get(port, "/stream-bytes/102400?seed=1&chunk_size=777"));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->body.size(), 102400U);
  EXPECT_FALSE(answer->size.has_value());
  answer = call(get(port, "/stream/20"));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(std::count(answer->body.begin(), answer->body.end(), '\n'), 20);
  answer = call(get(port, "/drip?duration=1&numbytes=10&delay=0"));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->body, "**********");
  EXPECT_LE(client->counts().opened, 2U);
}

TEST_F(WithHttpbin, Statuses) {
  for (const int status : {200, 204, 301, 304, 404, 418, 500, 503}) {
    const Result<Answer> answer = call(get(port, "/status/" + std::to_string(status)));
    ASSERT_TRUE(answer.has_value()) << status << ": " << answer.error().detail;
    EXPECT_EQ(answer->status, status);
  }
  const Result<Answer> redirect = call(get(port, "/redirect-to?url=/get"));
  ASSERT_TRUE(redirect.has_value());
  EXPECT_EQ(redirect->status, 302) << "not followed";
}

TEST_F(WithHttpbin, SlowAnswers) {
  CallOptions options;
  options.read_timeout = 300ms;
  Result<Answer> answer = call(get(port, "/delay/3"), options);
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::read_timeout);
  options.read_timeout = 5s;
  answer = call(get(port, "/delay/1"), options);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 200);
  options.head_deadline = std::chrono::steady_clock::now() + 300ms;
  answer = call(get(port, "/delay/3"), options);
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::deadline);
}

TEST_F(WithHttpbin, ByName) {
  ClientRequest request = get(port, "/get");
  request.origin.host = "localhost";  // ::1 is refused, 127.0.0.1 is next
  const Json seen = json(call(std::move(request)));
  EXPECT_EQ(seen["headers"]["Host"], "localhost:" + std::to_string(port));
}

}  // namespace
}  // namespace sluice::client::test
