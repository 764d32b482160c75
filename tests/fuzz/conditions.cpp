// Conditional and range requests as an attacker writes them: whatever stands there, what is selected lies
// inside the representation, and the order of RFC 9110 section 13.2.2 holds.
#include "sluice/http/conditions.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sluice/base/clock.hpp"
#include "sluice/base/codec.hpp"

namespace {

using namespace sluice;
using namespace sluice::http;

constexpr std::int64_t changed = 784'111'777;
constexpr std::int64_t now = 1'700'000'000;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

void check_date(std::string_view text) {
  const auto parsed = parse_http_date(text, now);
  if (!parsed) {
    return;
  }
  // What is written again from it is the same date, within what SystemTime can hold.
  constexpr std::int64_t farthest = 7'000'000'000;
  if (*parsed > -farthest && *parsed < farthest) {
    const std::string again = format_http_date(SystemTime(std::chrono::seconds(*parsed)));
    require(parse_http_date(again, now) == parsed);
  }
}

void check_selection(const Headers& request, std::uint64_t size) {
  using Outcome = Selection::Outcome;
  const Selection chosen = select(request, {"\"abc\"", changed, size}, now);
  switch (chosen.outcome) {
    case Outcome::whole:
      require(chosen.first == 0 && chosen.size == size);
      break;
    case Outcome::part:
      require(chosen.size > 0 && chosen.first < size && chosen.size <= size - chosen.first);
      require(request.count(FieldId::range) == 1);
      break;
    case Outcome::unsatisfiable:
      require(request.count(FieldId::range) == 1);
      break;
    case Outcome::not_modified:
      require(request.contains(FieldId::if_none_match) || request.contains(FieldId::if_modified_since));
      break;
    case Outcome::precondition_failed:
      require(request.contains(FieldId::if_match) || request.contains(FieldId::if_unmodified_since));
      break;
  }
}

}  // namespace

/// Lines: the first byte of each names its field.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::array fields{
      FieldId::range,         FieldId::if_range,          FieldId::if_match,
      FieldId::if_none_match, FieldId::if_modified_since, FieldId::if_unmodified_since};
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Headers request;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) {
      continue;
    }
    const std::string_view value = line.substr(1);
    check_date(value);
    request.add(fields.at(static_cast<std::uint8_t>(line.front()) % fields.size()), value);
  }
  for (const std::uint64_t length :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{10}, std::uint64_t{1} << 40U}) {
    check_selection(request, length);
  }
  return 0;
}
