// What the cloud's services send and what key files hold: whatever the bytes, a value that can be used or an
// error that quotes little and shows no secret.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sluice/base/clock.hpp"
#include "sluice/base/codec.hpp"
#include "sluice/base/json.hpp"
#include "sluice/base/rsa_key.hpp"
#include "sluice/client/cloud/authorized_key.hpp"

#include "client/cloud/token_exchange.hpp"
#include "integrations/object_storage/s3_error.hpp"
#include "unit/client/cloud/keys.hpp"

namespace {

using namespace sluice;
using namespace sluice::client::cloud;

constexpr std::size_t most_told = 1024;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

/// Fit for a line of the log.
void check_line(std::string_view text) {
  require(text.size() <= most_told && is_valid_utf8(text));
  for (const char byte : text) {
    require(static_cast<unsigned char>(byte) >= ' ' && byte != '\x7f');
  }
}

void check_token(const Result<IssuedToken>& token) {
  if (!token) {
    check_line(token.error().detail);
    require(!token.error().detail.empty());
    return;
  }
  require(!token->value.empty() && token->life > Duration(0) && token->life <= longest_token_life);
  for (const char byte : token->value) {
    require(byte > ' ' && byte <= '~');
  }
}

void check_tokens(std::string_view text) {
  const SystemTime now{std::chrono::seconds(1'800'000'000)};
  check_token(read_exchange_answer(text, now));
  check_token(read_metadata_answer(text, now));
  // A good answer with these bytes as the time.
  const std::string time = sanitize_utf8(text);
  check_token(read_exchange_answer(dump_json(Json{{"iamToken", "t1.x"}, {"expiresAt", time}}), now));
  const std::string told = status_message(text, "head.claims.SIGNATURE");
  check_line(told);
  require(told.find("SIGNATURE") == std::string::npos);
}

void check_time(std::string_view text) {
  const auto time = parse_rfc3339(text);
  if (!time) {
    return;
  }
  const auto again = parse_rfc3339(format_rfc3339(*time));
  require(!again || std::chrono::floor<std::chrono::milliseconds>(*time) ==
                        std::chrono::floor<std::chrono::milliseconds>(*again));
}

void check_xml(std::string_view text) {
  for (const std::string_view name : {"Code", "Message", "Error"}) {
    const std::string found = integrations::xml_element_text(text, name);
    check_line(found);
    require(found.size() <= 256 * 3);
  }
  check_line(integrations::describe_s3_error(403, text));
}

void check_key(std::string_view text) {
  static const std::string pem = test::pem_of(*test::shared_rsa());
  const auto parsed = AuthorizedKey::parse(text);
  if (!parsed) {
    check_line(parsed.error().detail);
  }
  // These bytes before, within and instead of the PEM of a key file.
  const std::string clean = sanitize_utf8(text);
  const std::size_t half = pem.size() / 2;
  const std::array<std::string, 4> written{clean + pem, pem.substr(0, half) + clean + pem.substr(half),
                                           pem + clean, clean};
  const auto key = AuthorizedKey::parse(dump_json(test::key_file(written.at(text.size() % written.size()))));
  if (!key) {
    check_line(key.error().detail);
    require(key.error().detail.find(pem.substr(40, 20)) == std::string::npos);
  } else if (text.size() % 16 == 0) {  // signing is slow
    require((*key)->sign_jwt(SystemTime(std::chrono::seconds(1'800'000'000))).has_value());
  }
}

}  // namespace

/// The first byte chooses: keys are slow to read.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'k') {
    check_key(text);
  } else {
    check_tokens(text);
    check_time(text);
    check_xml(text);
  }
  return 0;
}
