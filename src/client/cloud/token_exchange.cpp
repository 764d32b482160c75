#include "client/cloud/token_exchange.hpp"

#include <cstdlib>
#include <utility>

#include "sluice/base/codec.hpp"
#include "sluice/base/json.hpp"
#include "sluice/http/conditions.hpp"
#include "sluice/net/deadline_token.hpp"

#include "client/cloud/errors.hpp"

namespace sluice::client::cloud {
namespace {

constexpr std::size_t most_answer = std::size_t{64} << 10U;
/// A difference between two clocks that says something: Date has whole seconds, and an answer takes its time.
constexpr std::chrono::seconds clock_tolerance{10};
/// A Date further off is nonsense, and beyond what a SystemTime holds.
constexpr std::chrono::years most_clock_difference{100};

/// An answer of the service, whatever its status.
struct Answer {
  int status = 0;
  std::string body;
  SystemTime server_now;
  std::optional<std::chrono::seconds> clock_ahead;
};

std::string origin_text(const Url& url) {
  switch (url.origin.scheme) {
    case Origin::Scheme::https:
      return "https://" + url.authority;
    case Origin::Scheme::http:
      return "http://" + url.authority;
    case Origin::Scheme::unix_socket:
      break;
  }
  return "unix:" + url.origin.host;
}

net::Awaitable<Result<Answer>> call(HttpClient& client, ClientRequest& request, const Url& url,
                                    const ExchangeSettings& settings, net::Worker& worker, const Clock& clock,
                                    net::CancelToken& cancel) {
  net::DeadlineToken limit(worker.wheel(), worker.wheel().exact_now() + settings.timeout, &cancel);
  request.origin = url.origin;
  request.headers.add(http::FieldId::host, url.authority);
  request.headers.add(http::FieldId::accept, "application/json");
  request.headers.add(http::FieldId::user_agent, "sluice");
  CallOptions options;
  options.connect_timeout = std::min<Duration>(options.connect_timeout, settings.timeout);
  options.read_timeout = settings.timeout;
  options.cancel = &limit.token();
  const auto failed = [&](const Error& error) {
    std::string why = error.detail.empty() ? std::string(slug_of(error.code)) : error.detail;
    if (error.code == ErrorCode::cancelled) {
      why = "no answer within " +
            std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(settings.timeout).count()) +
            " ms";
    }
    return unavailable(origin_text(url) + " cannot be reached: " + why);
  };
  Result<http::Response> response = co_await client.send(request, options);
  if (!response) {
    co_return failed(response.error());
  }
  Answer answer;
  answer.status = response->status;
  answer.server_now = clock.system();
  if (const auto date = response->headers.get(http::FieldId::date)) {
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(answer.server_now.time_since_epoch());
    if (const auto server = http::parse_http_date(*date, now.count())) {
      const std::chrono::seconds ahead = now - std::chrono::seconds(*server);
      const std::chrono::seconds size = std::chrono::abs(ahead);
      if (size > clock_tolerance && size < most_clock_difference) {
        answer.clock_ahead = ahead;
        answer.server_now -= ahead;
      }
    }
  }
  if (auto* bytes = std::get_if<std::string>(&response->body)) {
    answer.body = std::move(*bytes);
  } else if (auto* source = std::get_if<std::unique_ptr<http::BodySource>>(&response->body)) {
    Result<std::string> read = co_await http::read_all(**source, most_answer);
    if (!read) {
      co_return read.error().code == ErrorCode::too_large
          ? unavailable(origin_text(url) + " gave an answer that is no token: it is larger than 64 KiB")
          : failed(read.error());
    }
    answer.body = std::move(*read);
  }
  co_return answer;
}

std::string clock_note(const std::optional<std::chrono::seconds>& ahead) {
  if (!ahead) {
    return {};
  }
  const bool fast = ahead->count() > 0;
  return "; this machine's clock is " + std::to_string(std::abs(ahead->count())) + " s " +
         (fast ? "ahead of" : "behind") + " the server's: set it right (NTP)";
}

std::string told(std::string_view message) {
  return message.empty() ? std::string() : " (" + std::string(message) + ")";
}

Error refused(const AuthorizedKey& key, const Url& url, const Answer& answer, std::string_view jwt) {
  const std::string what = origin_text(url) + " answered " + std::to_string(answer.status) +
                           told(status_message(answer.body, jwt));
  if (answer.status < 400 || answer.status >= 500 || answer.status == 404 || answer.status == 408 ||
      answer.status == 429) {
    return unavailable("no IAM token with the authorized key " + key.id() + ": " + what +
                       (answer.status == 404 ? "; is services.iam.endpoint right?" : "") +
                       clock_note(answer.clock_ahead));
  }
  return unavailable("the authorized key " + key.id() + " of the service account " +
                     key.service_account_id() + " was refused: " + what +
                     "; it may have been deleted, or belong to another account: make a new one (yc iam key "
                     "create --service-account-id " +
                     key.service_account_id() + " --output FILE) and reload" +
                     clock_note(answer.clock_ahead));
}

/// A member that is a text of printable ASCII: what may stand in an Authorization header.
std::optional<std::string> token_member(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) {
    return std::nullopt;
  }
  auto text = found->get<std::string>();
  for (const char byte : text) {
    if (byte <= ' ' || byte > '~') {
      return std::nullopt;
    }
  }
  return text.empty() ? std::nullopt : std::optional(std::move(text));
}

