// A function's answer: whatever the bytes, it is a response that can be sent, or an error that quotes little.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sluice/base/codec.hpp"
#include "sluice/functions/event.hpp"

namespace {

using namespace sluice;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

void check_response(const http::Response& response) {
  require(response.status >= 200 && response.status <= 599);
  for (const http::Headers::Field& field : response.headers) {
    require(is_token(field.name) && is_field_value(field.value));
    require(field.id != http::FieldId::content_length && field.id != http::FieldId::transfer_encoding &&
            field.id != http::FieldId::connection && field.id != http::FieldId::cookie);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const Result<http::Response> answer = functions::parse_answer(input);
  if (answer) {
    check_response(*answer);
  } else {
    const Error& error = answer.error();
    require(error.status == 502 && !error.message.empty() && error.message.size() < 256);
    require(error.detail.size() < 1024 + 512 && is_valid_utf8(error.detail));
  }
  http::Headers headers;
  if (size % 2 == 1) {
    headers.add("X-Function-Error", "true");
  }
  for (const int status : {200, 502, 429, 500}) {
    functions::InvocationLog log;
    check_response(functions::map_invocation(status, headers, input, "id", log));
    require(log.detail.size() < 1024 + 512);
  }
  return 0;
}
