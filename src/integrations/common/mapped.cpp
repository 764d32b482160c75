#include "integrations/common/mapped.hpp"

#include "sluice/http/body.hpp"

namespace sluice::integrations {

Error not_mapped(std::string_view what, std::string_view section, std::string_view id,
                 std::string_view target) {
  Error error;
  error.code = ErrorCode::not_found;
  error.source = ErrorSource::config;
  error.slug = "not_mapped";
  error.status = 502;
  error.message = "The " + std::string(what) + " \"" + std::string(id) +
                  "\" leads nowhere here. Map it in the configuration: " + std::string(section) + ": {" +
                  std::string(id) + ": {" + std::string(target) + "}}";
  if (section == "functions") {
    error.message += "; to run it here: {runtime: nodejs, handler: index.handler, directory: …}";
  } else if (section == "containers") {
    error.message += "; to run it here: {command: [./server], directory: …}";
  }
  error.detail = error.message;
  return error;
}

BasePath split_base(const client::Url& url) {
  const std::size_t question = std::min(url.path_and_query.find('?'), url.path_and_query.size());
  BasePath base;
  base.path = url.path_and_query.substr(0, question);
  if (base.path.ends_with('/')) {
    base.path.pop_back();
  }
  if (question < url.path_and_query.size()) {
    base.query = url.path_and_query.substr(question + 1);
  }
  return base;
}

net::Awaitable<Result<std::string>> whole_body(gateway::Exchange& exchange, std::size_t limit) {
  if (exchange.buffered_body) {
    if (exchange.buffered_body->size() > limit) {
      co_return downstream_error(ErrorCode::too_large, "body_too_large", {}, 413);
    }
    co_return *exchange.buffered_body;
  }
  if (exchange.request.body == nullptr) {
    co_return std::string();
  }
  const std::optional<std::uint64_t> size = exchange.request.body->size();
  if (size && *size > limit) {
    co_return downstream_error(ErrorCode::too_large, "body_too_large", {}, 413);
  }
  co_return co_await http::read_all(*exchange.request.body, limit);
}

Error explain_end(const net::DeadlineToken& deadline, Error error) {
  if (deadline.is_over() && error.code == ErrorCode::cancelled) {
    error.code = ErrorCode::deadline;
    error.source = ErrorSource::upstream;
    error.detail.append(" (the gateway's timeout is over)");
  }
  return error;
}

}  // namespace sluice::integrations
