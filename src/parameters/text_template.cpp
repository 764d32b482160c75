#include "sluice/parameters/text_template.hpp"

#include <algorithm>
#include <array>

#include "sluice/base/codec.hpp"
#include "sluice/base/json.hpp"
#include "sluice/http/target.hpp"

namespace sluice::parameters {
namespace {

Error bad_value(std::string_view slug, std::string_view name, std::string_view why) {
  std::string message = "The value of parameter \"";
  message.append(name).append("\" ").append(why);
  return downstream_error(ErrorCode::invalid, slug, std::move(message), 400);
}

bool is_alphanumeric(char byte) noexcept {
  return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/// Appends text of the document's own to a URL: what may stand in one stays, "%20" too, the rest is encoded.
void append_url_literal(std::string& out, std::string_view text) {
  constexpr std::string_view refused = "\"<>\\^`{|}";
  for (const char byte : text) {
    const auto value = static_cast<unsigned char>(byte);
    if (value <= 0x20 || value >= 0x7F || refused.find(byte) != std::string_view::npos) {
      append_percent_encoded(out, std::string_view(&byte, 1), PercentSet::unreserved);
    } else {
      out.push_back(byte);
    }
  }
}

/// A host name, an IPv4 address or an IPv6 address in brackets, each with or without ":port". Stricter than
/// the grammar of RFC 3986: no percent-encoding, no sub-delims, no user information, no empty label.
bool is_host(std::string_view text) noexcept {
  if (text.empty() || text.front() == '.' || text.find("..") != std::string_view::npos ||
      !http::is_valid_authority(text)) {
    return false;
  }
  return std::all_of(text.begin(), text.end(), [](char byte) {
    return is_alphanumeric(byte) || std::string_view("-_.:[]").find(byte) != std::string_view::npos;
  });
}

/// Why a URL's host, as the document writes it, is none. Never quotes user information: it may hold a
/// password.
std::string host_mistake(std::string_view host) {
  if (host.empty()) {
    return "the URL has no host name after its scheme; write https://HOST/PATH";
  }
  if (host.find('@') != std::string_view::npos) {
    return "the URL holds a user name before its host, which is never sent; "
           "write an `Authorization` header instead";
  }
  const std::size_t open = host.find('{');
  const std::size_t close = host.find('}', open == std::string_view::npos ? host.size() : open);
  if (close != std::string_view::npos) {
    return "`" + std::string(host.substr(open, close + 1 - open)) +
           "` in the URL's host is no parameter of the operation; declare it under `parameters`, or write "
           "the host itself";
  }
  return "\"" + std::string(host) +
         "\" in the URL is no valid host name or host:port; write https://HOST/PATH, with a port up to 65535 "
         "and names outside ASCII in their xn-- form";
}

bool is_dot_segment(std::string_view segment) {
  if (segment.size() > 6 || segment.empty()) {
    return false;
  }
  const std::string decoded = percent_decode_lenient(segment, false);
  return decoded == "." || decoded == "..";
}

/// A number, true, false or null, and nothing around it.
bool is_json_scalar(std::string_view text) {
  if (text.empty() || text.size() > 1024) {
    return false;
  }
  if (text == "true" || text == "false" || text == "null") {
    return true;
  }
  std::size_t at = text.front() == '-' ? 1 : 0;
  const auto digits = [&] {
    const std::size_t start = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
      ++at;
    }
    return at - start;
  };
  const bool zero = at < text.size() && text[at] == '0';
  const std::size_t whole = digits();
  if (whole == 0 || (zero && whole > 1)) {
    return false;
  }
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (digits() == 0) {
      return false;
    }
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) {
      ++at;
    }
    if (digits() == 0) {
      return false;
    }
  }
  return at == text.size();
}

/// JSON text that was written for double quotes but put into single ones: `{\"id\": …}`. Its first quotation
/// mark follows a backslash, which JSON has nowhere outside strings.
std::string unescape_quotes(std::string_view text) {
  const std::size_t quote = text.find('"');
  if (quote == std::string_view::npos || quote == 0 || text[quote - 1] != '\\') {
    return std::string(text);
  }
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\' && at + 1 < text.size() && text[at + 1] == '"') {
      continue;
    }
    out.push_back(text[at]);
  }
  return out;
}

