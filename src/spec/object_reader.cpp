#include "sluice/spec/object_reader.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "spec/suggest.hpp"

namespace sluice::spec {
namespace {

const Node& null_node() {
  static const Node node;
  return node;
}

std::string ticked(std::string_view key) {
  return '`' + std::string(key) + '`';
}

/// A decimal rendering without a tail of zeros, for bounds in messages.
std::string plain(double value) {
  if (value == std::floor(value) && std::abs(value) < 1e15) {
    return std::to_string(static_cast<std::int64_t>(value));
  }
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

bool is_free_key(std::string_view key) noexcept {
  return key.substr(0, 2) == "x-" && key.substr(0, 5) != "x-yc-" && key.substr(0, 9) != "x-sluice-";
}

/// nullopt beyond 64 bits.
std::optional<std::int64_t> integer_value(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  int base = 10;
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'o')) {
    base = text[1] == 'x' ? 16 : 8;
    text.remove_prefix(2);
  }
  std::int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return negative ? -value : value;
}

std::optional<double> number_value(std::string_view text) {
  if (!text.empty() && text.front() == '+') {
    text.remove_prefix(1);
  }
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

ObjectReader::ObjectReader(const Document& document, const Node& node, std::string what,
                           Diagnostics& diagnostics, Severity unknown_keys)
    : document_(document),
      node_(document.resolve(node) == nullptr ? null_node() : *document.resolve(node)),
      what_(std::move(what)),
      diagnostics_(diagnostics),
      unknown_keys_(unknown_keys),
      usable_(node_.is_mapping()) {
  // A broken $ref was reported when the document was loaded.
  if (!usable_ && document.resolve(node) != nullptr) {
    error(node_, "wrong-type", what_ + " must be a mapping, it is " + node_.describe(),
          "write `key: value` lines under it");
  }
}

ObjectReader::~ObjectReader() {
  if (!usable_) {
    return;
  }
  const std::vector<std::string_view> names(known_.begin(), known_.end());
  for (const Member& member : node_.members) {
    if (std::find(known_.begin(), known_.end(), member.key) != known_.end() || is_free_key(member.key)) {
      continue;
    }
    std::string_view near = suggest(diagnostics_, member.key, names);
    for (const std::string_view name : names) {
      if (near.empty() && member.key.size() >= 3 && name.substr(0, member.key.size()) == member.key) {
        near = name;  // `table` for `table_name`, `dir` for `directory`
      }
    }
    Diagnostic diagnostic;
    diagnostic.place = document_.place(member.mark);
    diagnostic.severity = unknown_keys_;
    diagnostic.rule = "unknown-key";
    diagnostic.message = "the key " + ticked(member.key) + " means nothing in " + what_;
    diagnostic.hint = near.empty() ? "remove it" : "did you mean " + ticked(near) + "?";
    diagnostics_.add(std::move(diagnostic));
  }
}

void ObjectReader::accept(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
    known_.emplace_back(key);
  }
}

const Node* ObjectReader::node(std::string_view key) {
  accept(key);
  if (!usable_) {
    return nullptr;
  }
  const Node* value = node_.find(key);
  return value == nullptr ? nullptr : document_.resolve(*value);
}

void ObjectReader::tell_rivals(std::initializer_list<std::string_view> keys) {
  const Member* first = nullptr;
  for (const std::string_view key : keys) {
    const Member* member = usable_ ? node_.find_member(key) : nullptr;
    const Node* value = member == nullptr ? nullptr : document_.resolve(*member->value);
    if (value == nullptr || value->is_null()) {
      continue;
    }
    if (first == nullptr) {
      first = member;
      continue;
    }
    const Node* used = document_.resolve(*first->value);
    if (!used->is_scalar() || !value->is_scalar() || used->text != value->text) {
      diagnostics_.add({document_.place(member->mark), unknown_keys_, "repeated-option",
                        ticked(key) + " is another spelling of " + ticked(first->key) + " (line " +
                            std::to_string(document_.place(first->mark).line) +
                            "), which has another value and is used",
                        "keep one of them"});
    }
  }
}

const Node* ObjectReader::node(std::initializer_list<std::string_view> keys) {
  tell_rivals(keys);
  const Node* found = nullptr;
  for (const std::string_view key : keys) {
    const Node* value = node(key);
    if (value != nullptr && (found == nullptr || found->is_null())) {
      found = value;
    }
  }
  return found;
}

bool ObjectReader::has(std::string_view key) {
  accept(key);
  if (!usable_) {
    return false;
  }
  const Node* value = node_.find(key);
  return value != nullptr && !value->is_null();
}

const Node& ObjectReader::required_node(std::string_view key) {
  const Node* value = node(key);
  if (value != nullptr && !value->is_null()) {
    return *value;
  }
  // A broken $ref is there, and was reported already.
  if (usable_ && !has(key)) {
    const Member* member = node_.find_member(key);
    diagnostics_.error(document_.place(member == nullptr ? node_.mark : member->mark), "missing-option",
                       what_ + " needs " + ticked(key), "add it");
  }
  return null_node();
}

std::optional<std::string> ObjectReader::string(std::string_view key) {
  const Node* value = node(key);
  if (value == nullptr || value->is_null()) {
    return std::nullopt;
  }
  if (!value->is_string()) {
    wrong_kind(*value, key, "a string");
    return std::nullopt;
  }
  return value->text;
}

std::optional<std::string> ObjectReader::string(std::initializer_list<std::string_view> keys) {
  tell_rivals(keys);
  std::optional<std::string> found;
  for (const std::string_view key : keys) {
    std::optional<std::string> value = string(key);
    if (!found) {
      found = std::move(value);
    }
  }
  return found;
}

std::optional<std::string> ObjectReader::scalar_text(std::string_view key) {
  const Node* value = node(key);
  if (value == nullptr || value->is_null()) {
    return std::nullopt;
  }
  if (!value->is_scalar()) {
    wrong_kind(*value, key, "a string or a number");
    return std::nullopt;
  }
  return value->text;
}

std::string ObjectReader::required_string(std::string_view key, std::string_view hint) {
  const Node* value = node(key);
  if (value == nullptr || value->is_null()) {
    if (usable_ && !has(key)) {
      const Member* member = node_.find_member(key);
      diagnostics_.error(document_.place(member == nullptr ? node_.mark : member->mark), "missing-option",
                         what_ + " needs " + ticked(key), hint.empty() ? "add it" : std::string(hint));
    }
    return {};
  }
  if (!value->is_string()) {
    wrong_kind(*value, key, "a string");
    return {};
  }
  if (value->text.empty()) {
    // A variable whose default is empty is filled in by the configuration, which a linter does not know.
    diagnostics_.add({document_.place(value->mark), unknown_keys_, "empty-option",
                      ticked(key) + " of " + what_ + " is empty",
                      hint.empty() ? "write its value" : std::string(hint)});
  }
  return value->text;
}

std::optional<bool> ObjectReader::boolean(std::string_view key) {
  const Node* value = node(key);
  if (value == nullptr || value->is_null()) {
    return std::nullopt;
  }
  if (value->kind != NodeKind::boolean) {
    wrong_kind(*value, key, "true or false");
    return std::nullopt;
  }
  return value->text[0] == 't' || value->text[0] == 'T';
}

std::optional<bool> ObjectReader::boolean(std::initializer_list<std::string_view> keys) {
  tell_rivals(keys);
  std::optional<bool> found;
  for (const std::string_view key : keys) {
    const std::optional<bool> value = boolean(key);
    if (!found) {
      found = value;
    }
  }
  return found;
}

std::optional<std::int64_t> ObjectReader::integer(std::string_view key, std::int64_t min, std::int64_t max) {
  const Node* value = node(key);
  if (value == nullptr || value->is_null()) {
    return std::nullopt;
  }
  if (value->kind != NodeKind::integer) {
    wrong_kind(*value, key, "an integer");
    return std::nullopt;
  }
  const std::optional<std::int64_t> number = integer_value(value->text);
  if (!number || *number < min || *number > max) {
    error(*value, "out-of-range",
          ticked(key) + " of " + what_ + " is " + value->text + ", it must be from " + std::to_string(min) +
              " to " + std::to_string(max));
    return std::nullopt;
  }
  return number;
}

std::optional<double> ObjectReader::number(std::string_view key, double min, double max) {
  const Node* value = node(key);
  if (value == nullptr || value->is_null()) {
    return std::nullopt;
  }
  if (!value->is_number()) {
    wrong_kind(*value, key, "a number");
    return std::nullopt;
  }
  std::optional<double> number;
  if (value->kind == NodeKind::integer) {
    if (const std::optional<std::int64_t> whole = integer_value(value->text)) {
      number = static_cast<double>(*whole);
    }
  }
  if (!number) {
    number = number_value(value->text);
  }
  if (!number || *number < min || *number > max) {
    error(*value, "out-of-range",
          ticked(key) + " of " + what_ + " is " + value->text + ", it must be from " + plain(min) + " to " +
              plain(max));
    return std::nullopt;
  }
  return number;
}

std::optional<std::string> ObjectReader::one_of(std::string_view key,
                                                const std::vector<std::string_view>& values) {
  const Node* value = node(key);
  if (value == nullptr || value->is_null()) {
    return std::nullopt;
  }
  // 0.1 and 1.0 are numbers to YAML.
  if (value->is_scalar() && std::find(values.begin(), values.end(), value->text) != values.end()) {
    return value->text;
  }
  std::string list;
  for (const std::string_view one : values) {
    list += (list.empty() ? "" : ", ") + std::string(one);
  }
  const std::string_view near =
      value->is_string() ? suggest(diagnostics_, value->text, values) : std::string_view();
  error(*value, "unknown-value",
        ticked(key) + " of " + what_ + " must be one of " + list + ", it is " + value->describe(),
        near.empty() ? std::string() : "did you mean " + ticked(near) + "?");
  return std::nullopt;
}

void ObjectReader::error(const Node& at, std::string_view rule, std::string message, std::string hint) {
  diagnostics_.error(document_.place(at.mark), rule, std::move(message), std::move(hint));
}

void ObjectReader::warning(const Node& at, std::string_view rule, std::string message, std::string hint) {
  diagnostics_.warning(document_.place(at.mark), rule, std::move(message), std::move(hint));
}

void ObjectReader::wrong_kind(const Node& at, std::string_view key, std::string_view wanted) {
  // `key: {name}` is a mapping to YAML; people mean a placeholder or a parameter.
  const bool braces = at.is_mapping() && at.members.size() == 1 && at.members.front().value->is_null() &&
                      wanted != "true or false";
  error(at, "wrong-type",
        ticked(key) + " of " + what_ + " must be " + std::string(wanted) + ", it is " + at.describe(),
        braces ? "put text in braces in quotes: '{" + at.members.front().key + "}'" : std::string());
}

}  // namespace sluice::spec
