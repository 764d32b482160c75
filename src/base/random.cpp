#include "sluice/base/random.hpp"

#include <sys/random.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstdlib>

namespace sluice {
namespace {

void fill_from_kernel(void* data, std::size_t size) {
  auto* out = static_cast<unsigned char*>(data);
  while (size > 0) {
    const ssize_t got = getrandom(out, size, 0);
    if (got < 0) {
      if (errno == EINTR) {
        continue;
      }
      std::abort();
    }
    out += got;
    size -= static_cast<std::size_t>(got);
  }
}

/// xoshiro256** (Blackman, Vigna).
class Generator {
 public:
  Generator() { fill_from_kernel(state_.data(), sizeof(state_)); }

  std::uint64_t next() noexcept {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17U;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace

std::uint64_t fast_random() noexcept {
  thread_local Generator generator;
  return generator.next();
}

std::string make_uuid() {
  constexpr std::string_view digits = "0123456789abcdef";
  const std::array<std::uint64_t, 2> words{
      (fast_random() & ~std::uint64_t{0xF000}) | 0x4000,
      (fast_random() & ~(std::uint64_t{3} << 62U)) | std::uint64_t{1} << 63U};
  std::string out(36, '-');
  std::size_t nibble = 0;
  for (std::size_t at = 0; at < out.size(); ++at) {
    if (at == 8 || at == 13 || at == 18 || at == 23) {
      continue;
    }
    out[at] = digits[words.at(nibble / 16) >> (60 - nibble % 16 * 4) & 15U];
    ++nibble;
  }
  return out;
}

std::string secure_random(std::size_t count) {
  std::string out(count, '\0');
  fill_from_kernel(out.data(), out.size());
  return out;
}

}  // namespace sluice
