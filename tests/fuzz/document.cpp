// Documents as an attacker writes them: the loader, the model and every check must end, whatever stands
// there.
// "%%%%" on a line of its own begins the next file: api.yaml, b.yaml, sub/c.json.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "sluice/spec/api.hpp"
#include "sluice/spec/integration_types.hpp"

namespace {

using namespace sluice;

constexpr std::array<std::string_view, 3> names{"api.yaml", "b.yaml", "sub/c.json"};
constexpr std::string_view divider = "\n%%%%\n";

spec::FileReader reader_of(std::string_view text) {
  std::map<std::string, std::string, std::less<>> files;
  for (const std::string_view name : names) {
    const std::size_t end = std::min(text.find(divider), text.size());
    files[std::string(name)] = std::string(text.substr(0, end));
    text.remove_prefix(std::min(end + divider.size(), text.size()));
  }
  return [files = std::move(files)](const std::string& path) -> Result<std::string> {
    const auto found = files.find(path);
    if (found == files.end()) {
      return config_error("no such file");
    }
    return found->second;
  };
}

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  spec::LoadOptions options;
  options.file = std::string(names[0]);
  options.reader = reader_of({reinterpret_cast<const char*>(data), size});
  options.variables["v"] = "b.yaml";
  options.variables["n"] = "5";
  Diagnostics diagnostics;
  const auto api = spec::load_api(options, diagnostics);
  require(api != nullptr || diagnostics.has_errors());
  for (const Diagnostic& item : diagnostics.items()) {
    require(!item.place.file.empty() && item.place.line > 0 && item.place.column > 0 && !item.rule.empty());
    require(!to_text(item).empty());
  }
  if (api == nullptr) {
    return 0;
  }
  const spec::Document& document = *api->document;
  require(!dump_json(to_json(document.root())).empty());
  for (const spec::Path& path : api->paths) {
    for (const spec::Operation& operation : path.operations) {
      require(!operation.operation_id.empty());
      if (operation.integration != nullptr) {
        spec::check_integration_options(document, *operation.integration, diagnostics);
      }
    }
  }
  return 0;
}
