/// Reads the data of tests/conformance/http1 (its README has the format).
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "sluice/base/json.hpp"

namespace sluice::http::test {

inline std::filesystem::path conformance_folder() {
  return std::filesystem::path(SLUICE_SOURCE_DIR) / "tests" / "conformance";
}

inline Json load_cases(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  Result<Json> json = parse_json(text.str());
  EXPECT_TRUE(json.has_value()) << path;
  return json.has_value() ? *json : Json::array();
}

/// Characters U+0000 to U+00FF are bytes.
inline std::string bytes_of(const std::string& utf8) {
  std::string out;
  for (std::size_t at = 0; at < utf8.size(); ++at) {
    const auto lead = static_cast<unsigned char>(utf8[at]);
    if (lead < 0x80) {
      out.push_back(utf8[at]);
    } else {
      const auto next = static_cast<unsigned char>(utf8[++at]);
      out.push_back(static_cast<char>((lead & 0x03U) << 6U | (next & 0x3FU)));
    }
  }
  return out;
}

/// A string, or a list of strings and {"repeat", "times"}.
inline std::string expand(const Json& parts) {
  if (parts.is_string()) {
    return bytes_of(parts.get<std::string>());
  }
  std::string out;
  for (const Json& part : parts) {
    if (part.is_string()) {
      out += bytes_of(part.get<std::string>());
      continue;
    }
    const std::string text = bytes_of(part.at("repeat").get<std::string>());
    for (int count = part.at("times").get<int>(); count > 0; --count) {
      out += text;
    }
  }
  return out;
}

}  // namespace sluice::http::test
