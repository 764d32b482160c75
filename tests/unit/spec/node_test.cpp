#include "sluice/spec/node.hpp"

#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.hpp"

namespace sluice::spec {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Parsed {
  std::shared_ptr<const Node> node;
  Diagnostics diagnostics;
};

Parsed parse(std::string_view text, const std::string& name = "api.yaml", const NodeLimits& limits = {}) {
  Parsed parsed;
  parsed.node = parse_node(text, 0, name, parsed.diagnostics, limits);
  return parsed;
}

std::string json_of(std::string_view text) {
  const Parsed parsed = parse(text);
  return parsed.node ? dump_json(to_json(*parsed.node)) : test::texts(parsed.diagnostics).front();
}

struct ScalarCase {
  std::string_view text;
  NodeKind kind;
  std::string_view value;
};

class PlainScalar : public ::testing::TestWithParam<ScalarCase> {};

TEST_P(PlainScalar, HasTheKindOfTheCoreSchema) {
  const Parsed parsed = parse("k: " + std::string(GetParam().text) + "\n");
  ASSERT_NE(parsed.node, nullptr);
  const Node* value = parsed.node->find("k");
  ASSERT_NE(value, nullptr);
  EXPECT_EQ(value->kind, GetParam().kind) << GetParam().text;
  EXPECT_EQ(value->text, GetParam().value);
}

INSTANTIATE_TEST_SUITE_P(
    Yaml12, PlainScalar,
    ::testing::Values(
        ScalarCase{"010", NodeKind::integer, "010"}, ScalarCase{"yes", NodeKind::string, "yes"},
        ScalarCase{"no", NodeKind::string, "no"}, ScalarCase{"on", NodeKind::string, "on"},
        ScalarCase{"true", NodeKind::boolean, "true"}, ScalarCase{"False", NodeKind::boolean, "False"},
        ScalarCase{"tRUE", NodeKind::string, "tRUE"}, ScalarCase{"~", NodeKind::null, ""},
        ScalarCase{"null", NodeKind::null, ""}, ScalarCase{"NULL", NodeKind::null, ""},
        ScalarCase{"", NodeKind::null, ""}, ScalarCase{"nULL", NodeKind::string, "nULL"},
        ScalarCase{"1", NodeKind::integer, "1"}, ScalarCase{"-1", NodeKind::integer, "-1"},
        ScalarCase{"+1", NodeKind::integer, "+1"}, ScalarCase{"0x1F", NodeKind::integer, "0x1F"},
        ScalarCase{"0o17", NodeKind::integer, "0o17"}, ScalarCase{"0o18", NodeKind::string, "0o18"},
        ScalarCase{"0b1", NodeKind::string, "0b1"}, ScalarCase{"1_000", NodeKind::string, "1_000"},
        ScalarCase{"1.0", NodeKind::number, "1.0"}, ScalarCase{"1.", NodeKind::number, "1."},
        ScalarCase{".5", NodeKind::number, ".5"}, ScalarCase{"1e3", NodeKind::number, "1e3"},
        ScalarCase{"1.5E-3", NodeKind::number, "1.5E-3"}, ScalarCase{"1e", NodeKind::string, "1e"},
        ScalarCase{".", NodeKind::string, "."}, ScalarCase{"+", NodeKind::string, "+"},
        ScalarCase{".inf", NodeKind::number, ".inf"}, ScalarCase{"-.Inf", NodeKind::number, "-.Inf"},
        ScalarCase{".nan", NodeKind::number, ".nan"}, ScalarCase{"1.2.3", NodeKind::string, "1.2.3"},
        ScalarCase{"12:30:45", NodeKind::string, "12:30:45"},
        ScalarCase{"2027-01-04", NodeKind::string, "2027-01-04"}, ScalarCase{"'1'", NodeKind::string, "1"},
        ScalarCase{"\"true\"", NodeKind::string, "true"}, ScalarCase{"''", NodeKind::string, ""},
        ScalarCase{"!!str 1", NodeKind::string, "1"}, ScalarCase{"!!float 1", NodeKind::number, "1"},
        ScalarCase{"!!int '5'", NodeKind::integer, "5"}, ScalarCase{"$latest", NodeKind::string, "$latest"},
        ScalarCase{"\"\\x41\\u0416\\U0001F600\"", NodeKind::string, "A\xD0\x96\xF0\x9F\x98\x80"}));

TEST(Node, KeepsTheOrderAndThePlacesOfYaml) {
  const Parsed parsed = parse("openapi: 3.0.0\npaths:\n  /a:\n    get: {x: [1, 'é', z]}\n  /b: ~\n");
  ASSERT_NE(parsed.node, nullptr);
  const Node& root = *parsed.node;
  ASSERT_EQ(root.members.size(), 2U);
  EXPECT_EQ(root.members[1].key, "paths");
  EXPECT_EQ(root.members[1].mark.line, 2U);
  const Node& paths = *root.find("paths");
  EXPECT_EQ(paths.mark.line, 3U);
  EXPECT_EQ(paths.mark.column, 3U);
  EXPECT_EQ(paths.members[0].key, "/a");
  const Node& list = *paths.find("/a")->find("get")->find("x");
  EXPECT_EQ(list.mark.line, 4U);
  EXPECT_EQ(list.mark.column, 14U);
  ASSERT_EQ(list.items.size(), 3U);
  EXPECT_EQ(list.items[1]->mark.column, 18U);
  // Columns count bytes: é is two.
  EXPECT_EQ(list.items[2]->mark.column, 24U);
}

TEST(Node, PlacesAnEmptyValueAtItsKey) {
  const Parsed parsed = parse("a: 1\nb:\nc: 2\n");
  ASSERT_NE(parsed.node, nullptr);
  EXPECT_TRUE(parsed.node->find("b")->is_null());
  EXPECT_EQ(parsed.node->find("b")->mark.line, 2U);
}

TEST(Node, ReadsIntegerAndOtherScalarKeysByTheirText) {
  const Parsed parsed = parse("200: a\n4.0: b\ntrue: c\nnull: d\n'x y': e\n");
  ASSERT_NE(parsed.node, nullptr);
  std::vector<std::string> keys;
  for (const Member& member : parsed.node->members) {
    keys.push_back(member.key);
  }
  EXPECT_THAT(keys, ElementsAre("200", "4.0", "true", "null", "x y"));
}

TEST(Node, KeepsThePlacesOfJson) {
  const Parsed parsed =
      parse("{\n \"a\" : {\"b\": [true, null, -1.50e+2,\"x\\\"],\\u0416\" ]},\n\t\"c\":12 }\n", "api.json");
  ASSERT_NE(parsed.node, nullptr) << test::texts(parsed.diagnostics).front();
  const Node& root = *parsed.node;
  EXPECT_EQ(root.mark.column, 1U);
  EXPECT_EQ(root.members[0].mark.line, 2U);
  EXPECT_EQ(root.members[0].mark.column, 2U);
  const Node& list = *root.find("a")->find("b");
  EXPECT_EQ(list.mark.column, 14U);
  ASSERT_EQ(list.items.size(), 4U);
  EXPECT_EQ(list.items[0]->mark.column, 15U);
  EXPECT_EQ(list.items[1]->mark.column, 21U);
  EXPECT_EQ(list.items[2]->text, "-1.50e+2");
  EXPECT_EQ(list.items[2]->mark.column, 27U);
  EXPECT_EQ(list.items[3]->text, "x\"],\xD0\x96");
  EXPECT_EQ(list.items[3]->mark.column, 36U);
  EXPECT_EQ(root.find("c")->mark.line, 3U);
  EXPECT_EQ(root.find("c")->mark.column, 6U);
}

TEST(Node, ReadsSurrogatePairsAndLargeNumbersOfJson) {
  const Parsed parsed = parse(
      R"({"e":"\ud83d\ude00","i":123456789012345678901234567890,"n":-0,"d":1.10,"u":18446744073709551615})",
      "api.json");
  ASSERT_NE(parsed.node, nullptr) << test::texts(parsed.diagnostics).front();
  EXPECT_EQ(parsed.node->find("e")->text, "\xF0\x9F\x98\x80");
  EXPECT_EQ(parsed.node->find("i")->kind, NodeKind::integer);
  EXPECT_EQ(parsed.node->find("i")->text, "123456789012345678901234567890");
  EXPECT_EQ(parsed.node->find("d")->text, "1.10");
  EXPECT_EQ(dump_json(to_json(*parsed.node)),
            R"({"d":1.1,"e":"😀","i":"123456789012345678901234567890","n":0,"u":18446744073709551615})");
}

/// JSONTestSuite through the document parser: it refuses repeated keys and control characters as well.
TEST(Node, ReadsJsonAsTheSuiteSays) {
  const char* given = std::getenv("SLUICE_SHARED_DATA");
  const std::filesystem::path folder =
      (given != nullptr ? std::filesystem::path(given)
                        : std::filesystem::path(SLUICE_SOURCE_DIR) / "../shared/data") /
      "json-parsing";
  if (!std::filesystem::is_directory(folder)) {
    GTEST_SKIP() << "no test data at " << folder << " (set SLUICE_SHARED_DATA)";
  }
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const Parsed parsed = parse(real_file_reader()(entry.path().string()).value(), name);
    if (name.starts_with("y_") && name.find("duplicated_key") == std::string::npos) {
      EXPECT_NE(parsed.node, nullptr) << name;
    } else if (name.starts_with("n_")) {
      EXPECT_EQ(parsed.node, nullptr) << name;
    }
    EXPECT_EQ(parsed.node == nullptr, parsed.diagnostics.has_errors()) << name;
    ++count;
  }
  EXPECT_GT(count, 300U);
}

