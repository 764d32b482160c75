/// Errors as values. A function that can fail returns Result<T>; exceptions stop at the adapter of the
/// library that throws them. docs/architecture.md, "Errors".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>

namespace sluice {

/// What went wrong, coarse enough to be mapped to a response in one place (http/problem.hpp).
enum class ErrorCode : std::uint8_t {
  invalid,          ///< the input does not follow its grammar
  too_large,        ///< a limit on size, count or depth was passed
  not_found,        ///< a file, id or name does not exist
  not_built,        ///< recognised, but no part of this version
  resolve_failed,   ///< a host name has no address
  connect_failed,   ///< refused or unreachable: nothing was sent
  connect_timeout,  ///< not connected in time: nothing was sent
  tls_failed,       ///< handshake or verification failed
  read_timeout,     ///< the peer was silent for too long
  deadline,         ///< the request's own time is over
  closed,           ///< the peer ended the stream (cleanly or not) where more was expected
  malformed,        ///< the peer's answer does not follow its protocol
  cancelled,        ///< nobody waits for the result any more
  overloaded,       ///< a bounded queue or pool is full
  address_refused,  ///< an address that may not be reached from a parameter (spec.md section 3)
  function_error,   ///< user code failed
  io,               ///< a local input or output failed
  internal,         ///< a defect of ours
};

/// Who has to mend it.
enum class ErrorSource : std::uint8_t { downstream, upstream, internal, config };

/// Whether the same call may be made again (backends.md, "Retries").
enum class Retry : std::uint8_t {
  no,
  yes,          ///< nothing was sent
  reused_only,  ///< a reused connection broke before a byte of the answer: idempotent methods only
};

/// An error value. `detail` is for operators (logs) and may name addresses; `message` is safe for clients and
/// may be empty, then the mapper's text for the code is used; `slug` is a stable identifier with static
/// storage
/// ("upstream_connect_failed"), empty for the code's own.
struct Error {
  ErrorCode code = ErrorCode::internal;
  ErrorSource source = ErrorSource::internal;
  Retry retry = Retry::no;
  std::string_view slug;
  std::string detail;
  std::string message;
  int status = 0;  ///< the response's status where the code's own (http/problem.hpp) does not fit
};

template <class T>
using Result = boost::system::result<T, Error>;

/// The code's own slug: "connect_failed".
std::string_view slug_of(ErrorCode code) noexcept;

/// Shorthands for the common shapes.
Error config_error(std::string detail);
Error upstream_error(ErrorCode code, std::string detail, Retry retry = Retry::no);
Error downstream_error(ErrorCode code, std::string_view slug, std::string message, int status = 0);
Error internal_error(std::string detail);

/// What Result::value() does without a value: std::logic_error, as it is a defect of the caller.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& location);

}  // namespace sluice
