/// JSON written straight to text, for what is made once a request: no tree, no allocation but the text's own.
/// Documents and settings are better kept as a Json (json.hpp).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/base/codec.hpp"

namespace sluice {

/// Appends one JSON value (RFC 8259) to a string that it does not own; commas come by themselves. The caller
/// keeps to the grammar: a key before each member's value, as many ends as begins, no name twice in an
/// object. Ill-formed UTF-8 becomes U+FFFD. Not thread-safe.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) noexcept : out_(out) {}

  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }
  void key(std::string_view name) {
    separate();
    quote(name);
    out_.push_back(':');
    comma_ = false;
  }
  /// A name that has nothing to escape: a literal, or a token (RFC 9110 section 5.6.2).
  void plain_key(std::string_view name) {
    separate();
    out_.push_back('"');
    out_.append(name).append("\":");
    comma_ = false;
  }
  void value(std::string_view text) {
    separate();
    quote(text);
    comma_ = true;
  }
  void value(bool truth) { raw(truth ? "true" : "false"); }
  void value(std::int64_t number) { raw(std::to_string(number)); }
  /// JSON text as it is: one whole value.
  void raw(std::string_view json) {
    separate();
    out_.append(json);
    comma_ = true;
  }
  // A literal would be taken for a bool.
  void value(const char* text) { value(std::string_view(text)); }
  /// As plain_key() and value().
  template <typename Value>
  void member(std::string_view name, const Value& what) {
    plain_key(name);
    value(what);
  }

 private:
  void separate() {
    if (comma_) {
      out_.push_back(',');
    }
  }
  void open(char bracket) {
    separate();
    out_.push_back(bracket);
    comma_ = false;
  }
  void close(char bracket) {
    out_.push_back(bracket);
    comma_ = true;
  }
  void quote(std::string_view text) {
    out_.push_back('"');
    append_json_escaped(out_, text);
    out_.push_back('"');
  }

  std::string& out_;
  bool comma_ = false;  ///< a value stands before what comes next
};

}  // namespace sluice
