#include "sluice/base/codec.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sluice/base/digest.hpp"

namespace sluice {
namespace {

using std::string_literals::operator""s;

TEST(Base64, EncodesAndDecodesTheVectorsOfRfc4648) {
  const std::vector<std::pair<std::string, std::string>> vectors{{"", ""},
                                                                 {"f", "Zg=="},
                                                                 {"fo", "Zm8="},
                                                                 {"foo", "Zm9v"},
                                                                 {"foob", "Zm9vYg=="},
                                                                 {"fooba", "Zm9vYmE="},
                                                                 {"foobar", "Zm9vYmFy"},
                                                                 {"\0\xFF\xFE"s, "AP/+"}};
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(base64_encode(plain), encoded);
    EXPECT_EQ(base64_decode(encoded), plain);
  }
  EXPECT_EQ(base64url_encode("\xFB\xFF\xFE"), "-__-");
  EXPECT_EQ(base64url_encode("f"), "Zg");
  EXPECT_EQ(base64url_decode("-__-"), "\xFB\xFF\xFE");
  EXPECT_EQ(base64url_decode("Zg"), "f");
}

TEST(Base64, RoundTripsEveryByteAndLength) {
  std::string bytes;
  for (int at = 0; at < 300; ++at) {
    EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
    EXPECT_EQ(base64url_decode(base64url_encode(bytes)), bytes);
    bytes.push_back(static_cast<char>(at * 7));
  }
}

TEST(Base64, RefusesWhatIsNotCanonical) {
  for (const std::string_view text : {"Zg", "Zg=", "Zg===", "Z===", "====", "=", "Zm9v=", "Zm9vY", "Zh==",
                                      "Zm9=", "Zm 9v", "Zm9v\n", "Zm-_", "Zm9v====", "Zg==Zg==", "Zm\x80v"}) {
    EXPECT_EQ(base64_decode(text), std::nullopt) << text;
  }
  for (const std::string_view text : {"Zg==", "Z", "Zh", "Zm9", "Zm+/", "Zm9vY", "Zm 9v"}) {
    EXPECT_EQ(base64url_decode(text), std::nullopt) << text;
  }
}

TEST(Hex, IsLowerCase) {
  EXPECT_EQ(hex_encode("\x00\x0F\xA5\xFF"s), "000fa5ff");
}

TEST(Digest, KnowsSha256) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abc").size(), 32U);
}

TEST(Percent, EncodesAllButItsSet) {
  EXPECT_EQ(percent_encode("aZ09-._~", PercentSet::unreserved), "aZ09-._~");
  EXPECT_EQ(percent_encode("a b/c?d=e&f+g%h#i", PercentSet::unreserved), "a%20b%2Fc%3Fd%3De%26f%2Bg%25h%23i");
  EXPECT_EQ(percent_encode("!$&'()*+,;=:@", PercentSet::pchar), "!$&'()*+,;=:@");
  EXPECT_EQ(percent_encode("/?#[]\"<>\\^`{|}%", PercentSet::pchar),
            "%2F%3F%23%5B%5D%22%3C%3E%5C%5E%60%7B%7C%7D%25");
  EXPECT_EQ(percent_encode("\0\x7F\x80\xFF"s, PercentSet::pchar), "%00%7F%80%FF");
  std::string out = "x";
  append_percent_encoded(out, "ж", PercentSet::pchar);
  EXPECT_EQ(out, "x%D0%B6");
}

TEST(Percent, DecodesStrictlyOrLeniently) {
  EXPECT_EQ(percent_decode("a%20b%2fc%2F"), "a b/c/");
  EXPECT_EQ(percent_decode("a+b"), "a+b");
  EXPECT_EQ(percent_decode("a+b%2B", true), "a b+");
  EXPECT_EQ(percent_decode("%00"), "\0"s);
  EXPECT_EQ(percent_decode("%252e"), "%2e") << "once";
  for (const std::string_view text : {"%", "%2", "%zz", "%2g", "a%", "%%41", "% 41"}) {
    EXPECT_EQ(percent_decode(text), std::nullopt) << text;
  }
  EXPECT_EQ(percent_decode_lenient("%", true), "%");
  EXPECT_EQ(percent_decode_lenient("100%+%41%4", true), "100% A%4");
  EXPECT_EQ(percent_decode_lenient("%zz+", false), "%zz+");
}

TEST(Percent, RoundTripsEveryByte) {
  std::string bytes;
  for (int at = 0; at < 256; ++at) {
    bytes.push_back(static_cast<char>(at));
  }
  EXPECT_EQ(percent_decode(percent_encode(bytes, PercentSet::unreserved)), bytes);
  EXPECT_EQ(percent_decode(percent_encode(bytes, PercentSet::pchar)), bytes);
}

TEST(Utf8, AcceptsWellFormedText) {
  for (const std::string_view text :
       {"", "plain", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xEF\xBF\xBF",
        "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_valid_utf8(text)) << hex_encode(text);
    EXPECT_EQ(sanitize_utf8(text), text);
  }
}

TEST(Utf8, RefusesIllFormedText) {
  for (const std::string_view text :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x80\x80", "\xE0\x9F\xBF",
        "\xE1\x80", "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xF8\x88\x80\x80\x80", "\xFE", "\xFF", "a\xE2\x28\xA1"}) {
    EXPECT_FALSE(is_valid_utf8(text)) << hex_encode(text);
  }
}

