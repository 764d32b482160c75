/// Secrets of the configuration, remembered so that no log line, error or explanation shows one.
/// daemon.md: "Secrets never appear in logs, errors, metrics, explain or the admin API."
#pragma once

#include <string>
#include <string_view>

namespace sluice {

/// Thread-safe; kept for the life of the process. Values below four bytes are ignored: masking them would
/// tear ordinary text apart and tell what they are.
void remember_secret(std::string_view value);
/// Every remembered secret in `text` becomes "***".
std::string mask_secrets(std::string text);
bool holds_secret(std::string_view text);

}  // namespace sluice
