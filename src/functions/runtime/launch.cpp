#include "functions/runtime/launch.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>

#include "sluice/base/json.hpp"

#include "functions/runtime/frame.hpp"
#include "functions/runtime/worker_sources.hpp"

namespace sluice::functions {
namespace {

namespace fs = std::filesystem;

constexpr std::array node_endings{".js", ".mjs", ".cjs"};
constexpr std::array python_endings{".py", "/__init__.py"};

bool is_file(const std::string& path) {
  std::error_code failed;
  return fs::is_regular_file(path, failed);
}

}  // namespace

std::optional<Language> parse_runtime(std::string_view name) {
  const auto is = [&](std::string_view family) {
    return name.starts_with(family) &&
           name.substr(family.size()).find_first_not_of("0123456789") == std::string_view::npos;
  };
  if (is("nodejs")) {
    return Language::nodejs;
  }
  if (is("python")) {
    return Language::python;
  }
  return std::nullopt;
}

namespace {

/// Version managers put scripts into PATH that look for the interpreter in places that a worker may not read:
/// the interpreter itself says where it is.
std::string ask_interpreter(const std::string& program, Language language) {
  if (program.find('\'') != std::string::npos) {
    return program;
  }
  const std::string question =
      language == Language::nodejs ? "-p process.execPath" : "-c 'import sys; print(sys.executable)'";
  const net::OwnChild own;
  FILE* const answer = ::popen(("'" + program + "' " + question + " 2>/dev/null </dev/null").c_str(), "re");
  if (answer == nullptr) {
    return program;
  }
  std::array<char, 4096> line{};
  const bool answered = std::fgets(line.data(), static_cast<int>(line.size()), answer) != nullptr;
  ::pclose(answer);
  std::string path = answered ? line.data() : "";
  while (!path.empty() && (path.back() == '\n' || path.back() == '\r')) {
    path.pop_back();
  }
  return path.starts_with('/') && is_file(path) ? path : program;
}

std::string behind_script(const std::string& program, Language language) {
  std::ifstream file(program, std::ios::binary);
  std::array<char, 2> start{};
  file.read(start.data(), start.size());
  if (start != std::array{'#', '!'}) {
    return program;
  }
  static std::mutex mutex;
  static std::map<std::string, std::string> known;
  {
    const std::lock_guard lock(mutex);
    if (const auto found = known.find(program); found != known.end()) {
      return found->second;
    }
  }
  std::string path = ask_interpreter(program, language);
  if (path != program) {
    const std::lock_guard lock(mutex);
    known[program] = path;
  }
  return path;
}

}  // namespace

Result<std::string> find_interpreter(Language language) {
  const char* const name = language == Language::nodejs ? "node" : "python3";
  Result<std::string> found = net::find_program(name, net::program_path());
  if (found.has_value()) {
    return behind_script(found.value(), language);
  }
  Error error = found.error();
  error.detail = std::string(language == Language::nodejs ? "Node.js" : "Python") +
                 " is not installed: " + error.detail + " of the daemon";
  return error;
}

Result<Handler> resolve_handler(Language language, const std::string& directory, std::string_view handler) {
  const std::size_t slash = handler.rfind('/');
  const std::size_t first = slash == std::string_view::npos ? 0 : slash + 1;
  const std::string example = language == Language::nodejs ? "index.handler" : "main.handler";
  if (handler.starts_with('/') || handler.find("..") != std::string_view::npos) {
    return config_error("the handler \"" + std::string(handler) +
                        "\" must stay within the function's directory");
  }
  std::error_code failed;
  if (!fs::is_directory(directory, failed)) {
    Error error = config_error("the directory " + directory + " is not there");
    error.code = ErrorCode::not_found;
    return error;
  }
  std::string looked;
  std::string typescript;
  // "dir/file.function"; both parts may have dots of their own, so the longest file name that exists is
  // taken.
  for (std::size_t dot = handler.rfind('.'); dot != std::string_view::npos && dot > first;
       dot = dot == 0 ? std::string_view::npos : handler.rfind('.', dot - 1)) {
    const std::string function(handler.substr(dot + 1));
    if (function.empty()) {
      break;
    }
    std::string stem = directory + "/" + std::string(handler.substr(0, dot));
    std::vector<std::string> files;
    if (language == Language::nodejs) {
      for (const char* ending : node_endings) {
        files.push_back(stem + ending);
      }
      if (is_file(stem + ".ts")) {
        typescript = stem + ".ts";
      }
    } else {
      for (const char* ending : python_endings) {
        files.push_back(stem + ending);
      }
      // The dots of a module's name are folders.
      std::string folders = stem.substr(directory.size());
      std::replace(folders.begin(), folders.end(), '.', '/');
      files.push_back(directory + folders + ".py");
    }
    for (const std::string& file : files) {
      if (is_file(file)) {
        return Handler{file, function};
      }
    }
    looked += (looked.empty() ? "" : ", ") + files.front();
  }
  Error error = config_error("");
  if (looked.empty()) {
    error.detail = "the handler \"" + std::string(handler) +
                   "\" names no function: write FILE.FUNCTION, such as " + example;
    return error;
  }
  error.code = ErrorCode::not_found;
  error.detail = "the file of the handler \"" + std::string(handler) + "\" is not there: " + looked +
                 (language == Language::nodejs ? " (or .mjs, .cjs)" : "");
  if (!typescript.empty()) {
    error.detail += "; " + typescript + " is TypeScript: compile it first";
  }
  return error;
}

}  // namespace sluice::functions

