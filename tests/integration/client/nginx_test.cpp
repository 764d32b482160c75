// The client against nginx.
#include <boost/asio/detached.hpp>

#include "integration/client/servers.hpp"

namespace sluice::client::test {
namespace {

class WithNginx : public ClientTest {
 protected:
  void SetUp() override {
    if (!Nginx::installed()) {
      GTEST_SKIP() << "nginx is not installed: apt-get install nginx";
    }
    port = free_port();
    big.resize(std::size_t{1} << 20U);
    for (std::size_t at = 0; at < big.size(); ++at) {
      big[at] = static_cast<char>('a' + at * 31 % 26);
    }
    folder.write("www/big.txt", big);
    folder.write("www/small.txt", "small");
    nginx = std::make_unique<Nginx>(
        folder,
        "gzip on; gzip_types text/plain; gzip_min_length 10;\n"
        "server { listen 127.0.0.1:" +
            std::to_string(port) + "; listen unix:" + folder.path() +
            "/nginx.sock;\n"
            "  root " +
            folder.path() +
            "/www; default_type text/plain; client_max_body_size 64m; keepalive_requests 50;\n"
            "  location = /204 { return 204; }\n"
            "  location = /text { return 200 \"$request_method $http_x_name $content_length\\n\"; }\n"
            "  location = /limited { client_max_body_size 1k; proxy_pass http://127.0.0.1:" +
            std::to_string(port) +
            "/text; }\n"
            "  location = /upload { proxy_http_version 1.1; proxy_pass http://127.0.0.1:" +
            std::to_string(port) +
            "/text; }\n"
            "  location /restart/ { return 200 ok; }\n"
            "}\n");
    ASSERT_TRUE(nginx->start_and_wait(port));
  }

  TemporaryFolder folder;
  std::uint16_t port = 0;
  std::string big;
  std::unique_ptr<Nginx> nginx;
};

TEST_F(WithNginx, KeepsOneConnectionUntilNginxEndsIt) {
  for (int round = 0; round < 120; ++round) {
    const Result<Answer> answer = call(get(port, "/small.txt"));
    ASSERT_TRUE(answer.has_value()) << answer.error().detail;
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body, "small");
  }
  EXPECT_EQ(client->counts().opened, 3U) << "keepalive_requests is 50";
  EXPECT_EQ(client->counts().retried, 0U);
}

TEST_F(WithNginx, HeadersGoAsGiven) {
  ClientRequest request = get(port, "/text");
  request.method = "PATCH";
  request.headers.add("X-Name", "value 1");
  const Result<Answer> answer = call(std::move(request));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->body, "PATCH value 1 0\n");
}

TEST_F(WithNginx, AMebibyteDown) {
  for (int round = 0; round < 3; ++round) {
    const Result<Answer> answer = call(get(port, "/big.txt"));
    ASSERT_TRUE(answer.has_value());
    EXPECT_FALSE(answer->body_error.has_value());
    EXPECT_EQ(answer->size, big.size());
    EXPECT_TRUE(answer->body == big);
  }
  EXPECT_EQ(client->counts().opened, 1U);
}

TEST_F(WithNginx, ChunkedDown) {
  ClientRequest request = get(port, "/big.txt");
  request.headers.add("Accept-Encoding", "gzip");
  const Result<Answer> answer = call(std::move(request));
  ASSERT_TRUE(answer.has_value());
  EXPECT_FALSE(answer->body_error.has_value());
  EXPECT_EQ(answer->headers.get("Content-Encoding"), "gzip");
  EXPECT_TRUE(answer->body.starts_with("\x1f\x8b"));
  EXPECT_EQ(client->counts().idle, 1U);
}

TEST_F(WithNginx, HeadNoContentAndNotModified) {
  ClientRequest head = get(port, "/big.txt");
  head.method = "HEAD";
  Result<Answer> answer = call(std::move(head));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->head_content_length, big.size());
  EXPECT_EQ(answer->body, "");
  const std::string etag(answer->headers.get("ETag").value_or(""));
  ClientRequest conditional = get(port, "/big.txt");
  conditional.headers.add("If-None-Match", etag);
  answer = call(std::move(conditional));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 304);
  answer = call(get(port, "/204"));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 204);
  ClientRequest range = get(port, "/big.txt");
  range.headers.add("Range", "bytes=10-19");
  answer = call(std::move(range));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 206);
  EXPECT_EQ(answer->body, big.substr(10, 10));
  EXPECT_EQ(client->counts().opened, 1U);
}

