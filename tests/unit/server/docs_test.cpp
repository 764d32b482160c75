/// docs/configuration.md tells what the code does: every limit with its default and range, every key.
#include <fstream>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "sluice/base/json.hpp"
#include "sluice/server/config.hpp"
#include "sluice/server/limits.hpp"

namespace sluice::server {
namespace {

std::string reference() {
  std::ifstream file(SLUICE_SOURCE_DIR "/docs/configuration.md");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string text_of(const LimitDescription& limit, std::uint64_t value) {
  switch (limit.unit) {
    case LimitDescription::Unit::duration:
      return value == 0 ? "0s" : format_duration(Duration(static_cast<Duration::rep>(value)));
    case LimitDescription::Unit::size:
      return format_size(value);
    case LimitDescription::Unit::count:
      break;
  }
  return std::to_string(value);
}

std::string expected_table() {
  std::string out = "| limit | default | from … to | what it bounds |\n|---|---|---|---|\n";
  for (const LimitDescription& limit : limit_table()) {
    const std::string standard = default_text(limit);
    const bool plain = limit.when_absent.empty();
    out += "| `" + std::string(limit.name) + "` | " + (plain ? '`' + standard + '`' : standard) + " | " +
           text_of(limit, limit.min) + " … " + text_of(limit, limit.max) + " | " +
           std::string(limit.meaning) + (limit.built ? "" : " *not built*") + " |\n";
  }
  return out;
}

TEST(ConfigurationReference, HasTheTableOfLimitsAsTheCodeKnowsThem) {
  const std::string text = reference();
  const std::size_t begin = text.find("<!-- limits:");
  const std::size_t end = text.find("<!-- end of limits -->");
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  const std::size_t first = text.find('\n', begin) + 1;
  EXPECT_EQ(text.substr(first, end - first), expected_table());
}

/// Every property that the JSON Schema knows, at any depth, stands somewhere as `name` or inside code.
void collect(const Json& schema, const Json& node, std::set<std::string>& names) {
  if (const auto reference = node.find("$ref"); reference != node.end()) {
    const std::string name = reference->get<std::string>().substr(std::string_view("#/definitions/").size());
    collect(schema, schema["definitions"][name], names);
  }
  if (const auto properties = node.find("properties"); properties != node.end()) {
    for (const auto& [name, value] : properties->items()) {
      names.insert(name);
      collect(schema, value, names);
    }
  }
  for (const char* inner : {"items", "additionalProperties"}) {
    if (const auto found = node.find(inner); found != node.end() && found->is_object()) {
      collect(schema, *found, names);
    }
  }
}

bool is_word(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || letter == '_';
}

bool has_word(const std::string& text, const std::string& word) {
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const bool starts = at == 0 || !is_word(text[at - 1]);
    const bool ends = at + word.size() == text.size() || !is_word(text[at + word.size()]);
    if (starts && ends) {
      return true;
    }
  }
  return false;
}

TEST(ConfigurationReference, HasEveryKey) {
  const std::string text = reference();
  const Json schema = config_schema();
  for (const auto& [name, value] : schema["properties"].items()) {
    EXPECT_NE(text.find("| `" + name + "` |"), std::string::npos) << name << " has no row among all keys";
  }
  std::set<std::string> names;
  collect(schema, schema, names);
  EXPECT_GT(names.size(), 80U);
  for (const std::string& name : names) {
    EXPECT_TRUE(has_word(text, name)) << name;
  }
}

TEST(Limits, DefaultsAreInsideTheirRange) {
  std::set<std::string_view> names;
  for (const LimitDescription& limit : limit_table()) {
    EXPECT_TRUE(names.insert(limit.name).second) << limit.name;
    EXPECT_LE(limit.min, limit.max) << limit.name;
    EXPECT_FALSE(limit.meaning.empty());
    Limits defaults;
    const LimitDescription::Target target = limit.at(defaults);
    if (const auto* const* number = std::get_if<std::uint64_t*>(&target)) {
      EXPECT_GE(**number, limit.min) << limit.name;
      EXPECT_LE(**number, limit.max) << limit.name;
    } else if (const auto* const* duration = std::get_if<Duration*>(&target)) {
      EXPECT_GE(static_cast<std::uint64_t>((*duration)->count()), limit.min) << limit.name;
      EXPECT_LE(static_cast<std::uint64_t>((*duration)->count()), limit.max) << limit.name;
    }
  }
}

/// The figures that users of the contract rely on.
TEST(Limits, Defaults) {
  std::map<std::string_view, std::string> defaults;
  for (const LimitDescription& limit : limit_table()) {
    defaults[limit.name] = default_text(limit);
  }
  EXPECT_EQ(defaults["header_bytes"], "16KiB");
  EXPECT_EQ(defaults["header_fields"], "100");
  EXPECT_EQ(defaults["line_bytes"], "8KiB");
  EXPECT_EQ(defaults["header_timeout"], "10s");
  EXPECT_EQ(defaults["keep_alive_timeout"], "75s");
  EXPECT_EQ(defaults["tls_handshake_timeout"], "10s");
  EXPECT_EQ(defaults["body_rate"], "500B");
  EXPECT_EQ(defaults["drain_bytes"], "64KiB");
  EXPECT_EQ(defaults["connect_timeout"], "5s");
  EXPECT_EQ(defaults["connect_retry"], "1s");
  EXPECT_EQ(defaults["upstream_kept_body"], "64KiB");
  EXPECT_EQ(defaults["drain_timeout"], "30s");
  EXPECT_EQ(defaults["function_queue"], "1000");
  EXPECT_EQ(defaults["authorizer_timeout"], "10s");
  EXPECT_EQ(defaults["jwks_timeout"], "1500ms");
  EXPECT_EQ(defaults["jwks_bytes"], "150KiB");
  EXPECT_EQ(defaults["websocket_message"], "128KiB");
  EXPECT_EQ(defaults["websocket_frame"], "32KiB");
  EXPECT_EQ(defaults["websocket_lifetime"], "1h");
  EXPECT_EQ(defaults["websocket_idle"], "10m");
  EXPECT_EQ(defaults["document_bytes"], "3.5MiB");
  EXPECT_EQ(defaults["event_body"], "3.5MiB");
}

}  // namespace
}  // namespace sluice::server