TEST(Node, TurnsIntoJson) {
  EXPECT_EQ(json_of("a: [010, 0x1f, 0o17, +5, 1.5, yes, ~, True]\nb: {c: '1', 200: x}\n"),
            R"({"a":[10,31,15,5,1.5,"yes",null,true],"b":{"200":"x","c":"1"}})");
  EXPECT_EQ(json_of("a: [.inf, .nan, 1e999, 99999999999999999999]\n"),
            R"({"a":[".inf",".nan","1e999","99999999999999999999"]})");
}

TEST(Node, ReadsYamlThatPeopleWrite) {
  EXPECT_EQ(
      json_of("\xEF\xBB\xBF# comment\n---\na: |\n  one\n  two\nb: >-\n  three\n  four\nc: \"x\\ty\"\n...\n"),
      R"({"a":"one\ntwo\n","b":"three four","c":"x\ty"})");
  EXPECT_EQ(json_of("a: {b: http://x:80/y, c: [p, q], \"d\": \"e\"}\r\nf: g\r\n"),
            R"({"a":{"b":"http://x:80/y","c":["p","q"],"d":"e"},"f":"g"})");
  EXPECT_EQ(json_of("- a\n- b: 1\n  c: 2\n-\n  - d\n"), R"(["a",{"b":1,"c":2},["d"]])");
  EXPECT_EQ(json_of("a: 1\n---\n"), R"({"a":1})");
  EXPECT_EQ(json_of("%YAML 1.2\n---\na: 1\n"), R"({"a":1})");
}

TEST(Node, ReadsYamlInBracesUnlessTheNameSaysJson) {
  EXPECT_EQ(json_of("{openapi: 3.0.0, \"b\": 1}\n"), R"({"b":1,"openapi":"3.0.0"})");
  EXPECT_EQ(json_of("{ # comment\n a: 1}\n"), R"({"a":1})");
  EXPECT_EQ(json_of("{a: 1, 'b': [x, ],}\n"), R"({"a":1,"b":["x"]})");
  const Parsed strict = parse("{a: 1}", "api.json");
  EXPECT_EQ(strict.node, nullptr);
  EXPECT_THAT(test::summary(strict.diagnostics, "api.json"), ElementsAre("1:2: error json-syntax"));
}

TEST(Node, ResolvesAnchorsAndAliases) {
  EXPECT_EQ(json_of("a: &x {p: 1}\nb: *x\nc: &s text\nd: *s\ne: &l [1]\nf: [*l, *x]\n"),
            R"({"a":{"p":1},"b":{"p":1},"c":"text","d":"text","e":[1],"f":[[1],{"p":1}]})");
  EXPECT_EQ(json_of("a: &k name\n*k : value\n"), R"({"a":"name","name":"value"})");
  EXPECT_EQ(json_of("a: &x 1\nb: &x 2\nc: *x\n"), R"({"a":1,"b":2,"c":2})");
  EXPECT_EQ(json_of("&k key: *k\n"), R"({"key":"key"})");
  const Parsed parsed = parse("a: &x {p: 1}\nb: *x\n");
  EXPECT_EQ(parsed.node->find("a"), parsed.node->find("b")) << "shared, not copied";
}

TEST(Node, ResolvesMergeKeys) {
  EXPECT_EQ(json_of("base: &b {x: 1, y: 2}\nuse:\n  y: 3\n  <<: *b\n"),
            R"({"base":{"x":1,"y":2},"use":{"x":1,"y":3}})");
  EXPECT_EQ(json_of("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nuse: {<<: [*a, *b], z: 3}\n"),
            R"({"a":{"x":1,"y":1},"b":{"y":2,"z":2},"use":{"x":1,"y":1,"z":3}})");
  EXPECT_EQ(json_of("a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nuse: {<<: *b}\n"),
            R"({"a":{"x":1},"b":{"x":1,"y":2},"use":{"x":1,"y":2}})");
  EXPECT_EQ(json_of("a: {'<<': 1}\n"), R"({"a":{"<<":1}})") << "quoted: a key like others";
  const Parsed order = parse("base: &b {x: 1, y: 2}\nuse: {first: 0, <<: *b, last: 9}\n");
  ASSERT_NE(order.node, nullptr);
  std::vector<std::string> keys;
  for (const Member& member : order.node->find("use")->members) {
    keys.push_back(member.key);
  }
  EXPECT_THAT(keys, ElementsAre("first", "x", "y", "last"));
}

TEST(Node, ReadsAMergeKeyInJsonAsAnOrdinaryKey) {
  const Parsed parsed = parse(R"({"<<": {"a": 1}})", "api.json");
  ASSERT_NE(parsed.node, nullptr);
  EXPECT_NE(parsed.node->find("<<"), nullptr);
}

struct BadCase {
  std::string_view name;
  std::string_view text;
  std::string_view expected;
};

void PrintTo(const BadCase& value, std::ostream* out) {
  *out << value.name;
}

class BadText : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadText, IsRefusedWithItsPlace) {
  const Parsed parsed = parse(GetParam().text);
  EXPECT_EQ(parsed.node, nullptr);
  ASSERT_FALSE(parsed.diagnostics.items().empty());
  EXPECT_EQ(test::summary(parsed.diagnostics).front(), GetParam().expected)
      << test::texts(parsed.diagnostics).front();
}

