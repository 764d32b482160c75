#include "sluice/net/buffer_pool.hpp"

#include <utility>

namespace sluice::net {

BufferLease::BufferLease(BufferLease&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)), data_(std::exchange(other.data_, nullptr)) {}

BufferLease& BufferLease::operator=(BufferLease&& other) noexcept {
  if (this != &other) {
    release();
    pool_ = std::exchange(other.pool_, nullptr);
    data_ = std::exchange(other.data_, nullptr);
  }
  return *this;
}

std::size_t BufferLease::size() const noexcept {
  return data_ == nullptr ? 0 : pool_->buffer_size();
}

void BufferLease::release() noexcept {
  if (data_ != nullptr) {
    pool_->give_back(std::exchange(data_, nullptr));
  }
}

BufferPool::BufferPool(std::size_t buffer_size, std::size_t keep) : buffer_size_(buffer_size), keep_(keep) {
  free_.reserve(keep);
}

BufferPool::~BufferPool() = default;

BufferLease BufferPool::lease() {
  std::unique_ptr<char[]> data;
  if (free_.empty()) {
    data = std::make_unique_for_overwrite<char[]>(buffer_size_);
  } else {
    data = std::move(free_.back());
    free_.pop_back();
  }
  ++leased_;
  return {this, data.release()};
}

void BufferPool::give_back(char* data) noexcept {
  std::unique_ptr<char[]> owned(data);
  --leased_;
  if (free_.size() < keep_) {
    free_.push_back(std::move(owned));
  }
}

}  // namespace sluice::net
