#include "sluice/parameters/values.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/parameters/builders.hpp"

namespace sluice::parameters {
namespace {

using spec::Parameter;
using spec::ParameterIn;
using spec::ParameterShape;
using spec::ParameterStyle;
using test::capture;
using test::extract;
using test::greedy;
using test::Input;
using test::parameter;
using test::styled;
using test::with_default;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr auto array = ParameterShape::array;
constexpr auto object = ParameterShape::object;
constexpr auto primitive = ParameterShape::primitive;

struct StyleCase {
  std::string_view name;
  Parameter parameter;
  Input input;
  std::optional<std::vector<std::string>> items;  ///< nullopt: absent
};

void PrintTo(const StyleCase& value, std::ostream* out) {
  *out << value.name;
}

class Style : public testing::TestWithParam<StyleCase> {};

TEST_P(Style, GivesItems) {
  const StyleCase& row = GetParam();
  const ParameterSet set({row.parameter});
  const Values values = extract(set, row.input);
  EXPECT_EQ(values[0].present, row.items.has_value());
  EXPECT_EQ(values[0].items, row.items.value_or(std::vector<std::string>{}));
}

Input path(std::string value) {
  return {{}, {}, {capture("p", std::move(value))}};
}
Input query(std::string text) {
  return {std::move(text), {}, {}};
}
Input header(std::string name, std::string value) {
  return {{}, {{std::move(name), std::move(value)}}, {}};
}

std::vector<StyleCase> path_cases() {
  constexpr auto in = ParameterIn::path;
  const auto simple = ParameterStyle::simple;
  const auto label = ParameterStyle::label;
  const auto matrix = ParameterStyle::matrix;
  return {
      {"simple", styled("p", in, primitive, simple, false), path("blue,black"), {{"blue,black"}}},
      {"simple_array", styled("p", in, array, simple, false), path("3,4,5"), {{"3", "4", "5"}}},
      {"simple_array_explode", styled("p", in, array, simple, true), path("3,4"), {{"3", "4"}}},
      {"simple_object",
       styled("p", in, object, simple, false),
       path("R,100,G,200"),
       {{"R", "100", "G", "200"}}},
      {"simple_object_odd", styled("p", in, object, simple, false), path("R,100,G"), std::nullopt},
      {"simple_object_explode",
       styled("p", in, object, simple, true),
       path("R=100,G=a=b"),
       {{"R", "100", "G", "a=b"}}},
      {"simple_object_explode_bad", styled("p", in, object, simple, true), path("R,100"), std::nullopt},
      {"label", styled("p", in, primitive, label, false), path(".blue"), {{"blue"}}},
      {"label_without_dot", styled("p", in, primitive, label, false), path("blue"), std::nullopt},
      {"label_array", styled("p", in, array, label, false), path(".3,4"), {{"3", "4"}}},
      {"label_array_explode", styled("p", in, array, label, true), path(".3.4"), {{"3", "4"}}},
      {"label_object", styled("p", in, object, label, false), path(".R,1,G,2"), {{"R", "1", "G", "2"}}},
      {"label_object_explode",
       styled("p", in, object, label, true),
       path(".R=1.G=2"),
       {{"R", "1", "G", "2"}}},
      {"matrix", styled("p", in, primitive, matrix, false), path(";p=blue"), {{"blue"}}},
      {"matrix_empty", styled("p", in, primitive, matrix, false), path(";p"), {{""}}},
      {"matrix_other_name", styled("p", in, primitive, matrix, false), path(";q=blue"), std::nullopt},
      {"matrix_without_semicolon", styled("p", in, primitive, matrix, false), path("p=blue"), std::nullopt},
      {"matrix_twice", styled("p", in, primitive, matrix, false), path(";p=1;p=2"), std::nullopt},
      {"matrix_array", styled("p", in, array, matrix, false), path(";p=3,4"), {{"3", "4"}}},
      {"matrix_array_explode", styled("p", in, array, matrix, true), path(";p=3;p=4"), {{"3", "4"}}},
      {"matrix_object", styled("p", in, object, matrix, false), path(";p=R,1,G,2"), {{"R", "1", "G", "2"}}},
      {"matrix_object_explode",
       styled("p", in, object, matrix, true),
       path(";R=1;G=2"),
       {{"R", "1", "G", "2"}}},
  };
}

std::vector<StyleCase> query_cases() {
  constexpr auto in = ParameterIn::query;
  const auto form = ParameterStyle::form;
  const auto space = ParameterStyle::space_delimited;
  const auto pipe = ParameterStyle::pipe_delimited;
  const auto deep = ParameterStyle::deep_object;
  return {
      {"absent", styled("p", in, primitive, form, true), query("q=1"), std::nullopt},
      {"form", styled("p", in, primitive, form, true), query("a=1&p=x%20y+z&b=2"), {{"x y z"}}},
      {"form_empty", styled("p", in, primitive, form, true), query("p="), {{""}}},
      {"form_no_equals", styled("p", in, primitive, form, true), query("p"), {{""}}},
      {"form_equals_in_value", styled("p", in, primitive, form, true), query("p=a=b"), {{"a=b"}}},
      {"form_encoded_name", styled("p[]", in, primitive, form, true), query("p%5B%5D=1"), {{"1"}}},
      {"form_bad_percent", styled("p", in, primitive, form, true), query("p=100%"), {{"100%"}}},
      {"form_last", styled("p", in, primitive, form, true), query("p=1&p=2&p=3"), {{"3"}}},
      {"form_array", styled("p", in, array, form, false), query("p=a,b%2Cc,d"), {{"a", "b,c", "d"}}},
      {"form_array_empty", styled("p", in, array, form, false), query("p="), {std::vector<std::string>{}}},
      {"form_array_twice", styled("p", in, array, form, false), query("p=a,b&p=c"), {{"a", "b", "c"}}},
      {"form_array_explode", styled("p", in, array, form, true), query("p=a,b&p=c"), {{"a,b", "c"}}},
      {"form_object", styled("p", in, object, form, false), query("p=R,1,G,2%2C3"), {{"R", "1", "G", "2,3"}}},
      {"form_object_odd", styled("p", in, object, form, false), query("p=R,1,G"), std::nullopt},
      {"form_object_explode", styled("p", in, object, form, true), query("R=1&G=2"), {{"R", "1", "G", "2"}}},
      {"space", styled("p", in, array, space, false), query("p=a%20b+c"), {{"a", "b", "c"}}},
      {"space_explode", styled("p", in, array, space, true), query("p=a%20b&p=c"), {{"a b", "c"}}},
      {"pipe", styled("p", in, array, pipe, false), query("p=a|b%7cc%7Cd"), {{"a", "b", "c", "d"}}},
      {"pipe_object", styled("p", in, object, pipe, false), query("p=R|1|G|2"), {{"R", "1", "G", "2"}}},
      {"deep",
       styled("p", in, object, deep, true),
       query("p[R]=1&p%5BG%5D=2+3&q[R]=9"),
       {{"R", "1", "G", "2 3"}}},
      {"deep_nested", styled("p", in, object, deep, true), query("p[a][b]=1&p=2&p[]=3"), std::nullopt},
  };
}

std::vector<StyleCase> other_cases() {
  const auto simple = ParameterStyle::simple;
  const auto form = ParameterStyle::form;
  return {
      {"header",
       styled("X-P", ParameterIn::header, primitive, simple, false),
       header("x-p", "a, b%20c"),
       {{"a, b%20c"}}},
      {"header_array",
       styled("X-P", ParameterIn::header, array, simple, false),
       header("X-P", "a, b ,c"),
       {{"a", "b", "c"}}},
      {"header_array_two_lines",
       styled("X-P", ParameterIn::header, array, simple, false),
       {{}, {{"X-P", "a"}, {"x-p", "b, c"}}, {}},
       {{"a", "b", "c"}}},
      {"header_object",
       styled("X-P", ParameterIn::header, object, simple, false),
       header("X-P", "R,1,G,2"),
       {{"R", "1", "G", "2"}}},
      {"header_object_explode",
       styled("X-P", ParameterIn::header, object, simple, true),
       header("X-P", "R=1, G=2"),
       {{"R", "1", "G", "2"}}},
      {"header_last",
       styled("X-P", ParameterIn::header, primitive, simple, false),
       {{}, {{"X-P", "a"}, {"X-P", "b"}}, {}},
       {{"b"}}},
      {"cookie",
       styled("sid", ParameterIn::cookie, primitive, form, true),
       header("Cookie", "a=1; sid=x%20y+z; b"),
       {{"x y+z"}}},
      {"cookie_second_line",
       styled("sid", ParameterIn::cookie, primitive, form, true),
       {{}, {{"Cookie", "a=1"}, {"cookie", "sid=2"}}, {}},
       {{"2"}}},
      {"cookie_array",
       styled("ids", ParameterIn::cookie, array, form, false),
       header("Cookie", "ids=1,2%2C3"),
       {{"1", "2,3"}}},
      {"cookie_name_has_case", styled("sid", ParameterIn::cookie, primitive, form, true),
       header("Cookie", "SID=1"), std::nullopt},
  };
}

std::string case_name(const testing::TestParamInfo<StyleCase>& info) {
  return std::string(info.param.name);
}

INSTANTIATE_TEST_SUITE_P(Path, Style, testing::ValuesIn(path_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Query, Style, testing::ValuesIn(query_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Other, Style, testing::ValuesIn(other_cases()), case_name);

TEST(Values, DefaultsStandInForWhatIsAbsentOrUnreadable) {
  const ParameterSet set(
      {with_default(parameter("limit", ParameterIn::query), {"010"}),
       with_default(parameter("tags", ParameterIn::query, array), {"a", "b"}),
       with_default(styled("box", ParameterIn::query, object, ParameterStyle::form, false), {"w", "1"})});
  const Values absent = extract(set, {});
  EXPECT_TRUE(absent[0].present);
  EXPECT_TRUE(absent[0].from_default);
  EXPECT_EQ(absent[0].text(), "010");
  EXPECT_EQ(absent[1].text(), "a,b");
  const Values given = extract(set, query("limit=&tags=c&box=odd"));
  EXPECT_EQ(given[0].text(), "");
  EXPECT_FALSE(given[0].from_default);
  EXPECT_EQ(given[1].text(), "c");
  EXPECT_EQ(given[2].text(), "w,1");
}

TEST(Values, OneNameInSeveralPlacesIsTheFirstThatHasAValue) {
  const ParameterSet set({parameter("id", ParameterIn::cookie), parameter("id", ParameterIn::header),
                          parameter("id", ParameterIn::query), parameter("id", ParameterIn::path)});
  const std::vector<std::size_t> order = set.find("id");
  EXPECT_THAT(order, ElementsAre(3, 2, 1, 0));
  Input input{"id=q", {{"Id", "h"}, {"Cookie", "id=c"}}, {capture("id", "p")}};
  EXPECT_EQ(extract(set, input).first(order).text(), "p");
  input.captures.clear();
  EXPECT_EQ(extract(set, input).first(order).text(), "q");
  input.query.clear();
  EXPECT_EQ(extract(set, input).first(order).text(), "h");
  input.headers.erase(input.headers.begin());
  EXPECT_EQ(extract(set, input).first(order).text(), "c");
  input.headers.clear();
  EXPECT_FALSE(extract(set, input).first(order).present);
}

TEST(Values, RepeatedPrimitiveKeepsTheEarlierOnes) {
  const ParameterSet set({parameter("p", ParameterIn::query)});
  const Values values = extract(set, query("p=1&p=2&p=3"));
  EXPECT_THAT(values[0].earlier, ElementsAre("1", "2"));
  EXPECT_EQ(values[0].text(), "3");
}

TEST(Values, ExplodedObjectTakesItsPropertiesOnly) {
  spec::Node schema;
  schema.kind = spec::NodeKind::mapping;
  auto properties = std::make_shared<spec::Node>();
  properties->kind = spec::NodeKind::mapping;
  properties->members.push_back({"R", {}, std::make_shared<spec::Node>()});
  schema.members.push_back({"properties", {}, properties});
  Parameter color = parameter("color", ParameterIn::query, object);
  color.schema = &schema;
  const ParameterSet set({color, parameter("page", ParameterIn::query)});
  EXPECT_THAT(extract(set, query("R=1&G=2&page=3"))[0].items, ElementsAre("R", "1"));
  EXPECT_FALSE(extract(set, query("G=2"))[0].present);

  const ParameterSet free(
      {parameter("color", ParameterIn::query, object), parameter("page", ParameterIn::query)});
  EXPECT_THAT(extract(free, query("R=1&G=2&page=3"))[0].items, ElementsAre("R", "1", "G", "2"));
}

TEST(Values, GreedyCaptureKeepsItsSegments) {
  const ParameterSet set({parameter("rest", ParameterIn::path)});
  const Values values = extract(set, {{}, {}, {greedy("rest", {"a", "b/c", ""})}});
  EXPECT_EQ(values[0].text(), "a/b/c/");
  ASSERT_NE(values.capture("rest"), nullptr);
  EXPECT_THAT(values.capture("rest")->segments, ElementsAre("a", "b/c", ""));
  EXPECT_EQ(values.capture("other"), nullptr);
}

TEST(Values, NothingExtractedIsAbsentEverywhere) {
  const Values values;
  EXPECT_EQ(values.size(), 0U);
  EXPECT_FALSE(values.first({0, 1, 7}).present);
  EXPECT_THAT(values.first({}).items, IsEmpty());
}

}  // namespace
}  // namespace sluice::parameters
