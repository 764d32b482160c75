#include "sluice/http/h1/chunk.hpp"

#include <algorithm>

#include "http/h1/line_grammar.hpp"

namespace sluice::http::h1 {
namespace {

constexpr std::string_view bad_size = "a chunk's size is malformed";
constexpr std::string_view bad_extension = "a chunk's extension is malformed";
constexpr std::string_view bad_end = "a chunk does not end in CRLF";

int hex_value(char digit) noexcept {
  if (digit >= '0' && digit <= '9') {
    return digit - '0';
  }
  const char lower = static_cast<char>(digit | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

void ChunkDecoder::reset() noexcept {
  state_ = State::size_start;
  digits_ = 0;
  remaining_ = 0;
  extension_bytes_ = 0;
  line_ = 0;
  trailer_text_.clear();
  trailers_.clear();
  failure_ = {};
  failure_is_size_ = false;
}

Error ChunkDecoder::fail(std::string_view detail, bool too_large) {
  state_ = State::failed;
  failure_ = detail;
  failure_is_size_ = too_large;
  if (source_ == ErrorSource::upstream) {
    Error error = upstream_error(ErrorCode::malformed, std::string(detail));
    error.slug = "bad_response";
    return error;
  }
  Error error = downstream_error(
      too_large ? ErrorCode::too_large : ErrorCode::invalid, too_large ? "trailers_too_large" : "bad_chunk",
      "The request's body is malformed: " + std::string(detail), too_large ? 431 : 400);
  return error;
}

std::string_view ChunkDecoder::step_size(char byte) {
  const int value = hex_value(byte);
  if (value >= 0) {
    constexpr unsigned most_digits = 16;
    if (++digits_ > most_digits || remaining_ >> 59U != 0) {
      return bad_size;
    }
    remaining_ = remaining_ << 4U | static_cast<std::uint64_t>(value);
    state_ = State::size;
    return {};
  }
  if (state_ == State::size_start) {
    return bad_size;
  }
  if (byte == '\r') {
    state_ = State::size_line_feed;
  } else if (byte == ';') {
    state_ = State::extension_name_start;
  } else if (is_space(byte)) {
    state_ = State::extension_space;
  } else {
    return bad_size;
  }
  return {};
}

/// RFC 9112 section 7.1.1: *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ).
std::string_view ChunkDecoder::step_extension(char byte) {
  const auto separator = [&](State after_space) {
    if (byte == ';') {
      state_ = State::extension_name_start;
    } else if (is_space(byte)) {
      state_ = after_space;
    } else if (byte == '\r' && state_ != after_space) {
      state_ = State::size_line_feed;
    } else {
      return false;
    }
    return true;
  };
  const auto control = [&] {
    const auto value = static_cast<unsigned char>(byte);
    return (value < 0x20 && byte != '\t') || value == 0x7F;
  };
  bool good = true;
  switch (state_) {
    case State::extension_space:
      good = separator(State::extension_space);
      break;
    case State::extension_name_start:
      if (is_token_byte(byte)) {
        state_ = State::extension_name;
      } else {
        good = is_space(byte);
      }
      break;
    case State::extension_name:
    case State::extension_name_end:
      if (byte == '=') {
        state_ = State::extension_value_start;
      } else if (state_ != State::extension_name || !is_token_byte(byte)) {
        good = separator(State::extension_name_end);
      }
      break;
    case State::extension_value_start:
      if (byte == '"') {
        state_ = State::extension_quoted;
      } else if (is_token_byte(byte)) {
        state_ = State::extension_value;
      } else {
        good = is_space(byte);
      }
      break;
    case State::extension_value:
      good = is_token_byte(byte) || separator(State::extension_space);
      break;
    case State::extension_quoted:
      if (byte == '"') {
        state_ = State::extension_quoted_end;
      } else if (byte == '\\') {
        state_ = State::extension_quoted_pair;
      } else {
        good = !control();
      }
      break;
    case State::extension_quoted_pair:
      state_ = State::extension_quoted;
      good = !control();
      break;
    default:
      good = separator(State::extension_space);
      break;
  }
  if (good && ++extension_bytes_ > limits_.extension_bytes) {
    return "the chunk extensions are too long";
  }
  return good ? std::string_view() : bad_extension;
}

/// One byte of the lines between the data; what is wrong with it, or empty.
std::string_view ChunkDecoder::step(char byte) {
  switch (state_) {
    case State::size_start:
    case State::size:
      return step_size(byte);
    case State::size_line_feed:
      if (byte != '\n') {
        return bad_end;
      }
      state_ = remaining_ == 0 ? State::trailer : State::data;
      digits_ = 0;
      return {};
    case State::data_carriage_return:
      state_ = State::data_line_feed;
      return byte == '\r' ? std::string_view() : bad_end;
    case State::data_line_feed:
      state_ = State::size_start;
      return byte == '\n' ? std::string_view() : bad_end;
    default:
      return step_extension(byte);
  }
}

/// `bytes` end a line or are all that there is of one.
Result<void> ChunkDecoder::take_trailer_line(std::string_view bytes) {
  trailer_text_.append(bytes);
  if (trailer_text_.size() > limits_.trailer_bytes) {
    return fail("the trailers are too large", true);
  }
  const std::string_view line = std::string_view(trailer_text_).substr(line_);
  if (line.front() == ' ' || line.front() == '\t') {
    return fail("a trailer line is folded");
  }
  if (line.back() != '\n') {
    return {};
  }
  if (line.size() < 2 || line[line.size() - 2] != '\r') {
    return fail("a trailer line does not end in CRLF");
  }
  line_ = trailer_text_.size();
  if (line.size() > 2) {
    return {};
  }
  return finish_trailers();
}

Result<void> ChunkDecoder::finish_trailers() {
  const char* at = trailer_text_.data();
  const char* const end = at + trailer_text_.size();
  FieldLine line;
  LineResult result = LineResult::line;
  for (std::size_t count = 1; (result = read_field_line(at, end, line)) == LineResult::line; ++count) {
    at = line.next;
    if (count > limits_.trailer_fields) {
      return fail("there are too many trailers", true);
    }
    const FieldId id = field_id(line.name);
    if (id == FieldId::content_length || id == FieldId::transfer_encoding || id == FieldId::host) {
      return fail("a trailer would frame or route the message");
    }
    if (id == FieldId::unknown || id == FieldId::etag) {
      trailers_.add(line.name, line.value);
    }
  }
  if (result != LineResult::end) {
    return fail("a trailer is malformed");
  }
  state_ = State::done;
  return {};
}

Result<ChunkDecoder::Step> ChunkDecoder::feed(std::string_view input) {
  if (state_ == State::failed) {
    return fail(failure_, failure_is_size_);
  }
  Step out;
  while (out.consumed < input.size() && state_ != State::done) {
    const std::string_view rest = input.substr(out.consumed);
    if (state_ == State::data) {
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, rest.size()));
      remaining_ -= size;
      if (remaining_ == 0) {
        state_ = State::data_carriage_return;
      }
      out.data = rest.substr(0, size);
      out.consumed += size;
      return out;
    }
    if (state_ == State::trailer) {
      const std::size_t feed_at = rest.find('\n');
      const std::string_view part = rest.substr(0, feed_at == std::string_view::npos ? feed_at : feed_at + 1);
      const Result<void> taken = take_trailer_line(part);
      if (taken.has_error()) {
        return taken.error();
      }
      out.consumed += part.size();
      continue;
    }
    const std::string_view wrong = step(rest.front());
    if (!wrong.empty()) {
      return fail(wrong);
    }
    ++out.consumed;
  }
  out.done = state_ == State::done;
  return out;
}

std::string_view format_chunk_head(std::array<char, 18>& buffer, std::size_t size) noexcept {
  std::size_t at = buffer.size();
  buffer[--at] = '\n';
  buffer[--at] = '\r';
  do {
    buffer[--at] = "0123456789abcdef"[size & 15U];
    size >>= 4U;
  } while (size != 0);
  return {buffer.data() + at, buffer.size() - at};
}

void append_chunk(std::string& out, std::string_view data) {
  if (data.empty()) {
    return;
  }
  std::array<char, 18> buffer{};
  out.append(format_chunk_head(buffer, data.size())).append(data).append("\r\n");
}

void append_last_chunk(std::string& out, const Headers* trailers) {
  out.append("0\r\n");
  if (trailers != nullptr) {
    for (const Headers::Field field : *trailers) {
      out.append(field.name).append(": ").append(field.value).append("\r\n");
    }
  }
  out.append("\r\n");
}

}  // namespace sluice::http::h1
