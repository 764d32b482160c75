/// Random identifiers. Each thread has a generator of its own, seeded by the kernel; ids that must not be
/// guessed (WebSocket connections, tokens) come from secure_random.
#pragma once

#include <cstdint>
#include <string>

namespace sluice {

/// Uniform over all 64-bit values; fast, not for secrets.
std::uint64_t fast_random() noexcept;
/// RFC 9562 version 4, lower case, 36 characters; from the fast generator.
std::string make_uuid();
/// The same into a string that is used again.
void assign_uuid(std::string& out);
/// `count` bytes from the kernel.
std::string secure_random(std::size_t count);

}  // namespace sluice
