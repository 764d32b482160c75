#include "sluice/http/file_body.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <boost/asio/post.hpp>

namespace sluice::http {
namespace {

/// After so much the worker's other connections have their turn.
constexpr std::uint64_t turn_bytes = std::uint64_t{1} << 20U;

class FileBody final : public BodySource {
 public:
  FileBody(FileDescriptor file, std::uint64_t offset, std::uint64_t size, net::Worker& worker)
      : file_(std::move(file)), worker_(worker), range_{file_.get(), offset, size}, size_(size) {}

  net::Awaitable<Result<std::string_view>> read() override {
    if (turn_ >= turn_bytes) {
      turn_ = 0;
      co_await net::asio::post(worker_.executor(), net::use_awaitable);
    }
    co_return next();
  }
  std::optional<Result<std::string_view>> try_read() override {
    if (turn_ >= turn_bytes && range_.left > 0) {
      return std::nullopt;
    }
    return next();
  }
  [[nodiscard]] std::optional<std::uint64_t> size() const noexcept override { return size_; }
  FileRange* file_range() noexcept override { return &range_; }

 private:
  Result<std::string_view> next() {
    if (range_.left == 0) {
      buffer_.release();
      return std::string_view();
    }
    if (!buffer_) {
      buffer_ = worker_.buffers().lease();
    }
    Result<std::size_t> got = range_.read(buffer_.data(), buffer_.size());
    if (!got) {
      return std::move(got).error();
    }
    if (*got == 0) {
      return internal_error("the file became shorter while it was sent");
    }
    turn_ += *got;
    return std::string_view(buffer_.data(), *got);
  }

  FileDescriptor file_;
  net::Worker& worker_;
  FileRange range_;
  std::uint64_t size_;
  std::uint64_t turn_ = 0;
  net::BufferLease buffer_;
};

}  // namespace

Result<std::size_t> FileRange::read(char* out, std::size_t size) {
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(size, left));
  for (;;) {
    const ssize_t got = ::pread(descriptor, out, wanted, static_cast<off_t>(offset));
    if (got >= 0) {
      const auto count = static_cast<std::size_t>(got);
      offset += count;
      left -= count;
      return count;
    }
    if (errno != EINTR) {
      Error error;
      error.code = ErrorCode::io;
      error.detail = std::string("a file cannot be read: ") + std::strerror(errno);
      return error;
    }
  }
}

std::unique_ptr<BodySource> make_file_body(FileDescriptor file, std::uint64_t offset, std::uint64_t size,
                                           net::Worker& worker) {
  return std::make_unique<FileBody>(std::move(file), offset, size, worker);
}

}  // namespace sluice::http