TEST_F(WithNginx, AMebibyteUp) {
  ClientRequest whole = post(port, big);
  whole.path_and_query = "/upload";
  Result<Answer> answer = call(std::move(whole));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->body, "POST  1048576\n");

  ClientRequest chunked = get(port, "/upload");
  chunked.method = "PUT";
  std::vector<std::string> pieces;
  for (std::size_t at = 0; at < big.size(); at += 10000) {
    pieces.push_back(big.substr(at, 10000));
  }
  chunked.body = std::make_unique<SlowBody>(worker, std::move(pieces), 0ms);
  answer = call(std::move(chunked));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->body, "PUT  1048576\n") << "nginx buffers it and passes it on with its length";
  EXPECT_EQ(client->counts().opened, 1U);
}

TEST_F(WithNginx, AnEarly413) {
  ClientRequest request = post(port, std::string(std::size_t{32} << 20U, 'x'));
  request.path_and_query = "/limited";
  const Result<Answer> answer = call(std::move(request));
  ASSERT_TRUE(answer.has_value()) << answer.error().detail;
  EXPECT_EQ(answer->status, 413);
  EXPECT_EQ(client->counts().idle, 0U);
  EXPECT_EQ(client->counts().busy, 0U);
}

TEST_F(WithNginx, OverAUnixSocket) {
  ClientRequest request = get(port, "/big.txt");
  request.origin = parse_url("unix:" + folder.path() + "/nginx.sock")->origin;
  const Result<Answer> answer = call(std::move(request));
  ASSERT_TRUE(answer.has_value()) << answer.error().detail;
  EXPECT_TRUE(answer->body == big);
}

// Three times SIGKILL and half a second without nginx, under load: no GET fails, and no POST arrives twice.
TEST_F(WithNginx, KilledAndRestarted) {
  struct Load {
    static net::Awaitable<void> go(HttpClient& client, std::uint16_t port, int number, const bool& stop,
                                   int& get_failures, int& answered, int& finished) {
      const std::string method = number % 4 == 0 ? "POST" : "GET";
      for (int round = 0;; ++round) {
        if (stop) {
          break;
        }
        ClientRequest request = get(port, "/restart/" + std::to_string(number) + "/" + std::to_string(round));
        request.method = method;
        const CallOptions options;
        const Result<Answer> answer = co_await call_coroutine(client, request, options);
        const bool good = answer.has_value() && answer->status == 200;
        answered += good ? 1 : 0;
        get_failures += !good && method == "GET" ? 1 : 0;
        if (!good && method == "GET") {
          ADD_FAILURE() << (answer.has_error() ? answer.error().detail : std::to_string(answer->status));
        }
      }
      ++finished;
    }
  };
  constexpr int clients = 32;
  bool stop = false;
  int get_failures = 0;
  std::array<int, clients> answered{};
  int finished = 0;
  // A connection that has carried an answer is a reused one from then on; a new one may not be tried again.
  const auto all_answered = [&](int times) {
    const std::array<int, clients> before = answered;
    wait_for([&] {
      return std::equal(answered.begin(), answered.end(), before.begin(),
                        [&](int now, int then) { return now >= then + times; });
    });
  };
  for (int number = 0; number < clients; ++number) {
    net::asio::co_spawn(worker.context(),
                        Load::go(*client, port, number, stop, get_failures,
                                 answered.at(static_cast<std::size_t>(number)), finished),
                        net::asio::detached);
  }
  all_answered(5);
  for (int kill = 0; kill < 3; ++kill) {
    nginx->kill();
    poll(500ms);
    nginx->start();
    all_answered(15);
  }
  stop = true;
  wait_for([&finished] { return finished == clients; });
  EXPECT_EQ(get_failures, 0);
  std::map<std::string, int> arrived;
  std::istringstream lines(folder.read("access.log"));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("POST")) {
      EXPECT_EQ(++arrived[line], 1) << line;
    }
  }
  EXPECT_GT(arrived.size(), 100U);
}

}  // namespace
}  // namespace sluice::client::test