INSTANTIATE_TEST_SUITE_P(
    Node, BadText,
    ::testing::Values(
        BadCase{"repeated", "a: 1\nb: 2\na: 3\n", "3:1: error repeated-key"},
        BadCase{"repeated_int_and_string", "r:\n  200: 1\n  '200': 3\n", "3:3: error repeated-key"},
        BadCase{"repeated_in_json", "{\"a\": 1,\n \"b\": {\"c\": 1, \"c\": 2}}", "2:16: error repeated-key"},
        BadCase{"repeated_among_many",
                "a: 1\nb: 1\nc: 1\nd: 1\ne: 1\nf: 1\ng: 1\nh: 1\ni: 1\nj: 1\nk: 1\nl: 1\nm: 1\nn: 1\nm: 2\n",
                "15:1: error repeated-key"},
        BadCase{"mapping_key", "? {a: 1}\n: 2\nb: 3\n", "1:3: error non-scalar-key"},
        BadCase{"list_key", "a:\n  ? [x]\n  : 2\n", "2:5: error non-scalar-key"},
        BadCase{"alias_key", "a: &x {b: 1}\n*x : 2\n", "2:1: error non-scalar-key"},
        BadCase{"template_in_braces", "a: {{ b }}\n", "1:5: error non-scalar-key"},
        BadCase{"self_alias", "a: &x [1, *x]\n", "1:11: error alias-cycle"},
        BadCase{"self_alias_map", "&r a: &x\n  b: {c: *x}\n", "2:10: error alias-cycle"},
        BadCase{"unknown_alias", "a: *x\n", "1:4: error yaml-syntax"},
        BadCase{"merge_scalar", "a: {<<: 1}\n", "1:9: error bad-merge"},
        BadCase{"merge_list_of_scalars", "a: {<<: [1]}\n", "1:9: error bad-merge"},
        BadCase{"tab", "a:\n\tb: 1\n", "2:3: error yaml-syntax"},
        BadCase{"several", "a: 1\n---\nb: 2\n", "2:1: error several-documents"},
        BadCase{"several_scalar", "a: 1\n---\nb\n", "2:1: error several-documents"},
        BadCase{"empty", "", "1:1: error empty-document"},
        BadCase{"blank", " \n\t\n", "1:1: error empty-document"},
        BadCase{"bom_only", "\xEF\xBB\xBF", "1:1: error empty-document"},
        BadCase{"comment_only", "# nothing\n", "1:1: error empty-document"},
        BadCase{"latin1", "a: 1\nb: caf\xE9\n", "2:1: error not-utf8"},
        BadCase{"utf16", "\xFF\xFE\x61\x00", "1:1: error not-utf8"},
        BadCase{"nul", std::string_view("a: x\0y\n", 7), "1:5: error control-character"},
        BadCase{"escape", "a: \x1B[0m\n", "1:4: error control-character"},
        BadCase{"unclosed_quote", "a: \"x\nb: 1\n", "3:1: error yaml-syntax"},
        BadCase{"unclosed_quote_blank", "a: 'x\nb: 1\n \n  ", "4:3: error yaml-syntax"},
        BadCase{"quote_alone", "\"", "1:2: error yaml-syntax"},
        BadCase{"quote_at_the_end", "a: '", "1:5: error yaml-syntax"},
        BadCase{"quote_at_the_end_blank", "a: \"  ", "1:7: error yaml-syntax"},
        BadCase{"no_space", "\"a\":1\n", "1:4: error yaml-syntax"},
        BadCase{"json_two_commas", "[1,,2]", "1:4: error json-syntax"},
        BadCase{"json_bad_literal", "{\"a\": tru}", "1:7: error json-syntax"},
        BadCase{"json_unclosed", "{\"a\": [1", "1:9: error json-syntax"},
        // These made the parser begin empty documents for ever.
        BadCase{"extra_list_end", "{t: 1]}\n", "1:6: error yaml-syntax"},
        BadCase{"extra_map_end", "{t: 1}}}\n", "1:7: error yaml-syntax"},
        BadCase{"extra_comma", "{t: 1},\n", "1:7: error yaml-syntax"},
        BadCase{"extra_bracket_later", "a: 1\n]\n", "2:1: error yaml-syntax"},
        BadCase{"text_after_end", "a: 1\n...\nb: 1\n", "3:1: error yaml-syntax"},
        BadCase{"two_empty_documents", "a: 1\n---\n---\n", "3:1: error several-documents"},
        BadCase{"bad_indent", "a:\n    b: 1\n  c: 2\n", "3:3: error yaml-syntax"},
        BadCase{"two_values", "a: b: c\n", "1:5: error yaml-syntax"},
        BadCase{"flow_unclosed", "a: [1, 2\n", "2:1: error yaml-syntax"},
        BadCase{"lone_surrogate", "a: \"\\ud83d\"\n", "1:11: error yaml-syntax"},
        BadCase{"bad_tag", "a: !!int x\n", "1:4: error bad-tag"},
        BadCase{"bad_map_tag", "a: !!str {b: 1}\n", "1:4: error bad-tag"},
        BadCase{"json_trailing", "{\"a\": 1} x", "1:10: error json-syntax"},
        BadCase{"json_missing_comma", "{\"a\": 1\n \"b\": 2}", "2:2: error json-syntax"},
        BadCase{"json_lone_surrogate", "{\"a\": \"\\ud83d\"}", "1:7: error json-syntax"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Node, NamesBothPlacesOfARepeatedKey) {
  const Parsed parsed = parse("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n");
  EXPECT_THAT(test::texts(parsed.diagnostics),
              ElementsAre("api.yaml:4:3: error: the key \"c\" stands twice in one mapping, first at line 3, "
                          "column 3; remove or rename one of them [repeated-key]",
                          "api.yaml:5:1: error: the key \"a\" stands twice in one mapping, first at line 1, "
                          "column 1; remove or rename one of them [repeated-key]"))
      << "all at once";
}

TEST(Node, HelpsWithCommonMistakes) {
  const auto first = [](std::string_view text) { return test::texts(parse(text).diagnostics).at(0); };
  EXPECT_THAT(first("a:\n\tb: 1\n"), HasSubstr("indent with spaces, not with tabs"));
  EXPECT_THAT(first("a: 1\nb: \"x\nc: 2\n"), HasSubstr("a quote that opens after line 2 is never closed"));
  EXPECT_THAT(first("a: b: c\n"), HasSubstr("put text that holds \": \" in quotes"));
  EXPECT_THAT(first("a: *b\n"), HasSubstr("text that begins with * in quotes"));
  EXPECT_THAT(first("a: [x\n"), HasSubstr("close the bracket"));
  EXPECT_THAT(first("a: \"\\d\"\n"), HasSubstr("use single quotes"));
  EXPECT_EQ(
      first("{\"a\": 1 \"b\": 2}"),
      "api.yaml:1:9: error: this is not JSON: unexpected string literal; expected '}'; look for a missing "
      "quote, comma or bracket before this place [json-syntax]");
  EXPECT_THAT(first("{\"a\": x'y}"), HasSubstr("this is not JSON: invalid literal; look"));
}

TEST(Node, KeepsTheLineBreaksOfABlockAtTheEnd) {
  EXPECT_EQ(json_of("a: \"x\""), R"({"a":"x"})");
  EXPECT_EQ(json_of("a: 'x'  "), R"({"a":"x"})");
  EXPECT_EQ(json_of("a: x's"), R"({"a":"x's"})");
  EXPECT_EQ(json_of("a: |\n  x\n"), R"({"a":"x\n"})");
  EXPECT_EQ(json_of("a: |+\n  x\n\n"), R"({"a":"x\n\n"})");
  EXPECT_EQ(json_of("a: |-\n  x\n\n"), R"({"a":"x"})");
  EXPECT_EQ(json_of("a: |\n  x"), R"({"a":"x"})");
  EXPECT_EQ(json_of("a: |\n  x\n  #\n"), R"({"a":"x\n#\n"})");
}

TEST(Node, LeavesOutTagsThatItDoesNotKnow) {
  const Parsed parsed = parse("a: !Ref bucket\nb: !Sub [x]\n");
  ASSERT_NE(parsed.node, nullptr);
  EXPECT_EQ(parsed.node->find("a")->text, "bucket");
  EXPECT_THAT(test::summary(parsed.diagnostics),
              ElementsAre("1:4: warning unknown-tag", "2:4: warning unknown-tag"));
}

TEST(Node, DescribesItself) {
  const Parsed parsed =
      parse("a: text\nb: 5\nc: [x]\nd: {e: f}\ng: true\nh:\ni: '" + std::string(50, 'x') + "'\n");
  EXPECT_EQ(parsed.node->find("a")->describe(), "the string \"text\"");
  EXPECT_EQ(parsed.node->find("b")->describe(), "the number 5");
  EXPECT_EQ(parsed.node->find("c")->describe(), "a list");
  EXPECT_EQ(parsed.node->find("d")->describe(), "a mapping");
  EXPECT_EQ(parsed.node->find("g")->describe(), "the boolean true");
  EXPECT_EQ(parsed.node->find("h")->describe(), "empty");
  EXPECT_EQ(parsed.node->find("i")->describe(), "the string \"" + std::string(40, 'x') + "…\"");
}

// Bounds.

std::string repeat(std::string_view text, std::size_t count) {
  std::string out;
  out.reserve(text.size() * count);
  for (std::size_t at = 0; at < count; ++at) {
    out += text;
  }
  return out;
}

TEST(NodeLimits, RefusesAliasBombs) {
  std::string yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  std::string merge = "a0: &a0 {a: 1, b: 2}\n";
  for (int level = 1; level < 9; ++level) {
    const std::string before = "*a" + std::to_string(level - 1);
    const std::string name = "a" + std::to_string(level);
    const std::string head = name + ": &" + name;
    yaml.append(head).append(" [").append(repeat(before + ", ", 9)).append(before).append("]\n");
    merge.append(head).append(" {");
    for (int key = 0; key < 10; ++key) {
      merge.append("k").append(std::to_string(key)).append(": ").append(before).append(", ");
    }
    merge.append("<<: ").append(before).append("}\n");
  }
  for (const std::string& text : {yaml, merge}) {
    const Parsed parsed = parse(text);
    EXPECT_EQ(parsed.node, nullptr);
    ASSERT_EQ(parsed.diagnostics.items().size(), 1U);
    EXPECT_EQ(parsed.diagnostics.items()[0].rule, "document-too-complex");
    EXPECT_GT(parsed.diagnostics.items()[0].place.line, 4U);
  }
}

TEST(NodeLimits, CountsMergedListsOfAliases) {
  const Parsed parsed = parse("a: &a {x: 1, y: 2, z: 3}\nb: {<<: [" + repeat("*a, ", 1000) + "*a]}\n",
                              "api.yaml", {1 << 20, 2000, 100});
  EXPECT_EQ(parsed.node, nullptr);
  EXPECT_THAT(test::summary(parsed.diagnostics), ElementsAre("2:2002: error document-too-complex"));
}

TEST(NodeLimits, RefusesMoreNodesThanAllowed) {
  NodeLimits limits;
  limits.max_nodes = 10;
  EXPECT_NE(parse("[1, 2, 3, 4, 5, 6, 7, 8, 9]", "a.yaml", limits).node, nullptr);
  EXPECT_EQ(parse("[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]", "a.yaml", limits).node, nullptr);
  EXPECT_EQ(parse("- 1\n- 2\n- [3, 4, 5, 6, 7, 8, 9, 10]\n", "a.yaml", limits).node, nullptr);
}

TEST(NodeLimits, RefusesAMillionNodesAndMore) {
  std::string text = "[" + repeat("1,", 999'999) + "1]";
  const Parsed parsed = parse(text);
  EXPECT_EQ(parsed.node, nullptr);
  EXPECT_EQ(parsed.diagnostics.items().at(0).rule, "document-too-complex");
}

TEST(NodeLimits, RefusesDepth) {
  for (const std::size_t depth : {std::size_t{101}, std::size_t{10'000}, std::size_t{1'000'000}}) {
    const std::vector<std::string> bombs{
        repeat("[", depth),  repeat("{\"a\":", depth),   repeat("{a: ", depth),     repeat("- ", depth),
        repeat("? ", depth), "a: " + repeat("[", depth), "a: " + repeat("{", depth)};
    for (const std::string& text : bombs) {
      const Parsed parsed = parse(text.substr(0, 3'500'000));
      EXPECT_EQ(parsed.node, nullptr);
      ASSERT_FALSE(parsed.diagnostics.items().empty());
    }
  }
  EXPECT_NE(parse(repeat("[", 100) + repeat("]", 100)).node, nullptr);
  EXPECT_THAT(test::summary(parse(repeat("[", 101) + repeat("]", 101)).diagnostics),
              ElementsAre("1:101: error document-too-deep"));
  EXPECT_THAT(test::summary(parse("a: " + repeat("[", 100) + repeat("]", 100)).diagnostics),
              ElementsAre("1:103: error document-too-deep"));
}

TEST(NodeLimits, CountsTheDepthOfAliases) {
  const std::string half = repeat("[", 60) + repeat("]", 60);
  const Parsed parsed = parse("a: &a " + half + "\nb: " + repeat("[", 45) + "*a" + repeat("]", 45) + "\n");
  EXPECT_EQ(parsed.node, nullptr);
  EXPECT_EQ(parsed.diagnostics.items().at(0).rule, "document-too-deep");
}

TEST(NodeLimits, RefusesTooManyBytes) {
  const NodeLimits limits;
  const std::string fits = "a: " + std::string(limits.max_bytes - 4, 'x') + "\n";
  EXPECT_NE(parse(fits).node, nullptr);
  const Parsed parsed = parse(fits + "\n");
  EXPECT_EQ(parsed.node, nullptr);
  EXPECT_THAT(test::summary(parsed.diagnostics), ElementsAre("1:1: error document-too-large"));
}

}  // namespace
}  // namespace sluice::spec
