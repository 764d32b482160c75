#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sluice/spec/api.hpp"

namespace sluice::spec {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// "L(a) P(id) G(rest) M(a|{b}|c)" for people to compare.
std::string show(const PathTemplate& path) {
  std::string out;
  for (const TemplateSegment& segment : path.segments) {
    constexpr std::string_view kinds = "LMPG";
    out += (out.empty() ? "" : " ") + std::string(1, kinds[static_cast<std::size_t>(segment.kind)]) + "(";
    for (std::size_t at = 0; at < segment.pieces.size(); ++at) {
      const auto& piece = segment.pieces[at];
      const bool braces = piece.parameter && segment.kind == TemplateSegment::Kind::partial;
      out += (at == 0 ? "" : "|") + (braces ? "{" + piece.text + "}" : piece.text);
    }
    out += ")";
  }
  return out;
}

TEST(PathTemplate, ReadsItsSegments) {
  const std::vector<std::pair<std::string_view, std::string_view>> cases{
      {"/", "L()"},
      {"/a", "L(a)"},
      {"/a/", "L(a) L()"},
      {"/a//b", "L(a) L() L(b)"},
      {"/{id}", "P(id)"},
      {"/a/{id}/b", "L(a) P(id) L(b)"},
      {"/{rest+}", "G(rest)"},
      {"/p/{rest+}/edit", "L(p) G(rest) L(edit)"},
      {"/files/{name}.json", "L(files) M({name}|.json)"},
      {"/v{major}.{minor}-x", "M(v|{major}|.|{minor}|-x)"},
      {"/a%20b/%D0%B6", "L(a b) L(\xD0\xB6)"},
      {"/a%2Fb", "L(a/b)"},
      {"/{a-b.c_d}", "P(a-b.c_d)"},
      {"/.well-known/*", "L(.well-known) L(*)"},
  };
  for (const auto& [text, expected] : cases) {
    const Result<PathTemplate> path = parse_path_template(text);
    ASSERT_TRUE(path.has_value()) << text << ": " << path.error().detail;
    EXPECT_EQ(show(*path), expected) << text;
    EXPECT_EQ(path->text, text);
  }
}

TEST(PathTemplate, RefusesWhatNoRequestCouldMatch) {
  const std::vector<std::pair<std::string_view, std::string_view>> cases{
      {"", "begins with /"},
      {"a", "begins with /"},
      {"{a}", "begins with /"},
      {"/{a", "without its }"},
      {"/a}", "without its {"},
      {"/{a{b}}", "without its }"},
      {"/{a/b}", "without its }"},
      {"/{}", "without a name"},
      {"/{+}", "without a name"},
      {"/{a++}", "before its closing brace"},
      {"/{a+b}", "before its closing brace"},
      {"/{a}/{a}", "a stands twice"},
      {"/{a}-{a}", "a stands twice"},
      {"/{a}{b}", "nothing between them"},
      {"/{a+}/{b+}", "two greedy"},
      {"/x{a+}", "a whole segment"},
      {"/{a+}.json", "a whole segment"},
      {"/a?b=1", "no query"},
      {"/a#b", "no fragment"},
      {"/a%2", "two hex digits"},
      {"/a%zz", "two hex digits"},
      {"/a%00", "%00"},
      {"/a/../b", ".. segment"},
      {"/./a", ".. segment"},
      {"/%2e%2e", ".. segment"},
  };
  for (const auto& [text, says] : cases) {
    const Result<PathTemplate> path = parse_path_template(text);
    ASSERT_FALSE(path.has_value()) << text;
    EXPECT_THAT(path.error().detail, HasSubstr(says)) << text;
    EXPECT_EQ(path.error().code, ErrorCode::invalid);
    EXPECT_EQ(path.error().source, ErrorSource::config);
  }
}

TEST(PathTemplate, KnowsItsParameters) {
  const PathTemplate path = parse_path_template("/a/{b}/{c}.{d}/{e+}").value();
  EXPECT_THAT(path.parameter_names(), ElementsAre("b", "c", "d", "e"));
  EXPECT_TRUE(path.has_parameters());
  EXPECT_TRUE(path.is_greedy());
  EXPECT_FALSE(parse_path_template("/a/b").value().has_parameters());
  EXPECT_FALSE(parse_path_template("/a/{b}").value().is_greedy());
}

}  // namespace
}  // namespace sluice::spec
