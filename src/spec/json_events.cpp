// JSON text through nlohmann's SAX interface. That interface tells no places, so a cursor walks along: each
// event is one token further, and what the parser has accepted can be stepped over without parsing it again.
#include <algorithm>
#include <utility>

#include "spec/node_builder.hpp"

namespace sluice::spec {
namespace {

class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  /// Moves to the next token and over it; returns its text.
  std::string_view next() {
    while (at_ < text_.size() && is_between(text_[at_])) {
      step();
    }
    line_ = next_line_;
    column_ = at_ - line_start_ + 1;
    const std::size_t begin = begin_ = at_;
    if (at_ < text_.size() && text_[at_] == '"') {
      ++at_;
      while (at_ < text_.size() && text_[at_] != '"') {
        at_ += text_[at_] == '\\' ? 2 : 1;
      }
      ++at_;
    } else if (at_ < text_.size() && is_bracket(text_[at_])) {
      ++at_;
    } else {
      while (at_ < text_.size() && !is_between(text_[at_]) && !is_bracket(text_[at_])) {
        ++at_;
      }
    }
    at_ = std::min(at_, text_.size());
    return text_.substr(begin, at_ - begin);
  }
  [[nodiscard]] std::size_t line() const noexcept { return line_; }
  [[nodiscard]] std::size_t column() const noexcept { return column_; }
  /// Where the token begins.
  [[nodiscard]] std::size_t begin() const noexcept { return begin_; }

 private:
  static bool is_between(char byte) noexcept {
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n' || byte == ',' || byte == ':';
  }
  static bool is_bracket(char byte) noexcept {
    return byte == '{' || byte == '}' || byte == '[' || byte == ']';
  }
  void step() {
    if (text_[at_] == '\n') {
      ++next_line_;
      line_start_ = at_ + 1;
    }
    ++at_;
  }
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t begin_ = 0;
  std::size_t line_start_ = 0;
  std::size_t next_line_ = 1;
  std::size_t line_ = 1;
  std::size_t column_ = 1;
};

/// "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while parsing value -
/// invalid literal; last read: 'x'; expected end of input" without its number, place and rest of input.
std::string plain_message(std::string message) {
  for (const std::string_view end : {": ", " - "}) {
    if (const std::size_t at = message.find(end); at != std::string::npos) {
      message.erase(0, at + end.size());
    }
  }
  const std::size_t read = message.find("; last read: '");
  if (read != std::string::npos) {
    const std::size_t end = message.rfind('\'');
    const std::size_t expected = message.rfind("; expected ");
    message.erase(read, (expected != std::string::npos && expected > read ? expected : end + 1) - read);
  }
  return message;
}

class Sax final : public nlohmann::json_sax<Json> {
 public:
  Sax(std::string_view text, NodeBuilder& builder) : text_(text), cursor_(text), builder_(builder) {}

  bool null() override { return scalar(NodeKind::null); }
  bool boolean(bool /*value*/) override { return scalar(NodeKind::boolean); }
  bool number_integer(number_integer_t /*value*/) override { return scalar(NodeKind::integer); }
  bool number_unsigned(number_unsigned_t /*value*/) override { return scalar(NodeKind::integer); }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override {
    const std::string_view token = cursor_.next();
    // Integers beyond 64 bits come here too.
    const bool whole = token.find_first_of(".eE") == std::string_view::npos;
    builder_.scalar(mark(), whole ? NodeKind::integer : NodeKind::number, std::string(token));
    return true;
  }
  bool string(string_t& value) override {
    cursor_.next();
    builder_.scalar(mark(), NodeKind::string, std::move(value));
    return true;
  }
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*elements*/) override {
    cursor_.next();
    builder_.start_mapping(mark());
    return true;
  }
  bool key(string_t& value) override { return string(value); }
  bool end_object() override {
    cursor_.next();
    builder_.end_mapping();
    return true;
  }
  bool start_array(std::size_t /*elements*/) override {
    cursor_.next();
    builder_.start_sequence(mark());
    return true;
  }
  bool end_array() override {
    cursor_.next();
    builder_.end_sequence();
    return true;
  }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& failure) override {
    // `position` counts the bytes read, often to the end of the token that is wrong; the cursor stands before
    // that token, or after a comma or colon too many.
    cursor_.next();
    const std::size_t wrong = std::min(cursor_.begin(), position == 0 ? 0 : position - 1);
    const std::string_view before = text_.substr(0, std::min(wrong, text_.size()));
    JsonSyntaxError error;
    error.line = 1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
    const std::size_t line_end = before.rfind('\n');
    error.column = before.size() - (line_end == std::string_view::npos ? 0 : line_end + 1) + 1;
    error.message = plain_message(failure.what());
    failed_ = std::move(error);
    return false;
  }

  std::optional<JsonSyntaxError> take() { return std::move(failed_); }

 private:
  bool scalar(NodeKind kind) {
    const std::string_view token = cursor_.next();
    builder_.scalar(mark(), kind, std::string(token));
    return true;
  }
  [[nodiscard]] Mark mark() const noexcept { return builder_.mark(cursor_.line(), cursor_.column()); }

  std::string_view text_;
  Cursor cursor_;
  NodeBuilder& builder_;
  std::optional<JsonSyntaxError> failed_;
};

}  // namespace

JsonEnd read_json(std::string_view text, NodeBuilder& builder) {
  Sax sax(text, builder);
  JsonEnd end;
  try {
    end.complete = Json::sax_parse(text, &sax);
    end.syntax_error = sax.take();
  } catch (const StopParsing&) {
    end.complete = false;
  }
  return end;
}

}  // namespace sluice::spec