namespace sluice::functions::runtime {
namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20U;

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

/// The interpreter and what belongs to it, where it is not the system's.
void allow_interpreter(const std::string& interpreter, std::vector<std::string>& read) {
  std::error_code failed;
  for (const std::string& program : {interpreter, fs::canonical(interpreter, failed).string()}) {
    const std::string programs = folder_of(program);
    const std::string prefix = folder_of(programs);
    read.push_back(program);
    for (const char* part : {"/lib", "/lib64", "/share", "/include", "/pyvenv.cfg"}) {
      read.push_back((prefix == "/" ? "" : prefix) + part);
    }
  }
}

net::Sandbox sandbox_of(const LaunchInput& input) {
  net::Sandbox sandbox;
  sandbox.enabled = true;
  sandbox.write = {input.spec.directory, input.temporary};
  sandbox.hidden = input.spec.hidden;
  allow_interpreter(input.interpreter, sandbox.read);
  if (input.spec.language == Language::nodejs) {
    // Node looks for packages in every folder above; often they are a link.
    for (std::string folder = input.spec.directory; folder != "/"; folder = folder_of(folder)) {
      sandbox.read.push_back(folder + "/node_modules");
    }
  }
  return sandbox;
}

bool is_source(const FunctionSpec& spec, const fs::path& path) {
  const std::string name = path.filename().string();
  const std::string ending = path.extension().string();
  if (spec.language == Language::python) {
    return ending == ".py";
  }
  return ending == ".js" || ending == ".mjs" || ending == ".cjs" || name == "package.json";
}

}  // namespace

std::string_view worker_source(Language language) noexcept {
  return language == Language::nodejs ? node_worker_source : python_worker_source;
}

net::ProcessOptions launch_options(const LaunchInput& input) {
  const FunctionSpec& spec = input.spec;
  net::ProcessOptions options;
  options.arguments = {input.interpreter};
  if (spec.language == Language::nodejs) {
    // Room for what is not V8's old space: its young space, code, buffers.
    const std::uint64_t heap = std::max<std::uint64_t>(16, spec.memory / mib * 3 / 4);
    options.arguments.push_back("--max-old-space-size=" + std::to_string(heap));
  }
  // The rest tells operators in `ps` which function it is.
  options.arguments.insert(options.arguments.end(), {"-", spec.id, spec.handler});
  options.directory = spec.directory;
  options.temporary = input.temporary;
  options.environment = net::base_environment(spec.directory, input.temporary);
  for (const auto& [name, value] : spec.environment) {
    net::set_variable(options.environment, name, value);
  }
  if (!input.metadata_address.empty()) {
    net::set_variable(options.environment, "YC_METADATA_ADDR", input.metadata_address);
  }
  Json channels = Json::array();
  constexpr int control = 3;
  for (std::size_t index = 0; index < input.channels; ++index) {
    channels.push_back(control + 1 + static_cast<int>(index));
  }
  const Json worker{{"protocol", protocol_version},
                    {"control", control},
                    {"channels", std::move(channels)},
                    {"directory", spec.directory},
                    {"file", input.handler.file},
                    {"function", input.handler.function},
                    {"id", spec.id},
                    {"version", input.version},
                    {"memory", spec.memory / mib}};
  net::set_variable(options.environment, "SLUICE_WORKER", dump_json(worker));
  options.sandbox = sandbox_of(input);
  return options;
}

std::vector<std::string> source_files(const FunctionSpec& spec) {
  constexpr std::size_t most = 2000;
  std::vector<std::string> files;
  std::error_code failed;
  fs::recursive_directory_iterator entry(spec.directory, fs::directory_options::skip_permission_denied,
                                         failed);
  for (; !failed && entry != fs::recursive_directory_iterator() && files.size() < most;
       entry.increment(failed)) {
    const std::string name = entry->path().filename().string();
    std::error_code ignored;
    if (entry->is_directory(ignored)) {
      if (name == "node_modules" || name == "__pycache__" || name.starts_with('.')) {
        entry.disable_recursion_pending();
      }
    } else if (is_source(spec, entry->path())) {
      files.push_back(entry->path().string());
    }
  }
  // Where the handler would be, if it is missing.
  const std::size_t slash = spec.handler.rfind('/');
  const std::size_t dot = spec.handler.find('.', slash == std::string::npos ? 0 : slash);
  const std::string stem = spec.directory + "/" + spec.handler.substr(0, dot);
  for (const char* ending : {".js", ".mjs", ".cjs", ".py"}) {
    files.push_back(stem + ending);
  }
  return files;
}

}  // namespace sluice::functions::runtime