/// An array's or object's comma-separated text, without a copy for primitives.
class ValueText {
 public:
  explicit ValueText(const Value& value) {
    if (value.items.size() == 1) {
      view_ = value.items.front();
    } else {
      joined_ = value.text();
      view_ = joined_;
    }
  }
  ValueText(const ValueText&) = delete;
  ValueText& operator=(const ValueText&) = delete;
  ~ValueText() = default;
  [[nodiscard]] std::string_view view() const noexcept { return view_; }

 private:
  std::string joined_;
  std::string_view view_;
};

}  // namespace

/// Writes a path after `out`'s end and refuses parameters that make a "." or ".." segment.
class TextTemplate::UrlWriter {
 public:
  UrlWriter(std::string& out, const Values& values)
      : out_(out), values_(values), segment_start_(out.size()) {}

  Result<void> literal(const std::string& text) {
    for (const char byte : text) {
      if (byte == '/') {
        if (Result<void> checked = end_segment(); !checked) {
          return checked;
        }
      }
      out_.push_back(byte);
      if (byte == '/') {
        segment_start_ = out_.size();
      }
    }
    return {};
  }

  Result<void> parameter(const Piece& piece) {
    const Value& value = values_.first(piece.indices);
    name_ = &piece.name;
    if (const PathCapture* capture = values_.capture(piece.name);
        capture != nullptr && capture->greedy && value.present && !value.from_default) {
      for (std::size_t index = 0; index < capture->segments.size(); ++index) {
        name_ = &piece.name;
        if (index > 0) {
          if (Result<void> checked = end_segment(); !checked) {
            return checked;
          }
          out_.push_back('/');
          segment_start_ = out_.size();
          name_ = &piece.name;
        }
        append_percent_encoded(out_, capture->segments[index], PercentSet::pchar);
      }
      return {};
    }
    const ValueText text(value);
    append_percent_encoded(out_, text.view(), PercentSet::pchar);
    return {};
  }

  Result<void> end_segment() {
    if (name_ != nullptr && is_dot_segment(std::string_view(out_).substr(segment_start_))) {
      return bad_value("parameter_dot_segment", *name_, "makes a path segment \".\" or \"..\"");
    }
    name_ = nullptr;
    return {};
  }

 private:
  std::string& out_;
  const Values& values_;
  std::size_t segment_start_;
  const std::string* name_ = nullptr;  ///< the last parameter of the segment under way
};

void TextTemplate::tokenize(std::string_view text, const ParameterSet& set) {
  std::string literal;
  const auto flush = [&] {
    if (!literal.empty()) {
      pieces_.push_back({std::move(literal), {}, {}, Position::text});
      literal.clear();
    }
  };
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '{') {
      const std::size_t end = text.find_first_of("{}", at + 1);
      if (end != std::string_view::npos && text[end] == '}') {
        const std::string_view name = text.substr(at + 1, end - at - 1);
        std::vector<std::size_t> indices = set.find(name);
        if (!indices.empty()) {
          flush();
          pieces_.push_back({{}, std::string(name), std::move(indices), Position::text});
        } else {
          literal.append(text.substr(at, end - at + 1));
        }
        at = end + 1;
        continue;
      }
    }
    literal.push_back(text[at]);
    ++at;
  }
  flush();
}