Result<Json> parse_object(std::string_view body) {
  Result<Json> parsed = parse_json(body, {most_answer, 16});
  if (!parsed || !parsed->is_object()) {
    return upstream_error(ErrorCode::malformed, "it is no JSON object");
  }
  return parsed;
}

}  // namespace

std::string status_message(std::string_view body, std::string_view secret) {
  const Result<Json> parsed = parse_json(body, {most_answer, 16});
  if (!parsed || !parsed->is_object()) {
    return {};
  }
  const auto message = parsed->find("message");
  if (message == parsed->end() || !message->is_string()) {
    return {};
  }
  std::string text = sanitize_utf8(message->get<std::string>());
  if (!secret.empty() && text.find(secret.substr(secret.rfind('.') + 1)) != std::string::npos) {
    return "its message holds what it was sent";
  }
  constexpr std::size_t most = 300;
  if (text.size() > most) {
    text.resize(most);
    text = sanitize_utf8(text) + "…";
  }
  for (char& byte : text) {
    if (static_cast<unsigned char>(byte) < ' ' || byte == '\x7f') {
      byte = ' ';
    }
  }
  return text;
}

Result<IssuedToken> read_exchange_answer(std::string_view body, SystemTime server_now) {
  const Result<Json> parsed = parse_object(body);
  if (!parsed) {
    return parsed.error();
  }
  IssuedToken token;
  std::optional<std::string> value = token_member(*parsed, "iamToken");
  if (!value) {
    return upstream_error(ErrorCode::malformed, "it has no usable `iamToken`");
  }
  token.value = std::move(*value);
  const auto end = parsed->find("expiresAt");
  const auto time = end != parsed->end() && end->is_string()
                        ? parse_rfc3339(end->get_ref<const std::string&>())
                        : std::nullopt;
  if (!time) {
    return upstream_error(ErrorCode::malformed, "its `expiresAt` is no time as of RFC 3339");
  }
  token.ends = *time;
  token.life = *time - server_now;
  if (token.life <= Duration(0)) {
    return upstream_error(ErrorCode::malformed, "its token has ended already, at " + format_rfc3339(*time));
  }
  token.life = std::min<Duration>(token.life, longest_token_life);
  return token;
}

