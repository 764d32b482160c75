#include "sluice/spec/object_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.hpp"

namespace sluice::spec {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A document whose key `o` is read with a reader.
class Reader : public ::testing::Test {
 protected:
  void open(const std::string& text) {
    document_ = Document::load(test::memory_options({{"api.yaml", text}}), diagnostics_);
    ASSERT_NE(document_, nullptr) << ::testing::PrintToString(test::texts(diagnostics_));
  }
  std::unique_ptr<ObjectReader> reader(Severity unknown = Severity::warning) {
    return std::make_unique<ObjectReader>(*document_, *document_->root().find("o"), "the thing", diagnostics_,
                                          unknown);
  }
  std::vector<std::string> summary() { return test::summary(diagnostics_); }

  std::shared_ptr<const Document> document_;
  Diagnostics diagnostics_;
};

TEST_F(Reader, ReadsWhatIsThere) {
  open(R"(o:
  text: hello
  number: 12
  float: 2.5
  flag: false
  version: 0.1
  choice: b
  map: {$ref: '#/target'}
  snake_case: x
  empty:
target: {a: 1}
)");
  {
    const auto object = reader();
    EXPECT_EQ(object->string("text"), "hello");
    EXPECT_EQ(object->scalar_text("number"), "12");
    EXPECT_EQ(object->integer("number", 1, 100), 12);
    EXPECT_EQ(object->number("float", 0, 10), 2.5);
    EXPECT_EQ(object->number("number", 0, 100), 12.0);
    EXPECT_EQ(object->boolean("flag"), false);
    EXPECT_EQ(object->one_of("version", {"0.1", "1.0"}), "0.1");
    EXPECT_EQ(object->one_of("choice", {"a", "b"}), "b");
    EXPECT_NE(object->node("map")->find("a"), nullptr);
    EXPECT_EQ(object->string({"camelCase", "snake_case"}), "x");
    EXPECT_EQ(object->string("empty"), std::nullopt);
    EXPECT_FALSE(object->has("empty"));
    EXPECT_TRUE(object->node("empty")->is_null());
    EXPECT_TRUE(object->has("text"));
    EXPECT_EQ(object->string("absent"), std::nullopt);
    EXPECT_EQ(object->node("absent"), nullptr);
    EXPECT_EQ(object->node({"absent", "text"})->text, "hello");
    EXPECT_EQ(object->required_string("text"), "hello");
    EXPECT_EQ(object->required_node("number").text, "12");
    EXPECT_EQ(object->place(*object->node("text")).line, 2U);
  }
  EXPECT_THAT(test::texts(diagnostics_), IsEmpty());
}

TEST_F(Reader, ReadsIntegersInEveryBase) {
  open("o: {a: 010, b: 0x1F, c: 0o17, d: +5, e: -5, f: 9223372036854775808}\n");
  {
    const auto object = reader();
    EXPECT_EQ(object->integer("a", -100, 100), 10);
    EXPECT_EQ(object->integer("b", -100, 100), 31);
    EXPECT_EQ(object->integer("c", -100, 100), 15);
    EXPECT_EQ(object->integer("d", -100, 100), 5);
    EXPECT_EQ(object->integer("e", -100, 100), -5);
    EXPECT_EQ(object->integer("f", INT64_MIN, INT64_MAX), std::nullopt);
  }
  EXPECT_THAT(summary(), ElementsAre("1:48: error out-of-range"));
}

TEST_F(Reader, ReportsWrongKindsAndRanges) {
  open("o:\n  a: [1]\n  b: 1\n  c: x\n  d: yes\n  e: 200\n  f: .inf\n  g: colour\n  h: {a: 1}\n");
  {
    const auto object = reader();
    object->scalar_text("a");
    object->string("b");
    object->integer("c", 0, 1);
    object->boolean("d");
    object->integer("e", 0, 100);
    object->number("f", 0, 100.5);
    object->one_of("g", {"color", "size"});
    object->string("h");
  }
  EXPECT_THAT(
      test::texts(diagnostics_),
      ElementsAre(
          "api.yaml:2:6: error: `a` of the thing must be a string or a number, it is a list [wrong-type]",
          "api.yaml:3:6: error: `b` of the thing must be a string, it is the number 1 [wrong-type]",
          "api.yaml:4:6: error: `c` of the thing must be an integer, it is the string \"x\" [wrong-type]",
          "api.yaml:5:6: error: `d` of the thing must be true or false, it is the string \"yes\" "
          "[wrong-type]",
          "api.yaml:6:6: error: `e` of the thing is 200, it must be from 0 to 100 [out-of-range]",
          "api.yaml:7:6: error: `f` of the thing is .inf, it must be from 0 to 100.5 [out-of-range]",
          "api.yaml:8:6: error: `g` of the thing must be one of color, size, it is the string \"colour\"; "
          "did you "
          "mean `color`? [unknown-value]",
          "api.yaml:9:6: error: `h` of the thing must be a string, it is a mapping [wrong-type]"));
}

TEST_F(Reader, ReportsWhatIsMissing) {
  open("o:\n  there:\n  blank: ''\n  kind: [x]\n");
  {
    const auto object = reader();
    EXPECT_EQ(object->required_string("absent", "write it"), "");
    EXPECT_EQ(object->required_string("there"), "");
    EXPECT_EQ(object->required_string("blank"), "");
    EXPECT_EQ(object->required_string("kind"), "");
    EXPECT_TRUE(object->required_node("gone").is_null());
  }
  EXPECT_THAT(
      test::texts(diagnostics_),
      ElementsAre("api.yaml:2:3: error: the thing needs `absent`; write it [missing-option]",
                  "api.yaml:2:3: error: the thing needs `there`; add it [missing-option]",
                  "api.yaml:3:10: warning: `blank` of the thing is empty; write its value [empty-option]",
                  "api.yaml:4:9: error: `kind` of the thing must be a string, it is a list [wrong-type]",
                  "api.yaml:2:3: error: the thing needs `gone`; add it [missing-option]"));
}

TEST_F(Reader, TakesEmptyForAMistakeWhereUnknownKeysAre) {
  open("o: {blank: ''}\n");
  reader(Severity::error)->required_string("blank");
  EXPECT_THAT(summary(), ElementsAre("1:12: error empty-option"));
}

TEST_F(Reader, ReportsUnknownKeysAtItsEnd) {
  open("o:\n  nme: 1\n  zzz: 2\n  x-free: 3\n  x-yc-other: 4\n  x-sluice-other: 5\n  accepted: 6\n");
  {
    const auto object = reader();
    object->string("name");
    object->accept("accepted");
  }
  EXPECT_THAT(
      test::texts(diagnostics_),
      ElementsAre("api.yaml:2:3: warning: the key `nme` means nothing in the thing; did you mean `name`? "
                  "[unknown-key]",
                  "api.yaml:3:3: warning: the key `zzz` means nothing in the thing; remove it [unknown-key]",
                  "api.yaml:5:3: warning: the key `x-yc-other` means nothing in the thing; remove it "
                  "[unknown-key]",
                  "api.yaml:6:3: warning: the key `x-sluice-other` means nothing in the thing; remove it "
                  "[unknown-key]"));
}

TEST_F(Reader, SaysWhatBracesAndShortNamesMean) {
  open("o: {id: {api_id}, table: movie, b: {c: 1}}\n");
  {
    const auto object = reader();
    EXPECT_EQ(object->string("id"), std::nullopt);
    EXPECT_EQ(object->string("b"), std::nullopt);
    EXPECT_EQ(object->string("table_name"), std::nullopt);
  }
  EXPECT_THAT(test::texts(diagnostics_),
              ::testing::UnorderedElementsAre(
                  "api.yaml:1:9: error: `id` of the thing must be a string, it is a mapping; put text in "
                  "braces in quotes: '{api_id}' [wrong-type]",
                  "api.yaml:1:19: warning: the key `table` means nothing in the thing; did you mean "
                  "`table_name`? [unknown-key]",
                  "api.yaml:1:36: error: `b` of the thing must be a string, it is a mapping [wrong-type]"));
}

TEST_F(Reader, ReportsANodeThatIsNoMappingOnce) {
  open("o: text\n");
  {
    const auto object = reader(Severity::error);
    EXPECT_EQ(object->string("a"), std::nullopt);
    EXPECT_EQ(object->required_string("b"), "");
    EXPECT_TRUE(object->required_node("c").is_null());
    EXPECT_EQ(object->integer("d", 0, 1), std::nullopt);
    EXPECT_FALSE(object->has("e"));
  }
  EXPECT_THAT(summary(), ElementsAre("1:4: error wrong-type"));
}

TEST_F(Reader, FollowsReferencesAndSaysNothingOfBrokenOnes) {
  open("o: {$ref: '#/there'}\nthere: {a: {$ref: '#/gone'}, b: {$ref: '#/text'}}\ntext: hello\n");
  EXPECT_THAT(summary(), ElementsAre("2:19: error broken-ref"));
  {
    const auto object = reader();
    EXPECT_EQ(object->node("a"), nullptr);
    EXPECT_EQ(object->required_string("a"), "");
    EXPECT_TRUE(object->required_node("a").is_null());
    EXPECT_EQ(object->string("b"), "hello");
  }
  EXPECT_EQ(diagnostics_.items().size(), 1U);
}

TEST_F(Reader, TellsOfTwoSpellingsWithDifferentValues) {
  open(R"(o:
  second: two
  first: one
  third: one
)");
  EXPECT_EQ(reader()->string({"first", "second", "third"}), "one");
  EXPECT_THAT(summary(), ElementsAre("2:3: warning repeated-option"));
  EXPECT_EQ(diagnostics_.items().front().message,
            "`second` is another spelling of `first` (line 3), which has another value and is used");
}

TEST_F(Reader, TakesTheSpellingThatHasAValue) {
  open(R"(o:
  first:
  second: {a: 1}
  flag:
  Flag: true
)");
  {
    const auto object = reader();
    ASSERT_NE(object->node({"first", "second"}), nullptr);
    EXPECT_TRUE(object->node({"first", "second"})->is_mapping());
    EXPECT_EQ(object->boolean({"flag", "Flag"}), true);
  }
  EXPECT_THAT(summary(), IsEmpty());
}

TEST_F(Reader, TwoSpellingsAreAnErrorWhereUnknownKeysAre) {
  open(R"(o:
  first: {a: 1}
  second: {a: 1}
)");
  EXPECT_NE(reader(Severity::error)->node({"first", "second"}), nullptr);
  EXPECT_THAT(summary(), ElementsAre("3:3: error repeated-option"));
}

}  // namespace
}  // namespace sluice::spec