Result<void> TextTemplate::place_in_url() {
  Position position = landing_ == Landing::url ? Position::scheme : Position::path;
  std::vector<Piece> placed;
  std::string scheme;
  std::string host;  // with "1" for parameters: a host, a label and a port
  const auto push = [&](std::string text) {
    if (!text.empty()) {
      placed.push_back({std::move(text), {}, {}, position});
    }
  };
  for (Piece& piece : pieces_) {
    if (!piece.name.empty()) {
      if (position == Position::scheme) {
        return config_error("the parameter {" + piece.name +
                            "} stands in the scheme of the URL; write http:// or https:// before it");
      }
      if (position == Position::host) {
        parameter_in_host_ = true;
        host.push_back('1');
      }
      piece.position = position;
      placed.push_back(std::move(piece));
      continue;
    }
    std::string_view rest = piece.literal;
    if (position == Position::scheme) {
      const std::size_t end = rest.find("://");
      if (end == std::string_view::npos) {
        break;
      }
      scheme = to_lower(rest.substr(0, end));
      push(scheme + "://");
      rest.remove_prefix(end + 3);
      position = Position::host;
    }
    if (position == Position::host) {
      const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
      host.append(rest.substr(0, end));
      push(std::string(rest.substr(0, end)));
      rest.remove_prefix(end);
      if (!rest.empty()) {
        position = Position::path;
        if (rest.front() != '/') {
          push("/");
        }
      }
    }
    if (rest.find('#') != std::string_view::npos) {
      return config_error("the URL has a fragment (\"#…\"), which is never sent; leave it out");
    }
    if (position == Position::path && !rest.empty()) {
      const std::size_t end = std::min(rest.find('?'), rest.size());
      std::string path;
      append_url_literal(path, rest.substr(0, end));
      push(std::move(path));
      rest.remove_prefix(end);
      if (!rest.empty()) {
        position = Position::query;
      }
    }
    std::string query;
    append_url_literal(query, rest);
    push(std::move(query));
  }
  if (landing_ == Landing::url) {
    if (scheme != "http" && scheme != "https") {
      return config_error("the URL must begin with http:// or https://; write http://HOST/PATH");
    }
    if (!is_host(host)) {
      return config_error(host_mistake(host));
    }
    if (position == Position::host) {
      position = Position::path;
      push("/");
    }
  }
  pieces_ = std::move(placed);
  return {};
}

Result<void> TextTemplate::place_in_json() {
  bool in_string = false;
  bool escaped = false;
  std::string sample;
  char before = ':';  // the last byte outside strings that is no white space; ':' admits a value
  bool value_before = false;
  for (Piece& piece : pieces_) {
    if (!piece.name.empty()) {
      piece.position = in_string ? Position::json_string : Position::json_value;
      if (!in_string) {
        if (value_before || std::string_view(":,[").find(before) == std::string_view::npos) {
          return config_error("the parameter {" + piece.name +
                              "} outside quotes must be a JSON value of its own");
        }
        value_before = true;
        sample.push_back('0');
      }
      continue;
    }
    piece.position = Position::text;
    for (const char byte : piece.literal) {
      const bool space = byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
      if (in_string) {
        in_string = escaped || byte != '"';
        escaped = !escaped && byte == '\\';
      } else if (!space) {
        if (value_before && std::string_view(",]}").find(byte) == std::string_view::npos) {
          return config_error("a parameter outside quotes must be a JSON value of its own");
        }
        value_before = false;
        before = byte;
        in_string = byte == '"';
      }
    }
    sample.append(piece.literal);
  }
  if (Result<Json> parsed = parse_json(sample); !parsed) {
    return config_error("the text is not JSON: " + parsed.error().detail);
  }
  return {};
}

Result<TextTemplate> TextTemplate::compile(std::string_view text, Landing landing, const ParameterSet& set) {
  TextTemplate result;
  result.source_ = text;
  result.landing_ = landing;
  Result<void> placed;
  switch (landing) {
    case Landing::url:
    case Landing::url_path:
      result.tokenize(text, set);
      placed = result.place_in_url();
      break;
    case Landing::json_text:
      result.tokenize(unescape_quotes(text), set);
      placed = result.place_in_json();
      break;
    case Landing::header:
      if (!is_field_value(text)) {
        placed = config_error("a header's value may not hold control characters (CR, LF, NUL, …)");
      }
      result.tokenize(text, set);
      break;
    case Landing::url_query_value:
      result.tokenize(text, set);
      for (Piece& piece : result.pieces_) {
        piece.literal = percent_encode(piece.literal, PercentSet::unreserved);
      }
      break;
    default:
      result.tokenize(text, set);
      break;
  }
  if (!placed) {
    return placed.error();
  }
  result.constant_ = std::all_of(result.pieces_.begin(), result.pieces_.end(),
                                 [](const Piece& piece) { return piece.name.empty(); });
  if (result.constant_) {
    std::string whole;
    for (const Piece& piece : result.pieces_) {
      whole.append(piece.literal);
    }
    result.pieces_.clear();
    result.pieces_.push_back({std::move(whole), {}, {}, Position::text});
  }
  return result;
}

