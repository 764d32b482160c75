// SigV4 against the public signing test suite, and properties of the canonical forms.
#include "sluice/client/cloud/sigv4.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include <gtest/gtest.h>

#include "sluice/base/codec.hpp"
#include "sluice/base/digest.hpp"
#include "sluice/base/json.hpp"

namespace sluice::client::cloud {
namespace {

std::filesystem::path suite_folder() {
  const char* given = std::getenv("SLUICE_SHARED_DATA");
  return (given != nullptr ? std::filesystem::path(given)
                           : std::filesystem::path(SLUICE_SOURCE_DIR) / ".." / "shared" / "data") /
         "sigv4";
}

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// A request file of the suite: bare line feeds, folded header lines.
struct SuiteRequest {
  std::string method;
  std::string path;
  std::string query;
  http::Headers headers;
  std::string body;

  explicit SuiteRequest(const std::string& text) {
    const std::size_t head_end = std::min(text.find("\n\n"), text.size());
    body = text.substr(std::min(head_end + 2, text.size()));
    std::istringstream lines(text.substr(0, head_end));
    std::string line;
    std::getline(lines, line);
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    method = line.substr(0, first);
    const std::string target = line.substr(first + 1, last - first - 1);
    const std::size_t question = std::min(target.find('?'), target.size());
    path = target.substr(0, question);
    query = target.substr(std::min(question + 1, target.size()));
    std::vector<std::pair<std::string, std::string>> fields;
    while (std::getline(lines, line)) {
      if (line.starts_with(' ')) {
        fields.back().second += "\n" + line;
      } else if (!line.empty()) {
        fields.emplace_back(line.substr(0, line.find(':')), line.substr(line.find(':') + 1));
      }
    }
    for (const auto& [name, value] : fields) {
      headers.add(name, value);
    }
  }
};

class Suite : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::is_directory(suite_folder())) {
      GTEST_SKIP() << "no signing test suite at " << suite_folder() << " (set SLUICE_SHARED_DATA)";
    }
    for (const auto& entry : std::filesystem::directory_iterator(suite_folder())) {
      cases.push_back(entry.path());
    }
    std::sort(cases.begin(), cases.end());
    ASSERT_EQ(cases.size(), 38U);
  }

  struct Case {
    explicit Case(const std::filesystem::path& folder)
        : request(read(folder / "request.txt")), context(parse_json(read(folder / "context.json")).value()) {
      const Json& given = context.at("credentials");
      key = {given.at("access_key_id").get<std::string>(), given.at("secret_access_key").get<std::string>(),
             given.value("token", std::string())};
      rules.all_headers = true;
      rules.normalize_path = context.at("normalize").get<bool>();
      rules.send_payload_hash = context.at("sign_body").get<bool>();
      rules.session_token_unsigned = context.value("omit_session_token", false);
      service = context.at("service").get<std::string>();
      region = context.at("region").get<std::string>();
      now = parse_rfc3339(context.at("timestamp").get<std::string>()).value();
      hash = sha256_hex(request.body);
    }
    [[nodiscard]] SigningInput input() const { return {request.method, request.path, request.query, hash}; }
    [[nodiscard]] SigningScope scope() const { return {service, region}; }

    SuiteRequest request;
    Json context;
    StaticKey key;
    SigningRules rules;
    std::string service;
    std::string region;
    SystemTime now;
    std::string hash;
  };

  std::vector<std::filesystem::path> cases;
};

TEST_F(Suite, HeaderForm) {
  for (const auto& folder : cases) {
    SCOPED_TRACE(folder.filename());
    Case one(folder);
    http::Headers headers = one.request.headers;
    sign_headers(one.input(), one.scope(), one.rules, one.key, one.now, headers);
    const std::string expected = read(folder / "header-signature.txt");
    const std::string authorization(headers.get(http::FieldId::authorization).value_or(""));
    EXPECT_TRUE(authorization.ends_with("Signature=" + expected)) << authorization;
    EXPECT_NE(read(folder / "header-signed-request.txt").find("Authorization:" + authorization),
              std::string::npos)
        << authorization;

    headers.remove(http::FieldId::authorization);
    if (one.rules.session_token_unsigned) {
      headers.remove("X-Amz-Security-Token");
    }
    std::string names;
    const std::string canonical = sigv4::canonical_request(one.input(), one.rules, headers, names);
    EXPECT_EQ(canonical, read(folder / "header-canonical-request.txt"));
    EXPECT_EQ(sigv4::string_to_sign(canonical, sigv4::date_time(one.now), one.scope()),
              read(folder / "header-string-to-sign.txt"));
  }
}

