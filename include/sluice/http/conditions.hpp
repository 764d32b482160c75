/// Conditional and range requests on a representation whose validators are known: RFC 9110 sections 13 and
/// 14. Pure. Where that leaves a choice, the choice is what S3 does: one range a request, also for HEAD; a
/// Range that is malformed, or asks for several ranges, is no Range.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "sluice/http/headers.hpp"

namespace sluice::http {

/// Seconds since 1970 of an HTTP-date in any of its three forms (RFC 9110 section 5.6.7); `now` decides the
/// century of the form with two digits. nullopt where it is none.
std::optional<std::int64_t> parse_http_date(std::string_view text, std::int64_t now) noexcept;

/// What a request is held against.
struct Validators {
  std::string_view etag;           ///< strong, with its quotes
  std::int64_t last_modified = 0;  ///< seconds since 1970
  std::uint64_t size = 0;          ///< of the whole representation
};

struct Selection {
  enum class Outcome : std::uint8_t {
    whole,                ///< 200
    part,                 ///< 206: `size` bytes from `first` on
    not_modified,         ///< 304
    precondition_failed,  ///< 412
    unsatisfiable         ///< 416
  };
  Outcome outcome = Outcome::whole;
  std::uint64_t first = 0;
  std::uint64_t size = 0;
};

/// Whether If-None-Match names this tag (with its quotes; weak comparison, RFC 9110 section 13.1.2) or any:
/// GET and HEAD are then 304. For what has an ETag and neither a date nor ranges.
bool names_current(const Headers& request, std::string_view etag) noexcept;

/// Evaluates the If-* fields in the order of RFC 9110 section 13.2.2 and, where they let the request pass,
/// Range with If-Range. For GET and HEAD. `now`: seconds since 1970.
Selection select(const Headers& request, const Validators& validators, std::int64_t now) noexcept;

}  // namespace sluice::http
