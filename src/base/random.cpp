#include "sluice/base/random.hpp"

#include <sys/random.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

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

/// "00", "01", … "ff".
constexpr std::array<std::array<char, 2>, 256> hex_pairs = [] {
  constexpr std::string_view digits = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> pairs{};
  for (std::size_t byte = 0; byte < pairs.size(); ++byte) {
    pairs[byte] = {digits[byte >> 4U], digits[byte & 15U]};
  }
  return pairs;
}();

}  // namespace

std::uint64_t fast_random() noexcept {
  thread_local Generator generator;
  return generator.next();
}

std::string make_uuid() {
  std::string out;
  assign_uuid(out);
  return out;
}

void assign_uuid(std::string& out) {
  constexpr std::array<std::uint8_t, 16> places{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};
  const std::uint64_t high = (fast_random() & ~std::uint64_t{0xF000}) | 0x4000;
  const std::uint64_t low = (fast_random() & ~(std::uint64_t{3} << 62U)) | std::uint64_t{1} << 63U;
  out.assign(36, '-');
  char* const text = out.data();
  for (std::size_t byte = 0; byte < places.size(); ++byte) {
    const std::uint64_t word = byte < 8 ? high : low;
    std::memcpy(text + places[byte], &hex_pairs[word >> (56 - byte % 8 * 8) & 0xFFU], 2);
  }
}

std::string secure_random(std::size_t count) {
  std::string out(count, '\0');
  fill_from_kernel(out.data(), out.size());
  return out;
}

}  // namespace sluice
