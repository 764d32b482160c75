#include "sluice/http/h1/chunk.hpp"

#include <string>

#include <gtest/gtest.h>

namespace sluice::http::h1 {
namespace {

struct Decoded {
  std::string body;
  std::size_t consumed = 0;
  bool done = false;
  int status = 0;  ///< of the refusal
};

/// Feeds `text` in pieces of at most `piece` bytes.
Decoded decode(std::string_view text, std::size_t piece, ChunkDecoder& decoder) {
  Decoded out;
  while (!text.empty() && !out.done) {
    const std::string_view input = text.substr(0, piece);
    const Result<ChunkDecoder::Step> step = decoder.feed(input);
    if (step.has_error()) {
      EXPECT_EQ(step.error().source, ErrorSource::downstream);
      out.status = step.error().status;
      return out;
    }
    EXPECT_TRUE(step->consumed > 0) << text;
    EXPECT_TRUE(!step->data.empty() || step->done || step->consumed == input.size()) << text;
    out.body.append(step->data);
    out.consumed += step->consumed;
    out.done = step->done;
    text.remove_prefix(step->consumed);
  }
  return out;
}

Decoded decode(std::string_view text, const ChunkLimits& limits = {}) {
  ChunkDecoder whole(ErrorSource::downstream, limits);
  Decoded out = decode(text, text.size(), whole);
  for (const std::size_t piece : {1U, 2U, 3U, 7U}) {
    ChunkDecoder decoder(ErrorSource::downstream, limits);
    const Decoded split = decode(text, piece, decoder);
    EXPECT_EQ(split.done, out.done) << text;
    EXPECT_EQ(split.status, out.status) << text;
    if (out.status == 0) {
      EXPECT_EQ(split.body, out.body) << text;
      EXPECT_EQ(split.consumed, out.consumed) << text;
    }
  }
  return out;
}

TEST(ChunkDecoder, Decodes) {
  const struct {
    std::string_view text;
    std::string_view body;
  } cases[] = {
      {"0\r\n\r\n", ""},
      {"000\r\n\r\n", ""},
      {"5\r\nhello\r\n0\r\n\r\n", "hello"},
      {"0000000000000005\r\nhello\r\n0\r\n\r\n", "hello"},
      {"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"},
      {"5;a\r\nhello\r\n0;b=c\r\n\r\n", "hello"},
      {"5;a=\"x;\\\"\r y\"\r\nhello\r\n0\r\n\r\n", ""},
      {"5;a=\"x;\\\" y\"\r\nhello\r\n0\r\n\r\n", "hello"},
      {"5 ; a = b ;c\r\nhello\r\n0\r\n\r\n", "hello"},
      {"2\r\n\r\n\r\n0\r\n\r\n", "\r\n"},
      {"3\r\n0\r\n\r\n0\r\n\r\n", "0\r\n"},
      {"1\r\na\r\n0\r\nX: y\r\n\r\n", "a"},
  };
  for (const auto& item : cases) {
    const Decoded out = decode(std::string(item.text) + "");
    if (item.body.empty() && item.text.size() > 8) {
      EXPECT_EQ(out.status, 400) << item.text;
      continue;
    }
    EXPECT_TRUE(out.done) << item.text;
    EXPECT_EQ(out.body, item.body) << item.text;
    EXPECT_EQ(out.consumed, item.text.size()) << item.text;
  }
}

TEST(ChunkDecoder, LeavesWhatFollows) {
  const Decoded out = decode("1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\n");
  EXPECT_TRUE(out.done);
  EXPECT_EQ(out.consumed, 11U);
}

TEST(ChunkDecoder, GivesViewsOfTheInput) {
  const std::string text = "5\r\nhello\r\n";
  ChunkDecoder decoder;
  const auto step = decoder.feed(text);
  ASSERT_TRUE(step.has_value());
  EXPECT_EQ(step->data.data(), text.data() + 3);
  EXPECT_EQ(step->consumed, 8U);
}

TEST(ChunkDecoder, Refuses) {
  for (const std::string_view text : {
           "\r\n",
           "x\r\n",
           "+5\r\nhello\r\n",
           "-5\r\nhello\r\n",
           "0x5\r\nhello\r\n",
           " 5\r\nhello\r\n",
           "5 \r\nhello\r\n",
           "5\t\r\nhello\r\n",
           "5\nhello\r\n",
           "5\r\rhello",
           "5\r\nhelloX",
           "5\r\nhello\n",
           "5\r\nhello\r0",
           "5\r\nhell\r\n0\r\n\r\n",
           "5\r\nhello!\r\n0\r\n\r\n",
           "5\r\nhello\r\n\r\n",
           "8000000000000000\r\n",
           "FFFFFFFFFFFFFFFF\r\n",
           "00000000000000005\r\n",
           "10000000000000000\r\n",
           "5;\r\nhello\r\n",
           "5;a=\r\nhello\r\n",
           "5;=b\r\nhello\r\n",
           "5;a b\r\nhello\r\n",
           "5;a=b c\r\nhello\r\n",
           "5;a=\"b\r\nhello\r\n",
           "5;a=\"b\"c\r\nhello\r\n",
           "5;a\nhello\r\n",
           "5;a\r\rhello\r\n",
           "5;a\x01\r\nhello\r\n",
           "5;a=\"\x01\"\r\nhello\r\n",
           "5;;a\r\nhello\r\n",
           "5a;\r\n",
           "0\r\n\n",
           "0\r\n\rX\r\n\r\n",
           "0\r\nX: y\n\r\n",
           "0\r\n X: y\r\n\r\n",
           "0\r\nX: y\r\n z\r\n\r\n",
           "0\r\nX : y\r\n\r\n",
           "0\r\nX\r\n\r\n",
           "0\r\nX: a\x01\r\n\r\n",
           "0\r\nX: a\rb\r\n\r\n",
           "0\r\nContent-Length: 5\r\n\r\n",
           "0\r\nTransfer-Encoding: chunked\r\n\r\n",
           "0\r\nHost: b\r\n\r\n",
       }) {
    EXPECT_EQ(decode(text).status, 400) << text;
  }
}

TEST(ChunkDecoder, AnErrorStays) {
  ChunkDecoder decoder;
  ASSERT_TRUE(decoder.feed("x").has_error());
  const auto again = decoder.feed("5\r\nhello\r\n");
  ASSERT_TRUE(again.has_error());
  EXPECT_EQ(again.error().status, 400);
  EXPECT_EQ(again.error().slug, "bad_chunk");
  decoder.reset();
  EXPECT_TRUE(decoder.feed("5\r\nhello\r\n").has_value());
}

TEST(ChunkDecoder, UpstreamErrorsAreTheUpstreams) {
  ChunkDecoder decoder(ErrorSource::upstream);
  const auto step = decoder.feed("x");
  ASSERT_TRUE(step.has_error());
  EXPECT_EQ(step.error().source, ErrorSource::upstream);
  EXPECT_EQ(step.error().code, ErrorCode::malformed);
}

TEST(ChunkDecoder, Trailers) {
  ChunkDecoder decoder;
  const Decoded out = decode(
      "0\r\nX-Sum:  1 \r\nETag: \"a\"\r\nAuthorization: x\r\nSet-Cookie: a=b\r\nContent-Type: "
      "a/b\r\nConnection: close\r\nX-Sum: 2\r\n\r\n",
      5, decoder);
  ASSERT_TRUE(out.done);
  ASSERT_EQ(decoder.trailers().size(), 3U);
  EXPECT_EQ(decoder.trailers().joined("x-sum"), "1, 2");
  EXPECT_EQ(*decoder.trailers().get(FieldId::etag), "\"a\"");
  EXPECT_TRUE(decoder.done());
  decoder.reset();
  EXPECT_FALSE(decoder.done());
  EXPECT_TRUE(decoder.trailers().empty());
}

TEST(ChunkDecoder, Limits) {
  ChunkLimits limits;
  limits.extension_bytes = 10;
  limits.trailer_bytes = 20;
  limits.trailer_fields = 2;
  EXPECT_TRUE(decode("1;abcdefghi\r\na\r\n0\r\n\r\n", limits).done);
  EXPECT_EQ(decode("1;abcdefghijk\r\na\r\n0\r\n\r\n", limits).status, 400);
  EXPECT_EQ(decode("1;abcde\r\na\r\n1;abcde\r\na\r\n0\r\n\r\n", limits).status, 400);
  EXPECT_TRUE(decode("0\r\nX: 0123456789abc\r\n\r\n", limits).done);
  EXPECT_EQ(decode("0\r\nX: 0123456789abcdef\r\n\r\n", limits).status, 431);
  EXPECT_EQ(decode("0\r\nX: 0123456789abcdefghijk", limits).status, 431);
  EXPECT_TRUE(decode("0\r\nA: 1\r\nB: 2\r\n\r\n", limits).done);
  EXPECT_EQ(decode("0\r\nA:1\r\nB:2\r\nC:3\r\n\r\n", limits).status, 431);
}

TEST(ChunkWriter, RoundTrip) {
  Headers trailers;
  trailers.add("X-Sum", "1");
  std::string text;
  append_chunk(text, "hello");
  append_chunk(text, "");
  append_chunk(text, std::string(300, 'x'));
  append_last_chunk(text, &trailers);
  EXPECT_TRUE(text.starts_with("5\r\nhello\r\n12c\r\nxxx")) << text;
  EXPECT_TRUE(text.ends_with("xxx\r\n0\r\nX-Sum: 1\r\n\r\n"));
  const Decoded out = decode(text);
  EXPECT_TRUE(out.done);
  EXPECT_EQ(out.body, "hello" + std::string(300, 'x'));

  std::array<char, 18> buffer{};
  EXPECT_EQ(format_chunk_head(buffer, 0xFFFFFFFFFFFFFFFFU), "ffffffffffffffff\r\n");
}

}  // namespace
}  // namespace sluice::http::h1
