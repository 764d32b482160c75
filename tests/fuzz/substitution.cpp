// Template substitution: whatever text and values, a rendered URL keeps its scheme and host and climbs
// nowhere, a header stays one line, JSON keeps its keys.
//
// Input: landing (one byte), then the template, '\n', the query, '\n', the greedy value.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sluice/base/codec.hpp"
#include "sluice/base/json.hpp"
#include "sluice/http/target.hpp"
#include "sluice/parameters/text_template.hpp"

#include "fuzz/parameters.hpp"

namespace {

using namespace sluice;
using parameters::Landing;
using parameters::TextTemplate;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

parameters::Values extract(std::string_view query, std::string_view greedy) {
  http::Request request;
  request.query = query;
  request.has_query = true;
  if (is_field_value(greedy)) {
    request.headers.add("Cookie", greedy);
  }
  parameters::PathCapture capture;
  capture.name = "rest";
  capture.value = greedy;
  capture.greedy = true;
  capture.segments.emplace_back();
  for (const char byte : greedy) {
    if (byte == '/') {
      capture.segments.emplace_back();
    } else {
      capture.segments.back().push_back(byte);
    }
  }
  return parameters::Values::extract(fuzz::parameter_set(), request, {capture});
}

std::string_view authority_of(std::string_view url) {
  url.remove_prefix(url.find("://") + 3);
  return url.substr(0, url.find_first_of("/?#"));
}

bool has_dot_segment(std::string_view path) {
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string segment = percent_decode_lenient(path.substr(0, end), false);
    if (segment == "." || segment == "..") {
      return true;
    }
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return false;
}

void check_url(const TextTemplate& text, std::string_view url, const parameters::Values& values) {
  for (const char byte : url) {
    const auto value = static_cast<unsigned char>(byte);
    require(value > 0x20 && value < 0x7F && byte != '#');
  }
  require(url.starts_with(to_lower(text.source().substr(0, text.source().find("://") + 3))));
  require(http::is_valid_authority(authority_of(url)));
  if (!text.has_parameter_in_host()) {
    const TextTemplate bare =
        TextTemplate::compile(text.source(), Landing::url, parameters::ParameterSet({})).value();
    require(authority_of(url) == authority_of(bare.constant()));
  }
  // Segments of the document's own may be dots; a template without any has none whatever the values.
  const std::string_view path = url.substr(url.find("://") + 3);
  const std::string_view source = text.source();
  if (source.find('.', source.find('/', source.find("://") + 3)) == std::string_view::npos &&
      source.find('%') == std::string_view::npos && path.find('/') != std::string_view::npos) {
    const std::size_t start = path.find('/') + 1;
    require(!has_dot_segment(path.substr(start, path.find('?') - start)));
  }
  require(text.render(values).value() == url);
}

/// Counts the keys of JSON text as they are written, repeated ones too.
class KeyCounter : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(number_integer_t /*value*/) override { return true; }
  bool number_unsigned(number_unsigned_t /*value*/) override { return true; }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return true; }
  bool string(string_t& /*value*/) override { return true; }
  bool binary(binary_t& /*value*/) override { return true; }
  bool start_object(std::size_t /*size*/) override { return true; }
  bool key(string_t& /*value*/) override {
    ++keys;
    return true;
  }
  bool end_object() override { return true; }
  bool start_array(std::size_t /*size*/) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t /*at*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    return false;
  }

  std::size_t keys = 0;
};

std::optional<std::size_t> key_count(const std::string& json) {
  KeyCounter counter;
  if (!Json::sax_parse(json, &counter)) {
    return std::nullopt;  // a number that no double holds
  }
  return counter.keys;
}

void check_json(const TextTemplate& text, const std::string& rendered) {
  const Result<std::string> harmless = text.render(extract("q=0&a=0&o[x]=0", "0"));
  if (!harmless) {
    return;
  }
  const std::optional<std::size_t> expected = key_count(*harmless);
  const std::optional<std::size_t> keys = key_count(rendered);
  require(!expected || !keys || *keys == *expected);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto landing = static_cast<Landing>(static_cast<unsigned char>(input.front()) % 9U);
  input.remove_prefix(1);
  const std::size_t first = std::min(input.find('\n'), input.size());
  const std::string_view source = input.substr(0, first);
  input.remove_prefix(std::min(first + 1, input.size()));
  const std::size_t second = std::min(input.find('\n'), input.size());
  const std::string_view query = input.substr(0, second);
  input.remove_prefix(std::min(second + 1, input.size()));

  const Result<TextTemplate> compiled = TextTemplate::compile(source, landing, fuzz::parameter_set());
  if (!compiled) {
    require(!compiled.error().detail.empty());
    return 0;
  }
  const parameters::Values values = extract(query, input);
  const Result<std::string> rendered = compiled->render(values);
  if (!rendered) {
    require(rendered.error().status == 400 && !rendered.error().message.empty());
    return 0;
  }
  switch (landing) {
    case Landing::url:
      check_url(*compiled, *rendered, values);
      break;
    case Landing::url_path:
      require(rendered->find_first_of(std::string_view("#\r\n \0", 5)) == std::string::npos);
      break;
    case Landing::url_query_value:
      require(rendered->find_first_of("&=#?/ ") == std::string::npos);
      break;
    case Landing::header:
      require(is_field_value(*rendered));
      break;
    case Landing::json_text:
      check_json(*compiled, *rendered);
      break;
    default:
      break;
  }
  return 0;
}