TEST_F(Suite, QueryForm) {
  for (const auto& folder : cases) {
    SCOPED_TRACE(folder.filename());
    Case one(folder);
    const auto lifetime = std::chrono::seconds(one.context.at("expiration_in_seconds").get<int>());
    const std::string query =
        presign_query(one.input(), one.scope(), one.rules, one.key, one.now, lifetime, one.request.headers);
    EXPECT_TRUE(query.ends_with("X-Amz-Signature=" + read(folder / "query-signature.txt"))) << query;
    SuiteRequest signed_request(read(folder / "query-signed-request.txt"));
    EXPECT_EQ(query, signed_request.query);

    const std::string unsigned_query = query.substr(0, query.find("&X-Amz-Signature="));
    if (!one.rules.session_token_unsigned) {
      SigningInput input = one.input();
      input.query = unsigned_query;
      std::string names;
      EXPECT_EQ(sigv4::canonical_request(input, one.rules, one.request.headers, names),
                read(folder / "query-canonical-request.txt"));
    }
  }
}

// ---- S3

const StaticKey key{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", {}};

TEST(S3Signature, TheVendorsGetObjectExample) {
  // The worked example of the S3 documentation, "GET Object" with Range.
  const StaticKey example{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", {}};
  http::Headers headers;
  headers.add("Host", "examplebucket.s3.amazonaws.com");
  headers.add("Range", "bytes=0-9");
  SigningRules rules = SigningRules::s3();
  rules.all_headers = true;
  sign_headers({"GET", "/test.txt", "", empty_payload_hash}, {"s3", "us-east-1"}, rules, example,
               parse_rfc3339("2013-05-24T00:00:00Z").value(), headers);
  EXPECT_EQ(headers.get("Authorization").value(),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(S3Signature, TheVendorsPresignedExample) {
  const StaticKey example{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", {}};
  http::Headers headers;
  headers.add("Host", "examplebucket.s3.amazonaws.com");
  const std::string query = presign_query(
      {"GET", "/test.txt", "", unsigned_payload}, {"s3", "us-east-1"}, SigningRules::s3(), example,
      parse_rfc3339("2013-05-24T00:00:00Z").value(), std::chrono::seconds(86400), headers);
  EXPECT_TRUE(query.ends_with("aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")) << query;
}

TEST(S3Signature, SignsHostDateHashAndAmzFieldsOnly) {
  http::Headers headers;
  headers.add("Host", "storage.example");
  headers.add("User-Agent", "x");
  headers.add("If-None-Match", "\"a\"");
  headers.add("X-Amz-Meta-A", "  b   c ");
  sign_headers({"GET", "/b/k", "", empty_payload_hash}, {"s3", "ru-central1"}, SigningRules::s3(), key,
               SystemTime(std::chrono::seconds(1440938160)), headers);
  EXPECT_NE(
      headers.get("Authorization")->find("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-meta-a,"),
      std::string::npos);
  EXPECT_EQ(headers.get("X-Amz-Content-Sha256"), empty_payload_hash);
  EXPECT_EQ(headers.get("X-Amz-Date"), "20150830T123600Z");
}

TEST(S3Signature, ASecondSignatureReplacesTheFirst) {
  http::Headers headers;
  headers.add("Host", "storage.example");
  headers.add("Authorization", "Bearer of-the-client");
  const SigningInput input{"GET", "/b/k", "", empty_payload_hash};
  const SystemTime now(std::chrono::seconds(1440938160));
  sign_headers(input, {"s3", "r"}, SigningRules::s3(), key, now, headers);
  const std::string first(*headers.get("Authorization"));
  const std::size_t fields = headers.size();
  sign_headers(input, {"s3", "r"}, SigningRules::s3(), key, now, headers);
  EXPECT_EQ(headers.size(), fields);
  EXPECT_EQ(headers.get("Authorization"), first);
  EXPECT_EQ(headers.count(http::FieldId::authorization), 1U);
}

TEST(ObjectPath, EncodesOnceAndKeepsSlashes) {
  EXPECT_EQ(object_path("a b+c/d"), "a%20b%2Bc/d");
  EXPECT_EQ(object_path("//a"), "//a");
  EXPECT_EQ(object_path("/lead"), "/lead");
  EXPECT_EQ(object_path("тест.txt"), "%D1%82%D0%B5%D1%81%D1%82.txt");
  EXPECT_EQ(object_path("100%?#&=:@!$'()*,;"), "100%25%3F%23%26%3D%3A%40%21%24%27%28%29%2A%2C%3B");
  EXPECT_EQ(object_path(""), "");
  EXPECT_EQ(object_path(std::string_view("\0\x7f\xff", 3)), "%00%7F%FF");
}

TEST(CanonicalPath, OfTheOtherServicesIsEncodedTwice) {
  const SigningRules others;
  EXPECT_EQ(sigv4::canonical_path("/a%20b/../c", others), "/c");
  EXPECT_EQ(sigv4::canonical_path("/a%20b", others), "/a%2520b");
  EXPECT_EQ(sigv4::canonical_path("", others), "/");
  EXPECT_EQ(sigv4::canonical_path("/../../..", others), "/");
  EXPECT_EQ(sigv4::canonical_path("//a%20b/./c", SigningRules::s3()), "//a%20b/./c");
}

TEST(CanonicalQuery, SortsByEncodedNameThenValue) {
  EXPECT_EQ(sigv4::canonical_query(""), "");
  EXPECT_EQ(sigv4::canonical_query("&&a"), "a=");
  EXPECT_EQ(sigv4::canonical_query("b=2&a=2&a=1&A=3"), "A=3&a=1&a=2&b=2");
  EXPECT_EQ(sigv4::canonical_query("x=a+b&y=%zz&z=%2f"), "x=a%2Bb&y=%25zz&z=%2F");
}

/// What holds for any input: the canonical form does not depend on order or spelling, is a fixed point, and
/// two different inputs do not share one.
TEST(CanonicalQuery, RandomPairsInAnyOrderAndSpelling) {
  std::mt19937 random(20150830);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same cases in every run
  const auto text = [&](std::size_t most) {
    std::string out(random() % (most + 1), '\0');
    for (char& byte : out) {
      byte = static_cast<char>(random() % 256);
    }
    return out;
  };
  const auto spell = [&](const std::string& raw) {
    std::string out;
    for (const char byte : raw) {
      const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
      if (plain && random() % 2 == 0) {
        out.push_back(byte);
      } else {
        const std::string hex = hex_encode(std::string_view(&byte, 1));
        out += "%" + (random() % 2 == 0 ? hex : [&] {
                 std::string upper = hex;
                 std::transform(upper.begin(), upper.end(), upper.begin(), ::toupper);
                 return upper;
               }());
      }
    }
    return out;
  };
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::pair<std::string, std::string>> pairs(1 + random() % 6);
    for (auto& [name, value] : pairs) {
      name = text(3);
      value = text(4);
    }
    const auto write = [&] {
      std::shuffle(pairs.begin(), pairs.end(), random);
      std::string out;
      for (const auto& [name, value] : pairs) {
        out += (out.empty() ? "" : "&") + spell(name) + "=" + spell(value);
      }
      return out;
    };
    const std::string canonical = sigv4::canonical_query(write());
    ASSERT_EQ(canonical, sigv4::canonical_query(write()));
    ASSERT_EQ(canonical, sigv4::canonical_query(canonical));
    for (const char byte : canonical) {
      ASSERT_TRUE(std::isalnum(static_cast<unsigned char>(byte)) != 0 ||
                  std::string_view("-._~%&=").find(byte) != std::string_view::npos);
    }
  }
}

TEST(CanonicalRequest, AnyBytesOfAHeaderStayInTheirLine) {
  std::mt19937 random(7);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same cases in every run
  for (int round = 0; round < 2000; ++round) {
    std::string value(random() % 12, '\0');
    for (char& byte : value) {
      byte = static_cast<char>(random() % 256);
    }
    http::Headers headers;
    headers.add("Host", "h");
    headers.add("X-Amz-Meta-V", value);
    std::string names;
    const std::string canonical =
        sigv4::canonical_request({"GET", "/", "", empty_payload_hash}, SigningRules::s3(), headers, names);
    ASSERT_EQ(names, "host;x-amz-meta-v");
    ASSERT_EQ(std::count(canonical.begin(), canonical.end(), '\n'), 7);
  }
}

TEST(ObjectPath, ADecodedPathIsTheKey) {
  std::mt19937 random(11);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same cases in every run
  for (int round = 0; round < 5000; ++round) {
    std::string text(random() % 20, '\0');
    for (char& byte : text) {
      byte = static_cast<char>(random() % 256);
    }
    const std::string path = object_path(text);
    ASSERT_EQ(percent_decode(path), text);
    ASSERT_EQ(sigv4::canonical_path("/" + path, SigningRules::s3()), "/" + path);
  }
}

}  // namespace
}  // namespace sluice::client::cloud