TEST(Utf8, ReplacesMaximalIllFormedParts) {
  const std::string mark = "\xEF\xBF\xBD";
  EXPECT_EQ(sanitize_utf8("a\x80z"), "a" + mark + "z");
  EXPECT_EQ(sanitize_utf8("\xE2\x82z"), mark + "z") << "a truncated sequence is one";
  EXPECT_EQ(sanitize_utf8("\xC0\x80"), mark + mark);
  EXPECT_EQ(sanitize_utf8("\xED\xA0\x80"), mark + mark + mark);
  EXPECT_EQ(sanitize_utf8("\xF0\x9F\x98"), mark);
  EXPECT_TRUE(is_valid_utf8(sanitize_utf8("\xFF\xFE\xF0\x9F\x41\xC2")));
}

std::string json_escaped(std::string_view text) {
  std::string out;
  append_json_escaped(out, text);
  return out;
}

std::string html_escaped(std::string_view text) {
  std::string out;
  append_html_escaped(out, text);
  return out;
}

TEST(Escapes, EveryByteAtEveryPlaceOfAWord) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string one(1, static_cast<char>(byte));
    const std::string json = json_escaped(one);
    const std::string html = html_escaped(one);
    const std::string clean = sanitize_utf8(one);
    for (std::size_t before = 0; before < 18; ++before) {
      for (const std::size_t after : {0U, 1U, 7U, 8U, 16U}) {
        const std::string left(before, 'a');
        const std::string right(after, '~');
        const std::string text = left + one + right;
        ASSERT_EQ(json_escaped(text), left + json + right) << byte << " at " << before;
        ASSERT_EQ(html_escaped(text), left + html + right) << byte << " at " << before;
        ASSERT_EQ(sanitize_utf8(text), left + clean + right) << byte << " at " << before;
        ASSERT_EQ(is_valid_utf8(text), byte < 0x80) << byte << " at " << before;
      }
    }
  }
}

TEST(Escapes, OfJson) {
  EXPECT_EQ(json_escaped("a\"b\\c/d"), "a\\\"b\\\\c/d");
  EXPECT_EQ(json_escaped("\b\f\n\r\t"), "\\b\\f\\n\\r\\t");
  EXPECT_EQ(json_escaped("\0\x1F"s), "\\u0000\\u001f");
  EXPECT_EQ(json_escaped("ж😀\x7F"), "ж😀\x7F");
  EXPECT_EQ(json_escaped("\xFF"), "\xEF\xBF\xBD");
}

TEST(Escapes, OfHtml) {
  EXPECT_EQ(html_escaped("<a href=\"x\" title='y'>&amp;</a>"),
            "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;amp;&lt;/a&gt;");
  EXPECT_EQ(html_escaped("plain ж"), "plain ж");
}

TEST(Names, AreTrainCased) {
  EXPECT_EQ(train_case("x-request-id"), "X-Request-Id");
  EXPECT_EQ(train_case("CONTENT-TYPE"), "Content-Type");
  EXPECT_EQ(train_case("etag"), "Etag");
  EXPECT_EQ(train_case("x--y_z"), "X--Y_z");
  EXPECT_EQ(train_case(""), "");
}

TEST(Names, CompareWithoutCase) {
  EXPECT_EQ(to_lower("AbC-1Ж"), "abc-1Ж");
  EXPECT_TRUE(equals_ignore_case("Host", "hOST"));
  EXPECT_TRUE(equals_ignore_case("", ""));
  EXPECT_FALSE(equals_ignore_case("Host", "Hosts"));
  EXPECT_FALSE(equals_ignore_case("[", "{")) << "differ by the bit of case, but are no letters";
  EXPECT_FALSE(equals_ignore_case("@", "`"));
}

TEST(Names, AreTokens) {
  EXPECT_TRUE(is_token("X-Header_1!#$%&'*+.^`|~"));
  for (const std::string_view text :
       {"", "a b", "a:", "a(", "a\"", "a/", "a[", "ж", "a\r", "a\n", "{a}", "a\x7F"}) {
    EXPECT_FALSE(is_token(text)) << text;
  }
  EXPECT_FALSE(is_token("a\0"s));
}

TEST(Values, HaveNoControlBytes) {
  EXPECT_TRUE(is_field_value(""));
  EXPECT_TRUE(is_field_value("a\tb c \xFF"));
  for (const char byte : {'\0', '\r', '\n', '\x01', '\x1F', '\x7F'}) {
    EXPECT_FALSE(is_field_value(std::string("a") + byte));
  }
}

TEST(Values, AreTrimmedOfSpacesAndTabs) {
  EXPECT_EQ(trim(" \t a b\t "), "a b");
  EXPECT_EQ(trim("\r\n a"), "\r\n a");
  EXPECT_EQ(trim(" \t"), "");
}

}  // namespace
}  // namespace sluice
