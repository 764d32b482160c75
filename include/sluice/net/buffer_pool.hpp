/// Buffers of a worker. A connection leases one while it has work and gives it back while it is idle, so that
/// ten thousand idle connections hold none. Single-threaded.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace sluice::net {

class BufferPool;

/// Owns one buffer of the pool; movable; gives it back when destroyed. The pool must outlive it.
class BufferLease {
 public:
  BufferLease() = default;
  BufferLease(BufferLease&& other) noexcept;
  BufferLease& operator=(BufferLease&& other) noexcept;
  BufferLease(const BufferLease&) = delete;
  BufferLease& operator=(const BufferLease&) = delete;
  ~BufferLease() { release(); }

  [[nodiscard]] char* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] explicit operator bool() const noexcept { return data_ != nullptr; }
  void release() noexcept;

 private:
  friend class BufferPool;
  BufferLease(BufferPool* pool, char* data) noexcept : pool_(pool), data_(data) {}
  BufferPool* pool_ = nullptr;
  char* data_ = nullptr;
};

class BufferPool {
 public:
  /// `keep`: how many free buffers stay allocated.
  explicit BufferPool(std::size_t buffer_size = std::size_t{64} << 10U, std::size_t keep = 64);
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool();
  BufferLease lease();
  [[nodiscard]] std::size_t buffer_size() const noexcept { return buffer_size_; }
  [[nodiscard]] std::size_t leased() const noexcept { return leased_; }

 private:
  friend class BufferLease;
  void give_back(char* data) noexcept;
  std::size_t buffer_size_;
  std::size_t keep_;
  std::size_t leased_ = 0;
  std::vector<std::unique_ptr<char[]>> free_;
};

}  // namespace sluice::net
