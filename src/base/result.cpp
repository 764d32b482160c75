#include "sluice/base/result.hpp"

#include <stdexcept>

namespace sluice {

std::string_view slug_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid:
      return "invalid";
    case ErrorCode::too_large:
      return "too_large";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::not_built:
      return "not_built";
    case ErrorCode::resolve_failed:
      return "resolve_failed";
    case ErrorCode::connect_failed:
      return "connect_failed";
    case ErrorCode::connect_timeout:
      return "connect_timeout";
    case ErrorCode::tls_failed:
      return "tls_failed";
    case ErrorCode::read_timeout:
      return "read_timeout";
    case ErrorCode::deadline:
      return "deadline";
    case ErrorCode::closed:
      return "closed";
    case ErrorCode::malformed:
      return "malformed";
    case ErrorCode::cancelled:
      return "cancelled";
    case ErrorCode::overloaded:
      return "overloaded";
    case ErrorCode::address_refused:
      return "address_refused";
    case ErrorCode::function_error:
      return "function_error";
    case ErrorCode::io:
      return "io";
    case ErrorCode::internal:
      return "internal";
  }
  return "internal";
}

Error config_error(std::string detail) {
  Error error;
  error.code = ErrorCode::invalid;
  error.source = ErrorSource::config;
  error.detail = std::move(detail);
  return error;
}

Error upstream_error(ErrorCode code, std::string detail, Retry retry) {
  Error error;
  error.code = code;
  error.source = ErrorSource::upstream;
  error.retry = retry;
  error.detail = std::move(detail);
  return error;
}

Error downstream_error(ErrorCode code, std::string_view slug, std::string message, int status) {
  Error error;
  error.code = code;
  error.source = ErrorSource::downstream;
  error.slug = slug;
  error.message = std::move(message);
  error.status = status;
  return error;
}

Error internal_error(std::string detail) {
  Error error;
  error.detail = std::move(detail);
  return error;
}

void throw_exception_from_error(const Error& error, const boost::source_location& location) {
  throw std::logic_error("value() of a failed Result (" + std::string(slug_of(error.code)) + ": " +
                         error.detail + ") at " + location.to_string());
}

}  // namespace sluice
