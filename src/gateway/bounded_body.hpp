/// Bodies under a limit that holds while they flow: on size (requests, and answers where the profile caps
/// them) and on time (answers in profile cloud). spec.md section 7.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "sluice/http/body.hpp"
#include "sluice/http/handler.hpp"
#include "sluice/net/timer_wheel.hpp"

namespace sluice::gateway {

/// A request's body; the source behind it belongs to the connection. Beyond `limit` bytes reading fails with
/// too_large (413, slug "request_body_too_large").
std::unique_ptr<http::BodySource> bound_request_body(http::BodySource& source, std::uint64_t limit);

/// An answer's body. Beyond `limit` bytes reading fails, which breaks the answer off; at `deadline` the
/// request is cancelled, which does the same. `context` outlives the body.
std::unique_ptr<http::BodySource> bound_response_body(std::unique_ptr<http::BodySource> source,
                                                      std::optional<std::uint64_t> limit,
                                                      std::optional<SteadyTime> deadline,
                                                      http::RequestContext& context);

/// The error of a request's body that is larger than the gateway takes.
Error request_too_large();
/// The error of an answer that is larger than the gateway passes on.
Error response_too_large();

}  // namespace sluice::gateway
