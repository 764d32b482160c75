#include "sluice/http/message.hpp"

#include <array>
#include <utility>

#include "sluice/http/handler.hpp"

namespace sluice::http {
namespace {

constexpr std::array<std::string_view, 9> method_names{"GET",     "HEAD",  "POST",  "PUT",    "DELETE",
                                                       "OPTIONS", "PATCH", "TRACE", "CONNECT"};

}  // namespace

Method parse_method(std::string_view name) noexcept {
  const auto is = [&](Method method) { return name == method_names[static_cast<std::size_t>(method)]; };
  const auto one_of = [&](Method first, Method second) {
    return is(first) ? first : is(second) ? second : Method::extension;
  };
  switch (name.size()) {
    case 3:
      return one_of(Method::get, Method::put);
    case 4:
      return one_of(Method::post, Method::head);
    case 5:
      return one_of(Method::patch, Method::trace);
    case 6:
      return one_of(Method::delete_, Method::delete_);
    case 7:
      return one_of(Method::options, Method::connect);
    default:
      return Method::extension;
  }
}

std::string_view method_name(Method method) noexcept {
  return method == Method::extension ? std::string_view() : method_names[static_cast<std::size_t>(method)];
}

bool is_idempotent(Method method) noexcept {
  switch (method) {
    case Method::get:
    case Method::head:
    case Method::put:
    case Method::delete_:
    case Method::options:
    case Method::trace:
      return true;
    default:
      return false;
  }
}

std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 102:
      return "Processing";
    case 103:
      return "Early Hints";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 203:
      return "Non-Authoritative Information";
    case 204:
      return "No Content";
    case 205:
      return "Reset Content";
    case 206:
      return "Partial Content";
    case 207:
      return "Multi-Status";
    case 208:
      return "Already Reported";
    case 226:
      return "IM Used";
    case 300:
      return "Multiple Choices";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 305:
      return "Use Proxy";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 407:
      return "Proxy Authentication Required";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 418:
      return "I'm a teapot";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 423:
      return "Locked";
    case 424:
      return "Failed Dependency";
    case 425:
      return "Too Early";
    case 426:
      return "Upgrade Required";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 451:
      return "Unavailable For Legal Reasons";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 506:
      return "Variant Also Negotiates";
    case 507:
      return "Insufficient Storage";
    case 508:
      return "Loop Detected";
    case 511:
      return "Network Authentication Required";
    default:
      return "Unknown";
  }
}

void Request::clear() noexcept {
  method = Method::get;
  method_text.clear();
  target.clear();
  raw_path.clear();
  query.clear();
  has_query = false;
  path.clear();
  authority.clear();
  host.clear();
  version_major = 1;
  version_minor = 1;
  headers.clear();
  body = nullptr;
}

void RequestContext::clear() noexcept {
  cancel.reset();
  started = {};
  request_id.clear();
  client_address.clear();
  trace_parent.clear();
  pinned.reset();
  // The detail keeps its memory for the next request.
  std::string detail = std::move(record.detail);
  detail.clear();
  record = RequestRecord{};
  record.detail = std::move(detail);
}

}  // namespace sluice::http
