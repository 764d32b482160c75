#include "sluice/base/secrets.hpp"

#include <algorithm>
#include <mutex>
#include <shared_mutex>
#include <vector>

namespace sluice {
namespace {

constexpr std::size_t shortest_secret = 4;

struct Store {
  std::shared_mutex mutex;
  /// Longest first, so that a secret that contains another is masked whole.
  std::vector<std::string> values;
};

Store& store() {
  static Store instance;
  return instance;
}

}  // namespace

void remember_secret(std::string_view value) {
  if (value.size() < shortest_secret) {
    return;
  }
  Store& known = store();
  const std::unique_lock lock(known.mutex);
  if (std::find(known.values.begin(), known.values.end(), value) == known.values.end()) {
    const auto at = std::find_if(known.values.begin(), known.values.end(),
                                 [&](const std::string& other) { return other.size() < value.size(); });
    known.values.emplace(at, value);
  }
}

std::string mask_secrets(std::string text) {
  Store& known = store();
  const std::shared_lock lock(known.mutex);
  for (const std::string& secret : known.values) {
    for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 3)) {
      text.replace(at, secret.size(), "***");
    }
  }
  return text;
}

bool holds_secret(std::string_view text) {
  Store& known = store();
  const std::shared_lock lock(known.mutex);
  return std::any_of(known.values.begin(), known.values.end(),
                     [&](const std::string& secret) { return text.find(secret) != std::string_view::npos; });
}

}  // namespace sluice
