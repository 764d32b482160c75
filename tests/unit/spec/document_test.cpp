#include "sluice/spec/document.hpp"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.hpp"

namespace sluice::spec {
namespace {

using test::Files;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Loaded {
  std::shared_ptr<const Document> document;
  Diagnostics diagnostics;
};

Loaded load(Files files, VariableValues variables = {}, const std::string& main = "api.yaml") {
  Loaded loaded;
  loaded.document =
      Document::load(test::memory_options(std::move(files), main, std::move(variables)), loaded.diagnostics);
  return loaded;
}

Loaded load_text(std::string text, VariableValues variables = {}) {
  return load({{"api.yaml", std::move(text)}}, std::move(variables));
}

std::string text_at(const Loaded& loaded, std::initializer_list<std::string_view> path) {
  if (loaded.document == nullptr) {
    return "(no document)";
  }
  const Node* node = &loaded.document->root();
  for (const std::string_view key : path) {
    node = loaded.document->get(*node, key);
    if (node == nullptr) {
      return "(nothing)";
    }
  }
  return node->is_scalar() ? node->text : dump_json(to_json(*node));
}

TEST(Refs, LeadInsideTheDocument) {
  const Loaded loaded = load_text(R"(
a: {$ref: '#/b'}
b: {value1: x}
slash: {$ref: '#/paths/~1a~1%7Bid%7D'}
tilde: {$ref: '#/t~0n'}
list: {$ref: '#/items/1'}
chain: {$ref: '#/a'}
through: {$ref: '#/a/value1'}
whole: {$ref: '#'}
paths: {'/a/{id}': found}
t~n: tilde found
items: [zero, one]
)");
  ASSERT_NE(loaded.document, nullptr);
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  EXPECT_EQ(text_at(loaded, {"a", "value1"}), "x");
  EXPECT_EQ(text_at(loaded, {"slash"}), "found");
  EXPECT_EQ(text_at(loaded, {"tilde"}), "tilde found");
  EXPECT_EQ(text_at(loaded, {"list"}), "one");
  EXPECT_EQ(text_at(loaded, {"chain", "value1"}), "x");
  EXPECT_EQ(text_at(loaded, {"through"}), "x");
  EXPECT_EQ(text_at(loaded, {"whole", "b", "value1"}), "x");
  const Node& root = loaded.document->root();
  EXPECT_EQ(loaded.document->resolve(*root.find("chain")), root.find("b"));
  EXPECT_EQ(loaded.document->resolve(*root.find("b")), root.find("b"));
}

TEST(Refs, LeadToFilesRelativeToWhereTheyStand) {
  const Loaded loaded = load({{"dir/api.yaml",
                               "a: {$ref: './parts/one.yaml#/x'}\n"
                               "b: {$ref: parts/one.yaml}\n"
                               "c: {$ref: 'parts%2Fone.yaml#/own'}\n"},
                              {"dir/parts/one.yaml",
                               "x: {$ref: 'two.yaml#/y'}\n"
                               "back: {$ref: '../api.yaml#/a'}\n"
                               "own: {$ref: '#/z'}\n"
                               "z: inner\n"},
                              {"dir/parts/two.yaml", "y: {v: deep}\n"}},
                             {}, "dir/api.yaml");
  ASSERT_NE(loaded.document, nullptr);
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  EXPECT_EQ(text_at(loaded, {"a", "v"}), "deep");
  EXPECT_EQ(text_at(loaded, {"b", "back", "v"}), "deep");
  EXPECT_EQ(text_at(loaded, {"c"}), "inner");
  EXPECT_THAT(loaded.document->files(),
              ElementsAre("dir/api.yaml", "dir/parts/one.yaml", "dir/parts/two.yaml"));
  const Node* deep = loaded.document->get(loaded.document->root(), "a");
  EXPECT_EQ(loaded.document->place(deep->mark).file, "dir/parts/two.yaml");
}

TEST(Refs, AreDataInExamplesDefaultsAndForeignExtensions) {
  const Loaded loaded = load_text(R"(
components:
  schemas:
    A:
      example: {$ref: '#/nowhere'}
      default: {$ref: '#/nowhere'}
      enum: [{$ref: '#/nowhere'}]
      properties:
        example: {$ref: '#/components/schemas/A'}
        default: {$ref: '#/components/schemas/A'}
        $ref: {type: string}
  examples:
    one: {value: {$ref: '#/nowhere'}}
x-amazon: {$ref: '#/nowhere'}
)");
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  const Node* example = loaded.document->get(
      *loaded.document->get(*loaded.document->get(loaded.document->root(), "components"), "schemas"), "A");
  EXPECT_EQ(loaded.document->resolve(*example->find("example")), example->find("example"));
}

TEST(Refs, OfForeignExtensionsHoldOnceSomebodyRefersToThem) {
  const Loaded loaded = load_text("a: {$ref: '#/x-parts/p'}\nx-parts:\n  p:\n    q: {$ref: '#/nowhere'}\n");
  EXPECT_THAT(test::summary(loaded.diagnostics), ElementsAre("4:15: error broken-ref"));
}

TEST(Refs, MayBeRecursiveInSchemas) {
  const Loaded loaded = load_text(R"(
components:
  schemas:
    Tree:
      properties:
        left: {$ref: '#/components/schemas/Tree'}
        list: {items: {$ref: '#/components/schemas/Tree'}}
)");
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  EXPECT_EQ(text_at(loaded, {"components", "schemas", "Tree", "properties", "left", "properties", "left",
                             "properties", "list", "items", "properties", "left", "x"}),
            "(nothing)");
}

TEST(Refs, ReportACycleOnce) {
  const Loaded loaded =
      load_text("a: {$ref: '#/b'}\nb: {$ref: '#/c'}\nc: {$ref: '#/a'}\nd: {$ref: '#/a'}\ne: {$ref: '#/e'}\n");
  EXPECT_THAT(test::summary(loaded.diagnostics),
              ElementsAre("1:11: error ref-cycle", "5:11: error ref-cycle"));
  EXPECT_EQ(loaded.document->resolve(*loaded.document->root().find("a")), nullptr);
  EXPECT_EQ(loaded.document->resolve(*loaded.document->root().find("d")), nullptr);
  EXPECT_EQ(loaded.document->get(loaded.document->root(), "c"), nullptr);
}

TEST(Refs, ReportCyclesThroughPointersAndFiles) {
  EXPECT_THAT(test::summary(load_text("a: {$ref: '#/a/b'}\n").diagnostics),
              ElementsAre("1:11: error ref-cycle"));
  EXPECT_THAT(
      test::summary(load({{"api.yaml", "a: {$ref: 'b.yaml#/b'}\n"}, {"b.yaml", "b: {$ref: 'api.yaml#/a'}\n"}})
                        .diagnostics),
      ElementsAre("1:11: error ref-cycle"));
}

struct BadRef {
  std::string_view name;
  std::string_view reference;
  std::string_view rule;
  std::string_view says;
};

void PrintTo(const BadRef& value, std::ostream* out) {
  *out << value.name;
}

class BrokenRef : public ::testing::TestWithParam<BadRef> {};

TEST_P(BrokenRef, IsReportedWhereItStands) {
  const Loaded loaded =
      load({{"d/api.yaml", "components:\n  schemas: {Pet: {type: string}, '/x': {a: 1}}\nuse:\n  $ref: '" +
                               std::string(GetParam().reference) + "'\n"},
            {"d/other.yaml", "a: 1\n"},
            {"d/broken.yaml", "a: [\n"},
            {"outside.yaml", "a: 1\n"}},
           {}, "d/api.yaml");
  ASSERT_FALSE(loaded.diagnostics.items().empty());
  const Diagnostic& first = loaded.diagnostics.items().front();
  EXPECT_EQ(first.rule, GetParam().rule);
  EXPECT_THAT(to_text(first), HasSubstr(GetParam().says));
  EXPECT_EQ(first.severity, Severity::error);
  if (GetParam().rule != "yaml-syntax") {
    EXPECT_EQ(first.place.line, 4U);
    EXPECT_EQ(first.place.column, 9U);
  }
  EXPECT_EQ(loaded.document->get(loaded.document->root(), "use"), nullptr);
}

INSTANTIATE_TEST_SUITE_P(
    Refs, BrokenRef,
    ::testing::Values(
        BadRef{"near", "#/components/schemas/Pets", "broken-ref", "did you mean `Pet`?"},
        BadRef{"near_level", "#/component/schemas/Pet", "broken-ref", "did you mean `components`?"},
        BadRef{"below_scalar", "#/components/schemas/Pet/type/x", "broken-ref", "there is no \"x\""},
        BadRef{"no_slash", "#components", "broken-ref", "begin what follows # with /"},
        BadRef{"bad_percent", "#/a%2", "broken-ref", "%25"}, BadRef{"bad_tilde", "#/a~2", "broken-ref", "~0"},
        BadRef{"tilde_at_end", "#/a~", "broken-ref", "~0"}, BadRef{"empty", "", "broken-ref", "empty"},
        BadRef{"no_file", "missing.yaml#/a", "broken-ref", "cannot be read: No such file"},
        BadRef{"no_key_in_file", "other.yaml#/b", "broken-ref", "did you mean `a`?"},
        BadRef{"bad_file", "broken.yaml", "yaml-syntax", "d/broken.yaml:"},
        BadRef{"http", "https://example.com/a.yaml#/x", "remote-ref", "nothing is fetched"},
        BadRef{"file_scheme", "file:///etc/passwd", "remote-ref", "save the file beside"},
        BadRef{"network", "//example.com/a.yaml", "remote-ref", "save the file beside"},
        BadRef{"above", "../outside.yaml#/a", "outside-ref", "leaves the folder"},
        BadRef{"above_encoded", "%2e%2e/outside.yaml#/a", "outside-ref", "leaves the folder"},
        BadRef{"above_later", "x/../../outside.yaml", "outside-ref", "leaves the folder"},
        BadRef{"absolute", "/etc/passwd", "outside-ref", "leaves the folder"},
        BadRef{"nul", "a%00b", "broken-ref", "%"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Refs, BoundTheirChains) {
  std::string text = "a0: {v: 1}\n";
  for (int at = 1; at <= 5000; ++at) {
    text += "a" + std::to_string(at) + ": {$ref: '#/a" + std::to_string(at - 1) + "'}\n";
  }
  // In this order each link is short.
  EXPECT_THAT(load_text(text).diagnostics.items(), IsEmpty());
  std::string backwards = "b: {v: 1}\n";
  for (int at = 5000; at >= 1; --at) {
    backwards += "a" + std::to_string(at) + ": {$ref: '#/a" + std::to_string(at - 1) + "'}\n";
  }
  backwards += "a0: {$ref: '#/b'}\n";
  const Loaded loaded = load_text(backwards);
  ASSERT_FALSE(loaded.diagnostics.items().empty());
  EXPECT_EQ(loaded.diagnostics.items()[0].rule, "ref-chain");
}

TEST(Refs, BoundTheNumberOfFiles) {
  Files files;
  std::string text;
  for (int at = 0; at < 250; ++at) {
    const std::string name = "f" + std::to_string(at) + ".yaml";
    files[name] = "x: 1\n";
    text += "r" + std::to_string(at) + ": {$ref: '" + name + "'}\n";
  }
  files["api.yaml"] = text;
  const Loaded loaded = load(std::move(files));
  EXPECT_EQ(loaded.diagnostics.error_count(), 51U);
  EXPECT_EQ(loaded.diagnostics.items()[0].rule, "too-many-files");
}

TEST(Refs, BoundTheSizeOfAllFilesTogether) {
  const std::string half = "a: " + std::string(2'000'000, 'x') + "\n";
  const Loaded loaded = load(
      {{"api.yaml", "r: {$ref: one.yaml}\ns: {$ref: two.yaml}\n"}, {"one.yaml", half}, {"two.yaml", half}});
  ASSERT_EQ(loaded.diagnostics.items().size(), 1U);
  EXPECT_EQ(to_text(loaded.diagnostics.items()[0]).substr(0, 15), "two.yaml:1:1: e");
  EXPECT_EQ(loaded.diagnostics.items()[0].rule, "document-too-large");
}

TEST(Documents, ThatCannotBeReadSaySo) {
  Diagnostics diagnostics;
  EXPECT_EQ(Document::load(test::memory_options({}, "none.yaml"), diagnostics), nullptr);
  EXPECT_THAT(
      test::texts(diagnostics),
      ElementsAre("none.yaml:1:1: error: the file cannot be read: No such file or directory [cannot-read]"));
}

TEST(Documents, AreReadFromTheDisk) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("sluice-spec-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder / "sub");
  std::ofstream(folder / "api.yaml") << "a: {$ref: 'sub/b.yaml#/x'}\nd: {$ref: sub}\n";
  std::ofstream(folder / "sub" / "b.yaml") << "x: {y: 1}\n";
  LoadOptions options;
  options.file = (folder / "api.yaml").string();
  Diagnostics diagnostics;
  const auto document = Document::load(options, diagnostics);
  ASSERT_NE(document, nullptr);
  ASSERT_EQ(diagnostics.items().size(), 1U);
  EXPECT_THAT(to_text(diagnostics.items()[0]), HasSubstr("it is a directory"));
  EXPECT_EQ(document->get(*document->get(document->root(), "a"), "y")->text, "1");
  EXPECT_EQ(document->files()[1], (folder / "sub/b.yaml").string());
  options.file = (folder / "none.yaml").string();
  Diagnostics missing;
  EXPECT_EQ(Document::load(options, missing), nullptr);
  EXPECT_EQ(missing.items().at(0).rule, "cannot-read");
  std::filesystem::remove_all(folder);
}

// Variables.

const std::string declarations = R"(x-yc-apigateway:
  variables:
    env: {default: prod, enum: [prod, testing], description: "say ${var.env}"}
    port: {default: 8080}
    ratio: {default: 0.50}
    on: {default: True}
    dotted.name: {default: d}
    ref: {default: '#/target'}
    empty: {default: ''}
target: {v: found}
)";

TEST(Variables, AreReplacedInEveryStringValue) {
  const Loaded loaded = load_text(declarations + R"(
text: "It is ${var.env}, ${var.port} ${var.ratio} ${var.on}${var.empty}."
list: ["a-${var.dotted.name}"]
${var.env}: key
ref: {$ref: "${var.ref}"}
)");
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  EXPECT_EQ(text_at(loaded, {"text"}), "It is prod, 8080 0.50 true.");
  EXPECT_EQ(text_at(loaded, {"list"}), R"(["a-d"])");
  EXPECT_EQ(text_at(loaded, {"${var.env}"}), "key");
  EXPECT_EQ(text_at(loaded, {"ref", "v"}), "found");
  EXPECT_EQ(text_at(loaded, {"x-yc-apigateway", "variables", "env", "description"}), "say ${var.env}");
  EXPECT_EQ(loaded.document->variables().at("port"), "8080");
  EXPECT_EQ(loaded.document->variables().at("on"), "true");
}

TEST(Variables, GiveTheirTypeToAStringThatIsOneReference) {
  const Loaded loaded = load_text(declarations + R"(
int: ${var.port}
quoted: '${var.port}'
float: ${var.ratio}
bool: ${var.on}
string: ${var.env}
mixed: '${var.port} '
)");
  const Node& root = loaded.document->root();
  EXPECT_EQ(root.find("int")->kind, NodeKind::integer);
  EXPECT_EQ(root.find("quoted")->kind, NodeKind::integer);
  EXPECT_EQ(root.find("float")->kind, NodeKind::number);
  EXPECT_EQ(root.find("float")->text, "0.50");
  EXPECT_EQ(root.find("bool")->kind, NodeKind::boolean);
  EXPECT_EQ(root.find("string")->kind, NodeKind::string);
  EXPECT_EQ(root.find("mixed")->kind, NodeKind::string);
}

TEST(Variables, TakeValuesFromOutside) {
  const Loaded loaded =
      load_text(declarations + "e: ${var.env}\np: ${var.port}\nr: ${var.ratio}\ns: ${var.dotted.name}\n",
                {{"env", "testing"}, {"port", "9"}, {"ratio", "2"}, {"dotted.name", "17"}});
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  EXPECT_EQ(text_at(loaded, {"e"}), "testing");
  EXPECT_EQ(text_at(loaded, {"p"}), "9");
  EXPECT_EQ(loaded.document->root().find("p")->kind, NodeKind::integer);
  EXPECT_EQ(loaded.document->root().find("s")->kind, NodeKind::string) << "the declared type holds";
  EXPECT_EQ(loaded.document->variables().at("env"), "testing");
}

TEST(Variables, RefuseValuesThatDoNotFit) {
  EXPECT_THAT(test::summary(load_text(declarations, {{"env", "dev"}}).diagnostics),
              ElementsAre("3:5: error variable-enum"));
  EXPECT_THAT(test::summary(load_text(declarations, {{"port", "many"}}).diagnostics),
              ElementsAre("4:5: error variable-type"));
  EXPECT_THAT(test::summary(load_text(declarations, {{"on", "1"}}).diagnostics),
              ElementsAre("6:5: error variable-type"));
  const Loaded unknown = load_text(declarations, {{"envv", "prod"}});
  EXPECT_THAT(
      test::texts(unknown.diagnostics),
      ElementsAre("api.yaml:3:5: error: a value is given for the variable envv, which the document does "
                  "not declare; did you mean env? [unknown-variable]"));
}

TEST(Variables, ThatNobodyDeclaredNameBothPossibilities) {
  const Loaded loaded = load_text(declarations + "a: x ${var.envi} ${var.db_password}\n");
  ASSERT_EQ(loaded.diagnostics.items().size(), 2U);
  const std::string first = to_text(loaded.diagnostics.items()[0]);
  EXPECT_THAT(first, HasSubstr("api.yaml:11:4: error: ${var.envi} is not declared"));
  EXPECT_THAT(first, HasSubstr("gateway variable that nobody declared"));
  EXPECT_THAT(first, HasSubstr("Terraform variable that was never rendered"));
  EXPECT_THAT(first, HasSubstr("did you mean env?"));
  EXPECT_EQ(text_at(loaded, {"a"}), "x ${var.envi} ${var.db_password}");
  EXPECT_THAT(test::summary(load_text("a: ${var.x}\n").diagnostics),
              ElementsAre("1:4: error undeclared-variable"));
}

TEST(Variables, LeaveEscapesAndOpenBracesAlone) {
  const Loaded loaded =
      load_text(declarations + "a: $${var.env}\nb: '${var.env'\nc: '${var.env}${var.env'\n");
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  EXPECT_EQ(text_at(loaded, {"a"}), "$${var.env}");
  EXPECT_EQ(text_at(loaded, {"b"}), "${var.env");
  EXPECT_EQ(text_at(loaded, {"c"}), "prod${var.env");
}

TEST(Variables, HoldInFilesBesideToo) {
  const Loaded loaded = load({{"api.yaml", declarations + "a: {$ref: '${var.env}.yaml#/x'}\n"},
                              {"prod.yaml", "x: {y: 'in ${var.env}'}\n"}});
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  EXPECT_EQ(text_at(loaded, {"a", "y"}), "in prod");
}

TEST(Variables, AreReplacedOnceThroughAliases) {
  const Loaded loaded = load_text(declarations + "a: &a '${var.env}'\nb: *a\nc: [*a]\n");
  EXPECT_EQ(text_at(loaded, {"b"}), "prod");
  EXPECT_EQ(text_at(loaded, {"c"}), R"(["prod"])");
}

TEST(Variables, UnderRefusedKeysDoNoHarm) {
  const Loaded loaded =
      load_text(declarations + "a: 1\na: '${var.env}'\nb: {<<: ['${var.env}']}\n? [x]\n: '${var.no}'\n");
  EXPECT_THAT(test::summary(loaded.diagnostics),
              ElementsAre("12:1: error repeated-key", "13:9: error bad-merge", "14:3: error non-scalar-key",
                          "15:3: error undeclared-variable"));
}

TEST(Variables, CannotBlowTheDocumentUp) {
  std::string text = "x-yc-apigateway:\n  variables: {v: {default: ''}}\nlist:\n";
  for (int at = 0; at < 1000; ++at) {
    text += "- '${var.v}'\n";
  }
  const Loaded loaded = load_text(text, {{"v", std::string(100'000, 'x')}});
  ASSERT_FALSE(loaded.diagnostics.items().empty());
  EXPECT_EQ(loaded.diagnostics.items()[0].rule, "document-too-large");
}

TEST(Variables, WithMistakesInTheirDeclarations) {
  const Loaded loaded = load_text(R"(x-yc-apigateway:
  variables:
    none:
    scalar: 5
    nodefault: {description: x}
    list: {default: [1]}
    outside: {default: 5, enum: [1, 2]}
    enumtype: {default: 5, enum: 5}
    typo: {default: 1, enmu: [1]}
a: ${var.none} ${var.nodefault}
)");
  EXPECT_THAT(test::summary(loaded.diagnostics),
              ElementsAre("3:5: error wrong-type", "4:13: error wrong-type", "5:5: error missing-option",
                          "6:21: error wrong-type", "7:24: error variable-enum", "8:34: error wrong-type",
                          "9:24: warning unknown-key"));
  EXPECT_THAT(test::summary(load_text("x-yc-apigateway: {variables: [a]}\n").diagnostics),
              ElementsAre("1:30: error wrong-type"));
}

TEST(Documents, OfTheLargestSizeLoadInWellUnderASecond) {
  std::string text = "openapi: 3.0.0\ninfo: {title: t, version: '1'}\ncomponents:\n  schemas:\n";
  std::size_t count = 0;
  while (text.size() < 3'400'000) {
    const std::string name = "Schema" + std::to_string(count);
    text +=
        "    " + name +
        ":\n      type: object\n      required: [id, name]\n      properties:\n        id: {type: integer}\n"
        "        name: {type: string, description: 'the name of it'}\n        next: {$ref: "
        "'#/components/schemas/Schema" +
        std::to_string(count / 2) + "'}\n";
    ++count;
  }
  text += "paths: {}\n";
  const auto begin = std::chrono::steady_clock::now();
  const Loaded loaded = load_text(text);
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  // Generous: sanitizers and busy machines.
  EXPECT_LT(std::chrono::duration<double>(took).count(), 10.0);
  RecordProperty("milliseconds",
                 static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
}

}  // namespace
}  // namespace sluice::spec