Result<IssuedToken> read_metadata_answer(std::string_view body, SystemTime server_now) {
  const Result<Json> parsed = parse_object(body);
  if (!parsed) {
    return parsed.error();
  }
  IssuedToken token;
  std::optional<std::string> value = token_member(*parsed, "access_token");
  if (!value) {
    return upstream_error(ErrorCode::malformed, "it has no usable `access_token`");
  }
  token.value = std::move(*value);
  const auto left = parsed->find("expires_in");
  if (left == parsed->end() || !left->is_number()) {
    return upstream_error(ErrorCode::malformed, "its `expires_in` is no number");
  }
  const double seconds = left->get<double>();
  if (!(seconds > 0)) {
    return upstream_error(ErrorCode::malformed, "its token has ended already");
  }
  const std::chrono::duration<double> most = longest_token_life;
  token.life =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>(std::min(seconds, most.count())));
  token.ends = server_now + std::chrono::duration_cast<SystemTime::duration>(token.life);
  return token;
}

net::Awaitable<Result<IssuedToken>> exchange_key(const AuthorizedKey& key, const ExchangeSettings& settings,
                                                 HttpClient& client, net::Worker& worker, const Clock& clock,
                                                 net::CancelToken& cancel) {
  SystemTime now = clock.system();
  for (int attempt = 0;; ++attempt) {
    const Result<std::string> jwt = key.sign_jwt(now);
    if (!jwt) {
      co_return unavailable(jwt.error().detail);
    }
    ClientRequest request;
    request.method = "POST";
    request.path_and_query = settings.iam.path_and_query;
    request.headers.add(http::FieldId::content_type, "application/json");
    request.body = dump_json(Json{{"jwt", *jwt}});
    Result<Answer> answer = co_await call(client, request, settings.iam, settings, worker, clock, cancel);
    if (!answer) {
      co_return unavailable("no IAM token with the authorized key " + key.id() + ": " +
                            answer.error().detail + "; check the network and services.iam.endpoint");
    }
    if (answer->status != 200) {
      // A clock that is wrong makes a token of the future or the past: once more by the server's clock.
      if (attempt == 0 && answer->clock_ahead && answer->status >= 400 && answer->status < 500) {
        now = answer->server_now;
        continue;
      }
      co_return refused(key, settings.iam, *answer, *jwt);
    }
    Result<IssuedToken> token = read_exchange_answer(answer->body, answer->server_now);
    if (!token) {
      co_return unavailable("no IAM token with the authorized key " + key.id() + ": the answer of " +
                            origin_text(settings.iam) + " is of no use: " + token.error().detail +
                            clock_note(answer->clock_ahead));
    }
    token->clock_ahead = answer->clock_ahead;
    co_return token;
  }
}

net::Awaitable<Result<IssuedToken>> ask_metadata(std::string_view account, const ExchangeSettings& settings,
                                                 HttpClient& client, net::Worker& worker, const Clock& clock,
                                                 net::CancelToken& cancel) {
  ClientRequest request;
  request.path_and_query = settings.metadata.path_and_query;
  request.headers.add("Metadata-Flavor", "Google");
  Result<Answer> answer = co_await call(client, request, settings.metadata, settings, worker, clock, cancel);
  const std::string failed = "no IAM token from the metadata service for " + std::string(account) + ": ";
  if (!answer) {
    co_return unavailable(failed + answer.error().detail +
                          "; is this a virtual machine of the cloud, with a service account?");
  }
  if (answer->status != 200) {
    co_return unavailable(failed + origin_text(settings.metadata) + " answered " +
                          std::to_string(answer->status) +
                          (answer->status == 404 ? ": no service account is bound to this machine" : ""));
  }
  Result<IssuedToken> token = read_metadata_answer(answer->body, answer->server_now);
  if (!token) {
    co_return unavailable(failed + "the answer of " + origin_text(settings.metadata) +
                          " is of no use: " + token.error().detail);
  }
  co_return token;
}

}  // namespace sluice::client::cloud
