#include "sluice/gateway/access_log.hpp"

#include <array>
#include <charconv>
#include <utility>

#include "sluice/base/codec.hpp"
#include "sluice/base/secrets.hpp"
#include "sluice/functions/forwarding.hpp"

namespace sluice::gateway {
namespace {

/// Appends members of a JSON object.
class Line {
 public:
  explicit Line(std::string& out) : out_(out) {}

  void text(std::string_view name, std::string_view value) {
    begin(name);
    out_.push_back('"');
    append_json_escaped(out_, value);
    out_.push_back('"');
  }
  template <class Integer>
  void number(std::string_view name, Integer value) {
    begin(name);
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out_.append(digits.data(), end);
  }
  void seconds(std::string_view name, Duration value) {
    begin(name);
    std::array<char, 32> digits{};
    const double count = std::chrono::duration<double>(value).count();
    const auto end =
        std::to_chars(digits.data(), digits.data() + digits.size(), count, std::chars_format::fixed, 6).ptr;
    out_.append(digits.data(), end);
  }
  void flag(std::string_view name) {
    begin(name);
    out_ += "true";
  }
  void finish() { out_.push_back('}'); }

 private:
  void begin(std::string_view name) {
    out_.push_back(first_ ? '{' : ',');
    first_ = false;
    out_.push_back('"');
    out_ += name;
    out_ += "\":";
  }

  std::string& out_;
  bool first_ = true;
};

/// RFC 3339 with milliseconds, the part up to the second kept from one line to the next.
std::string_view time_text(SystemTime now) {
  thread_local std::string text;
  thread_local SystemTime second;
  const auto this_second = std::chrono::floor<std::chrono::seconds>(now);
  if (text.empty() || this_second != second) {
    text = format_rfc3339(now);
    second = this_second;
    return text;
  }
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now - this_second).count();
  const std::size_t at = text.size() - 4;  // "123Z"
  text[at] = static_cast<char>('0' + milliseconds / 100);
  text[at + 1] = static_cast<char>('0' + milliseconds / 10 % 10);
  text[at + 2] = static_cast<char>('0' + milliseconds % 10);
  return text;
}

std::string_view protocol_of(const http::Request& request) noexcept {
  if (request.version_major == 2) {
    return "HTTP/2";
  }
  return request.version_minor == 0 ? "HTTP/1.0" : "HTTP/1.1";
}

}  // namespace

void append_access_line(std::string& out, const http::Request& request, const http::RequestContext& context,
                        SystemTime now, SteadyTime steady_now) {
  const http::RequestRecord& record = context.record;
  Line line(out);
  line.text("time", time_text(now));
  line.text("request_id", context.request_id);
  line.text("gateway", record.gateway);
  line.text("client", context.client_address);
  line.text("method", request.method_text);
  line.text("host", request.host);
  line.text("path", request.path.size() == 0 && request.method == http::Method::options
                        ? std::string_view("*")
                        : std::string_view(request.path.text()));
  line.text("template", record.path_template);
  line.text("operation", record.operation);
  line.number("status", record.status);
  line.number("bytes", record.bytes_out);
  line.number("bytes_in", record.bytes_in);
  line.seconds("duration", steady_now > context.started ? steady_now - context.started : Duration::zero());
  line.text("integration", record.integration);
  line.seconds("integration_duration", record.integration_time);
  line.text("release", record.release);
  line.text("protocol", protocol_of(request));
  const net::TlsInfo* tls = context.connection.tls;
  line.text("tls_version", tls == nullptr ? std::string_view() : std::string_view(tls->version));
  line.text("trace_id", functions::trace_id(context));
  if (const auto agent = request.headers.get(http::FieldId::user_agent)) {
    line.text("user_agent", *agent);
  }
  if (!record.slug.empty()) {
    line.text("slug", record.slug);
  }
  if (!record.detail.empty()) {
    line.text("detail", mask_secrets(record.detail));
  }
  if (record.aborted) {
    line.flag("aborted");
  }
  line.finish();
}

AccessLogSink make_access_log(std::shared_ptr<LineWriter> writer, std::size_t shard) {
  if (!writer) {
    return {};
  }
  return [writer = std::move(writer), shard, text = std::string()](
             const http::Request& request, const http::RequestContext& context) mutable {
    const Clock& clock = Clock::real();
    text.clear();
    append_access_line(text, request, context, clock.system(), clock.steady());
    writer->push(shard, text);
  };
}

}  // namespace sluice::gateway
