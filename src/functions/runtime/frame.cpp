#include "functions/runtime/frame.hpp"

#include <algorithm>
#include <cstring>

namespace sluice::functions::runtime {
namespace {

void append_number(std::string& out, std::uint32_t number) {
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    out.push_back(static_cast<char>((number >> shift) & 0xFFU));
  }
}

std::uint32_t read_number(const char* at) {
  std::uint32_t number = 0;
  for (std::size_t index = 0; index < 4; ++index) {
    number = (number << 8U) | static_cast<unsigned char>(at[index]);
  }
  return number;
}

std::string_view take(std::string_view& bytes, std::size_t most) {
  const std::string_view part = bytes.substr(0, most);
  bytes.remove_prefix(part.size());
  return part;
}

}  // namespace

void append_frame_header(std::string& out, FrameType type, std::uint32_t id, std::size_t head_bytes,
                         std::size_t body_bytes) {
  out.push_back(static_cast<char>(protocol_version));
  out.push_back(static_cast<char>(type));
  out.append(2, '\0');
  append_number(out, id);
  append_number(out, static_cast<std::uint32_t>(head_bytes));
  append_number(out, static_cast<std::uint32_t>(body_bytes));
}

bool FrameReader::read_header() {
  const auto byte = [&](std::size_t index) { return static_cast<unsigned char>(header_[index]); };
  if (byte(0) != protocol_version || byte(1) < static_cast<unsigned>(FrameType::invoke) ||
      byte(1) > static_cast<unsigned>(FrameType::start_failed) || byte(2) != 0 || byte(3) != 0) {
    return false;
  }
  type_ = static_cast<FrameType>(byte(1));
  id_ = read_number(header_ + 4);
  head_left_ = read_number(header_ + 8);
  body_left_ = read_number(header_ + 12);
  too_large_ = body_left_ > body_most_;
  return head_left_ <= frame_head_most;
}

FrameReader::State FrameReader::feed(std::string_view& bytes) {
  if (header_size_ < frame_header_bytes) {
    const std::string_view part = take(bytes, frame_header_bytes - header_size_);
    std::memcpy(header_ + header_size_, part.data(), part.size());
    header_size_ += part.size();
    if (header_size_ < frame_header_bytes) {
      return State::more;
    }
    if (!read_header()) {
      return State::malformed;
    }
  }
  const std::string_view head = take(bytes, head_left_);
  head_.append(head);
  head_left_ -= head.size();
  if (head_left_ == 0) {
    const std::string_view body = take(bytes, body_left_);
    if (!too_large_) {
      if (body_.empty() && body.size() < body_left_) {
        // Room for what has been announced is made as it comes: an announcement costs the worker nothing.
        body_.reserve(std::min(body_left_, std::size_t{1} << 20U));
      }
      body_.append(body);
    }
    body_left_ -= body.size();
  }
  return head_left_ == 0 && body_left_ == 0 ? State::complete : State::more;
}

void FrameReader::reset() {
  header_size_ = 0;
  head_left_ = 0;
  body_left_ = 0;
  too_large_ = false;
  head_.clear();
  body_.clear();
}

}  // namespace sluice::functions::runtime
