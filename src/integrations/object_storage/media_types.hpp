/// The media type of a file by the end of its name.
#pragma once

#include <string_view>

namespace sluice::integrations {

/// As it stands in Content-Type; texts are taken for UTF-8. The extension is what follows the last '.' of the
/// last segment, in any case. "application/octet-stream" for what is not known. Static storage.
std::string_view media_type_of(std::string_view key) noexcept;

}  // namespace sluice::integrations
