/// A hash table (parent, text) → number, filled at load: the literal edges of the router's tree, and whole
/// literal paths.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::gateway::routing {

/// Open addressing, at most half full. Lookups touch one slot in the common case and allocate nothing.
class SegmentTable {
 public:
  static constexpr std::uint32_t none = 0xFFFF'FFFF;

  SegmentTable() : slots_(8) {}

  [[nodiscard]] std::uint32_t find(std::uint32_t parent, std::string_view text) const noexcept {
    const std::uint64_t hash = hash_of(parent, text);
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = hash & mask;; at = (at + 1) & mask) {
      const Slot& slot = slots_[at];
      if (slot.value == none) {
        return none;
      }
      if (slot.hash == hash && slot.parent == parent && slot.text == text) {
        return slot.value;
      }
    }
  }

  /// The value that is there already, else `value` after adding it.
  std::uint32_t insert(std::uint32_t parent, std::string_view text, std::uint32_t value) {
    if (const std::uint32_t found = find(parent, text); found != none) {
      return found;
    }
    if ((count_ + 1) * 2 > slots_.size()) {
      std::vector<Slot> old(slots_.size() * 2);
      old.swap(slots_);
      for (const Slot& slot : old) {
        if (slot.value != none) {
          place(slot);
        }
      }
    }
    ++count_;
    place({hash_of(parent, text), texts_.emplace_back(text), parent, value});
    return value;
  }

 private:
  struct Slot {
    std::uint64_t hash = 0;
    std::string_view text;
    std::uint32_t parent = 0;
    std::uint32_t value = none;
  };

  static std::uint64_t mix(std::uint64_t state, std::uint64_t word) noexcept {
    state = (state ^ word) * 0x9E37'79B9'7F4A'7C15U;
    return state ^ (state >> 32U);
  }

  static std::uint64_t hash_of(std::uint32_t parent, std::string_view text) noexcept {
    std::uint64_t state = mix(parent, text.size());
    std::uint64_t word = 0;
    while (text.size() >= sizeof(word)) {
      std::memcpy(&word, text.data(), sizeof(word));
      state = mix(state, word);
      text.remove_prefix(sizeof(word));
    }
    word = 0;
    for (const char byte : text) {
      word = word << 8U | static_cast<unsigned char>(byte);
    }
    return mix(mix(state, word), 0);
  }

  void place(const Slot& slot) noexcept {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = slot.hash & mask;
    while (slots_[at].value != none) {
      at = (at + 1) & mask;
    }
    slots_[at] = slot;
  }

  std::vector<Slot> slots_;
  std::deque<std::string> texts_;  ///< does not move its elements
  std::size_t count_ = 0;
};

}  // namespace sluice::gateway::routing
