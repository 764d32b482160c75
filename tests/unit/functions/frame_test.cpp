#include "functions/runtime/frame.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::functions::runtime {
namespace {

using State = FrameReader::State;

std::string frame(FrameType type, std::uint32_t id, std::string_view head, std::string_view body) {
  std::string out;
  append_frame_header(out, type, id, head.size(), body.size());
  return out.append(head).append(body);
}

TEST(Frame, HasTheDocumentedForm) {
  EXPECT_EQ(frame(FrameType::invoke, 0x01020304, "{}", "\"event\""),
            std::string("\x01\x01\x00\x00\x01\x02\x03\x04\x00\x00\x00\x02\x00\x00\x00\x07{}\"event\"", 25));
}

TEST(Frame, IsReadInPiecesOfAnySize) {
  const std::string wire = frame(FrameType::answer, 7, "head", "body") + frame(FrameType::error, 8, "", "");
  for (std::size_t piece = 1; piece <= wire.size(); ++piece) {
    FrameReader reader(100);
    std::vector<std::string> seen;
    for (std::size_t at = 0; at < wire.size(); at += piece) {
      std::string_view bytes = std::string_view(wire).substr(at, piece);
      while (!bytes.empty()) {
        const State state = reader.feed(bytes);
        ASSERT_NE(state, State::malformed);
        if (state == State::complete) {
          seen.push_back(std::to_string(static_cast<int>(reader.type())) + ":" + std::to_string(reader.id()) +
                         ":" + reader.head() + ":" + reader.body());
          reader.reset();
        }
      }
    }
    EXPECT_THAT(seen, testing::ElementsAre("3:7:head:body", "4:8::")) << piece;
  }
}

TEST(Frame, ABodyBeyondItsLimitIsReadOver) {
  FrameReader reader(4);
  const std::string wire = frame(FrameType::answer, 1, "", "12345") + frame(FrameType::answer, 2, "", "1234");
  std::string_view bytes = wire;
  ASSERT_EQ(reader.feed(bytes), State::complete);
  EXPECT_TRUE(reader.too_large());
  EXPECT_EQ(reader.body(), "");
  reader.reset();
  ASSERT_EQ(reader.feed(bytes), State::complete);
  EXPECT_FALSE(reader.too_large());
  EXPECT_EQ(reader.body(), "1234");
  EXPECT_TRUE(bytes.empty());
}

TEST(Frame, WhatIsNoneIsRefused) {
  const std::string good = frame(FrameType::answer, 1, "", "x");
  const auto refused = [&](std::size_t at, char byte) {
    std::string wire = good;
    wire[at] = byte;
    std::string_view bytes = wire;
    FrameReader reader(100);
    return reader.feed(bytes) == State::malformed;
  };
  EXPECT_FALSE(refused(4, 9));
  for (const auto& [at, byte] :
       {std::pair<std::size_t, char>{0, 0}, {0, 2}, {1, 0}, {1, 7}, {2, 1}, {3, 1}}) {
    EXPECT_TRUE(refused(at, byte)) << at << ' ' << static_cast<int>(byte);
  }
  std::string wire;
  append_frame_header(wire, FrameType::ready, 0, frame_head_most + 1, 0);
  std::string_view bytes = wire;
  EXPECT_EQ(FrameReader(100).feed(bytes), State::malformed);
  wire.clear();
  append_frame_header(wire, FrameType::ready, 0, frame_head_most, 0xFFFFFFFFU);
  bytes = wire;
  FrameReader reader(100);
  EXPECT_EQ(reader.feed(bytes), State::more);
  EXPECT_TRUE(reader.begun());
}

}  // namespace
}  // namespace sluice::functions::runtime
