#include <array>

#include "sluice/http/h1/parser.hpp"

#include "http/h1/field_rules.hpp"
#include "http/h1/grammar.hpp"
#include "http/h1/line_scan.hpp"

namespace sluice::http::h1 {
namespace {

Error bad_response(std::string_view what) {
  Error error = upstream_error(ErrorCode::malformed, std::string(what));
  error.slug = "bad_response";
  return error;
}

class ResponseReader final : public Grammar<false> {
 public:
  explicit ResponseReader(std::size_t most_fields) : most_fields_(most_fields) {}

  void take_fields(Headers& headers, const char* block) noexcept {
    headers_ = &headers;
    block_ = block;
  }

  int status = 0;
  int version = 0;
  MessageFields fields;
  std::string_view refusal;

 private:
  void on_response_impl(int its_status, beast::string_view /*reason*/, int its_version,
                        beast::error_code& /*error*/) override {
    status = its_status;
    version = its_version;
  }

  void on_field_impl(beast::http::field /*known*/, beast::string_view name, beast::string_view value,
                     beast::error_code& error) override {
    const FieldId id = field_id(name);
    headers_->add_range(id, static_cast<std::size_t>(name.data() - block_), name.size(),
                        static_cast<std::size_t>(value.data() - block_), value.size());
    if (headers_->size() > most_fields_) {
      refusal = "the response has too many fields";
    } else if (id == FieldId::transfer_encoding && version < 11) {
      refusal = "the response is HTTP/1.0 and has a Transfer-Encoding";
    } else if (id == FieldId::content_length || id == FieldId::transfer_encoding ||
               id == FieldId::connection) {
      refusal = fields.take(id, value).message;
    }
    if (!refusal.empty()) {
      error = beast::http::error::bad_field;
    }
  }

  std::size_t most_fields_;
  Headers* headers_ = nullptr;
  const char* block_ = nullptr;
};

/// A status line without reason and its space ("HTTP/1.1 200") is common enough to be mended.
bool feed_status_line(ResponseReader& reader, std::string_view line) {
  constexpr std::size_t bare_size = 14;
  if (line.size() != bare_size) {
    return reader.feed(line);
  }
  std::array<char, bare_size + 1> mended{};
  line.copy(mended.data(), bare_size - 2);
  mended[bare_size - 2] = ' ';
  mended[bare_size - 1] = '\r';
  mended[bare_size] = '\n';
  return reader.feed({mended.data(), mended.size()});
}

}  // namespace

void ResponseHead::clear() noexcept {
  status = 0;
  version_minor = 1;
  headers.clear();
  framing = {};
  keep_alive = true;
}

Result<std::size_t> ResponseHeadParser::parse(std::string_view data, const ResponseLimits& limits,
                                              Method request_method, ResponseHead& response) {
  if (data.empty()) {
    return std::size_t{0};
  }
  if (data.front() != 'H') {
    return bad_response("the response does not start with a status line");
  }
  const LineLimits line_limits{limits.header_bytes, limits.header_bytes};
  LineScan found = LineScan::line;
  while (found == LineScan::line) {
    found = scan_line(data, 0, line_, searched_, line_limits);
    if (fields_ == 0 && found == LineScan::line) {
      fields_ = line_;
    }
  }
  switch (found) {
    case LineScan::need_more:
      return std::size_t{0};
    case LineScan::bad_ending:
      return bad_response("a line of the response's head does not end in CRLF");
    case LineScan::folded:
      return bad_response("a field line of the response is folded");
    case LineScan::line_too_long:
    case LineScan::head_too_long:
      return bad_response("the response's head is too large");
    case LineScan::line:
    case LineScan::end:
      break;
  }

  response.clear();
  ResponseReader reader(limits.header_fields);
  const std::string_view line = data.substr(0, fields_);
  if (!feed_status_line(reader, line) || reader.status < 100) {
    return bad_response("the status line is malformed");
  }
  const std::string_view block = data.substr(fields_, line_ - fields_);
  response.headers.assign_block(block);
  reader.take_fields(response.headers, block.data());
  if (!reader.feed(block)) {
    return bad_response(reader.refusal.empty() ? reader.fields.refusal_of(reader.error()).message
                                               : reader.refusal);
  }
  response.status = reader.status;
  response.version_minor = reader.version == 10 ? 0 : 1;
  response.keep_alive = reader.fields.keep_alive(response.version_minor == 0);
  const Framing named = reader.fields.framing();
  const bool never_has_body = response.status < 200 || response.status == 204;
  if (never_has_body || response.status == 304 || request_method == Method::head) {
    // What claims a body that cannot be leaves it open where the next message starts.
    response.keep_alive =
        response.keep_alive && response.status != 101 && !(never_has_body && named.has_body());
  } else if (named.kind == Framing::Kind::none) {
    response.framing.kind = Framing::Kind::until_close;
    response.keep_alive = false;
  } else {
    response.framing = named;
  }
  return line_;
}

}  // namespace sluice::http::h1
