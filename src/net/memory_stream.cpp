#include <algorithm>
#include <cstring>

#include "sluice/net/stream.hpp"

namespace sluice::net {
namespace {

/// Somebody who waits for the pipe; the end is posted, as a socket's would be.
struct Pending {
  Stream::Callback callback = nullptr;
  void* context = nullptr;
  bool cancelled = false;
  bool posted = false;
};

/// One direction.
struct Pipe : std::enable_shared_from_this<Pipe> {
  Pipe(Executor its_executor, std::size_t its_capacity)
      : executor(std::move(its_executor)), capacity(its_capacity) {}

  [[nodiscard]] bool readable() const noexcept { return !bytes.empty() || ended || reset; }
  [[nodiscard]] bool writable() const noexcept { return bytes.size() < capacity || reset || reader_gone; }

  void notify() {
    post_if(reader, readable(), &Pipe::finish_read);
    post_if(writer, writable(), &Pipe::finish_write);
  }

  void post_if(Pending& pending, bool ready, void (Pipe::*finish)()) {
    if (pending.callback != nullptr && !pending.posted && (ready || pending.cancelled)) {
      pending.posted = true;
      asio::post(executor, [self = shared_from_this(), finish] { ((*self).*finish)(); });
    }
  }

  std::size_t take(asio::mutable_buffer buffer) {
    const std::size_t size = std::min(buffer.size(), bytes.size());
    std::memcpy(buffer.data(), bytes.data(), size);
    bytes.erase(0, size);
    return size;
  }

  static void finish(Pending& waiting) {
    const Pending pending = std::exchange(waiting, {});
    if (pending.callback != nullptr) {
      pending.callback(pending.context, pending.cancelled ? IoStatus::cancelled : IoStatus::ok);
    }
  }
  void finish_read() { finish(reader); }
  void finish_write() { finish(writer); }

  Executor executor;
  std::size_t capacity;
  std::string bytes;
  bool ended = false;        ///< the writer's clean end
  bool reset = false;        ///< broken for both
  bool reader_gone = false;  ///< nobody reads any more
  Pending reader;
  Pending writer;
};

class MemoryStream final : public Stream {
 public:
  MemoryStream(std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out)
      : in_(std::move(in)), out_(std::move(out)) {}
  ~MemoryStream() override {
    in_->reader = {};
    out_->writer = {};
    MemoryStream::close(false);
  }

  void start_wait_readable(WaitMode /*mode*/, Callback callback, void* context) override {
    in_->reader = {.callback = callback, .context = context, .cancelled = !open_};
    in_->notify();
  }
  void start_wait_writable(Callback callback, void* context) override {
    out_->writer = {.callback = callback, .context = context, .cancelled = !open_};
    out_->notify();
  }

  Result<std::optional<std::size_t>> try_read(asio::mutable_buffer buffer) override {
    if (in_->reset || !open_) {
      return stream_error(IoStatus::closed);
    }
    if (!in_->readable()) {
      return std::optional<std::size_t>();
    }
    const std::size_t size = in_->take(buffer);
    in_->notify();
    return std::optional(size);
  }

  Result<std::size_t> try_write(std::span<const asio::const_buffer> buffers) override {
    if (!open_ || out_->reset || out_->ended || out_->reader_gone) {
      return stream_error(IoStatus::closed);
    }
    std::size_t written = 0;
    for (const asio::const_buffer& buffer : buffers) {
      const std::size_t room = out_->capacity - std::min(out_->capacity, out_->bytes.size());
      const std::size_t size = std::min(room, buffer.size());
      out_->bytes.append(static_cast<const char*>(buffer.data()), size);
      written += size;
      if (size < buffer.size()) {
        break;
      }
    }
    out_->notify();
    return written;
  }

  void cancel() noexcept override {
    in_->reader.cancelled = true;
    in_->notify();
    out_->writer.cancelled = true;
    out_->notify();
  }

  void shutdown() noexcept override {
    out_->ended = true;
    out_->notify();
  }

  void close(bool reset) noexcept override {
    if (!std::exchange(open_, false)) {
      return;
    }
    cancel();
    in_->reader_gone = true;
    if (reset) {
      out_->bytes.clear();
      out_->reset = true;
      in_->reset = true;
    }
    out_->ended = true;
    out_->notify();
    in_->notify();
  }

  [[nodiscard]] bool is_open() const noexcept override { return open_; }

 private:
  std::shared_ptr<Pipe> in_;
  std::shared_ptr<Pipe> out_;
  bool open_ = true;
};

}  // namespace

std::pair<std::unique_ptr<Stream>, std::unique_ptr<Stream>> make_memory_streams(const Executor& executor,
                                                                                std::size_t capacity) {
  auto there = std::make_shared<Pipe>(executor, capacity);
  auto back = std::make_shared<Pipe>(executor, capacity);
  return {std::make_unique<MemoryStream>(there, back), std::make_unique<MemoryStream>(back, there)};
}

}  // namespace sluice::net
