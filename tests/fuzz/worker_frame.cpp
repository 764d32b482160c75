// Frames of worker processes: user code may write on the channel. The first byte says in which pieces the
// rest comes; the frames must not depend on it, and what is kept is bounded.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "functions/runtime/frame.hpp"

namespace {

using sluice::functions::runtime::FrameReader;

constexpr std::size_t most = 64;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

struct Seen {
  std::vector<std::string> frames;
  bool malformed = false;
  bool operator==(const Seen&) const = default;
};

Seen read(std::string_view wire, std::size_t piece) {
  Seen seen;
  FrameReader reader(most);
  while (!wire.empty() && !seen.malformed) {
    std::string_view bytes = wire.substr(0, piece);
    wire.remove_prefix(bytes.size());
    while (!bytes.empty() && !seen.malformed) {
      const FrameReader::State state = reader.feed(bytes);
      require(reader.body().size() <= most);
      require(reader.head().size() <= sluice::functions::runtime::frame_head_most);
      seen.malformed = state == FrameReader::State::malformed;
      if (state == FrameReader::State::complete) {
        require(!reader.too_large() || reader.body().empty());
        seen.frames.push_back(std::to_string(static_cast<int>(reader.type())) + std::to_string(reader.id()) +
                              reader.head() + '/' + reader.body());
        reader.reset();
      }
    }
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string_view wire(reinterpret_cast<const char*>(data) + 1, size - 1);
  require(read(wire, std::max<std::size_t>(1, data[0])) == read(wire, wire.size() + 1));
  return 0;
}