const std::string& TextTemplate::constant() const noexcept {
  static const std::string none;
  return pieces_.empty() ? none : pieces_.front().literal;
}

bool TextTemplate::any_present(const Values& values) const noexcept {
  return std::any_of(pieces_.begin(), pieces_.end(),
                     [&](const Piece& piece) { return values.first(piece.indices).present; });
}

Result<void> TextTemplate::append_url(std::string& out, const Values& values) const {
  const auto at = [](const Piece& piece) { return piece.position; };
  std::size_t index = 0;
  for (; index < pieces_.size() && at(pieces_[index]) == Position::scheme; ++index) {
    out.append(pieces_[index].literal);
  }
  const std::size_t host_start = out.size();
  const std::string* last_name = nullptr;
  for (; index < pieces_.size() && at(pieces_[index]) == Position::host; ++index) {
    const Piece& piece = pieces_[index];
    out.append(piece.literal);
    if (!piece.name.empty()) {
      const ValueText text(values.first(piece.indices));
      last_name = &piece.name;
      if (!is_host(text.view())) {
        return bad_value("parameter_bad_host", piece.name, "is no valid host name or host:port");
      }
      out.append(text.view());
    }
  }
  if (last_name != nullptr && !is_host(std::string_view(out).substr(host_start))) {
    return bad_value("parameter_bad_host", *last_name, "makes no valid host name or host:port");
  }
  UrlWriter writer(out, values);
  for (; index < pieces_.size() && at(pieces_[index]) == Position::path; ++index) {
    const Piece& piece = pieces_[index];
    Result<void> written = piece.name.empty() ? writer.literal(piece.literal) : writer.parameter(piece);
    if (!written) {
      return written;
    }
  }
  if (Result<void> checked = writer.end_segment(); !checked) {
    return checked;
  }
  for (; index < pieces_.size(); ++index) {
    const Piece& piece = pieces_[index];
    out.append(piece.literal);
    if (!piece.name.empty()) {
      const ValueText text(values.first(piece.indices));
      append_percent_encoded(out, text.view(), PercentSet::unreserved);
    }
  }
  return {};
}

Result<void> TextTemplate::append_value(std::string& out, const Piece& piece, std::string_view text) const {
  switch (landing_) {
    case Landing::url_query_value:
      append_percent_encoded(out, text, PercentSet::unreserved);
      return {};
    case Landing::header:
      if (!is_field_value(text)) {
        return bad_value("parameter_bad_header", piece.name,
                         "may not stand in a header: it holds CR, LF, NUL or another control character");
      }
      out.append(text);
      return {};
    case Landing::json_text:
      if (piece.position == Position::json_string) {
        append_json_escaped(out, text);
        return {};
      }
      if (!is_json_scalar(text)) {
        return bad_value("parameter_not_json", piece.name, "must be a JSON number, true, false or null");
      }
      out.append(text);
      return {};
    case Landing::json_content:
      append_json_escaped(out, text);
      return {};
    case Landing::html_content:
      append_html_escaped(out, text);
      return {};
    default:
      out.append(text);
      return {};
  }
}

Result<void> TextTemplate::append(std::string& out, const Values& values) const {
  if (constant_) {
    out.append(constant());
    return {};
  }
  if (landing_ == Landing::url || landing_ == Landing::url_path) {
    return append_url(out, values);
  }
  for (const Piece& piece : pieces_) {
    if (piece.name.empty()) {
      out.append(piece.literal);
      continue;
    }
    const ValueText text(values.first(piece.indices));
    if (Result<void> appended = append_value(out, piece, text.view()); !appended) {
      return appended;
    }
  }
  return {};
}

Result<std::string> TextTemplate::render(const Values& values) const {
  std::string out;
  if (Result<void> appended = append(out, values); !appended) {
    return appended.error();
  }
  return out;
}

}  // namespace sluice::parameters
