// Finds the end of an HTTP/1.1 response in a stream of bytes: what the load tool needs, no more.
#pragma once

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

class ResponseScanner {
 public:
  void reset() { *this = ResponseScanner(); }

  // Takes bytes until the response is complete and returns how many it took.
  std::size_t feed(std::string_view bytes) {
    std::size_t used = 0;
    while (used < bytes.size() && state_ != State::done && state_ != State::failed) {
      used += step(bytes.substr(used));
    }
    return used;
  }
  // The stream ended: completes a response that has no length.
  void end() {
    if (state_ == State::until_close) {
      state_ = State::done;
    }
  }

  [[nodiscard]] bool complete() const { return state_ == State::done; }
  [[nodiscard]] bool failed() const { return state_ == State::failed; }
  [[nodiscard]] bool closes() const { return closes_; }
  [[nodiscard]] int status() const { return status_; }

 private:
  enum class State { head, fixed, chunk_size, chunk_data, chunk_end, trailer, until_close, done, failed };

  std::size_t step(std::string_view bytes) {
    switch (state_) {
      case State::head:
        return take_head(bytes);
      case State::fixed:
      case State::chunk_data: {
        const auto count = std::min<std::uint64_t>(left_, bytes.size());
        left_ -= count;
        if (left_ == 0) {
          state_ = state_ == State::fixed ? State::done : State::chunk_end;
        }
        return static_cast<std::size_t>(count);
      }
      case State::until_close:
        return bytes.size();
      case State::chunk_size:
      case State::chunk_end:
      case State::trailer:
        return take_line(bytes);
      case State::done:
      case State::failed:
        break;
    }
    return bytes.size();
  }

  std::size_t take_head(std::string_view bytes) {
    const std::size_t before = text_.size();
    text_.append(bytes);
    const std::size_t from = before < 3 ? 0 : before - 3;
    const auto end = text_.find("\r\n\r\n", from);
    if (end == std::string::npos) {
      if (text_.size() > (std::size_t{64} << 10U)) {
        state_ = State::failed;
      }
      return bytes.size();
    }
    const std::size_t used = end + 4 - before;
    text_.resize(end + 2);
    parse_head();
    text_.clear();
    return used;
  }

  void parse_head() {
    state_ = State::failed;
    if (text_.size() < 14 || !text_.starts_with("HTTP/1.")) {
      return;
    }
    std::from_chars(text_.data() + 9, text_.data() + 12, status_);
    bool chunked = false;
    bool sized = false;
    for (std::size_t at = text_.find("\r\n") + 2; at < text_.size();) {
      const std::size_t end = text_.find("\r\n", at);
      std::string line = text_.substr(at, end - at);
      at = end + 2;
      std::transform(line.begin(), line.end(), line.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      const std::string_view view = line;
      if (view.starts_with("content-length:")) {
        const auto digits = view.substr(std::min(view.find_first_of("0123456789"), view.size()));
        sized = std::from_chars(digits.data(), digits.data() + digits.size(), left_).ec == std::errc{};
      } else if (view.starts_with("transfer-encoding:") && view.find("chunked") != std::string_view::npos) {
        chunked = true;
      } else if (view.starts_with("connection:") && view.find("close") != std::string_view::npos) {
        closes_ = true;
      }
    }
    if (status_ / 100 == 1) {
      state_ = State::head;
    } else if (status_ == 204 || status_ == 304) {
      state_ = State::done;
    } else if (chunked) {
      state_ = State::chunk_size;
    } else if (sized) {
      state_ = left_ == 0 ? State::done : State::fixed;
    } else {
      state_ = State::until_close;
      closes_ = true;
    }
  }

  std::size_t take_line(std::string_view bytes) {
    const auto end = bytes.find('\n');
    text_.append(bytes.substr(0, end));
    if (end == std::string_view::npos) {
      if (text_.size() > 4096) {
        state_ = State::failed;
      }
      return bytes.size();
    }
    if (text_.empty() || text_.back() != '\r') {
      state_ = State::failed;
      return end + 1;
    }
    text_.pop_back();
    if (state_ == State::chunk_size) {
      left_ = 0;
      const auto parsed = std::from_chars(text_.data(), text_.data() + text_.size(), left_, 16);
      if (parsed.ec != std::errc{}) {
        state_ = State::failed;
      } else {
        state_ = left_ == 0 ? State::trailer : State::chunk_data;
      }
    } else if (state_ == State::chunk_end) {
      state_ = text_.empty() ? State::chunk_size : State::failed;
    } else if (text_.empty()) {
      state_ = State::done;
    }
    text_.clear();
    return end + 1;
  }

  State state_ = State::head;
  std::string text_;
  std::uint64_t left_ = 0;
  int status_ = 0;
  bool closes_ = false;
};

}  // namespace bench
