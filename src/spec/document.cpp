#include "sluice/spec/document.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>
#include <unordered_map>
#include <unordered_set>

#include "sluice/base/codec.hpp"

#include "spec/loaded_document.hpp"
#include "spec/node_builder.hpp"
#include "spec/suggest.hpp"
#include "spec/variables.hpp"
#include "spec/walk.hpp"

namespace sluice::spec {
namespace {

/// More than any document that people write; a bound on what one document makes the daemon open.
constexpr std::size_t max_files = 200;
/// References that lead to references.
constexpr std::size_t max_chain = 100;
/// A file larger than this is not read to find out that it is too large.
constexpr std::size_t max_read = std::size_t{64} << 20U;

Error io_error(std::string detail) {
  Error error = config_error(std::move(detail));
  error.code = ErrorCode::io;
  return error;
}

Result<std::string> read_real_file(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) {
    Error error = io_error(std::generic_category().message(errno));
    if (errno == ENOENT || errno == ENOTDIR) {
      error.code = ErrorCode::not_found;
    }
    return error;
  }
  if (S_ISDIR(status.st_mode)) {
    return io_error("it is a directory");
  }
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    return io_error(std::generic_category().message(errno));
  }
  std::string text;
  constexpr std::size_t block = std::size_t{1} << 18U;
  while (stream && text.size() <= max_read) {
    const std::size_t before = text.size();
    text.resize(before + block);
    stream.read(text.data() + before, static_cast<std::streamsize>(block));
    text.resize(before + static_cast<std::size_t>(stream.gcount()));
  }
  if (stream.bad()) {
    return io_error("it cannot be read");
  }
  return text;
}

std::string directory_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string() : std::string(path.substr(0, slash + 1));
}

bool has_scheme(std::string_view text) noexcept {
  const std::size_t colon = text.find(':');
  return colon != std::string_view::npos && colon > 0 && text.find('/') > colon;
}

/// Resolves `target` against the folder of `from`; both are relative to the root document's folder.
/// nullopt when it leaves that folder.
std::optional<std::string> join_inside(std::string_view from, std::string_view target) {
  std::vector<std::string_view> segments;
  const std::string base = directory_of(from);
  const auto take = [&](std::string_view text) {
    while (!text.empty()) {
      const std::size_t slash = text.find('/');
      const std::string_view segment = text.substr(0, slash);
      text.remove_prefix(slash == std::string_view::npos ? text.size() : slash + 1);
      if (segment.empty() || segment == ".") {
        continue;
      }
      if (segment != "..") {
        segments.push_back(segment);
        continue;
      }
      if (segments.empty()) {
        return false;
      }
      segments.pop_back();
    }
    return true;
  };
  if (!take(base) || !take(target)) {
    return std::nullopt;
  }
  std::string path;
  for (const std::string_view segment : segments) {
    path += (path.empty() ? "" : "/") + std::string(segment);
  }
  return path;
}

const Node* reference_text(const Node& node) noexcept {
  if (!node.is_mapping()) {
    return nullptr;
  }
  const Node* text = node.find("$ref");
  return text != nullptr && text->is_string() ? text : nullptr;
}

class Loader {
 public:
  Loader(const LoadOptions& options, Diagnostics& diagnostics, LoadedDocument& document)
      : options_(options), diagnostics_(diagnostics), document_(document), limits_(options.limits) {
    if (options.reader) {
      reader_ = options.reader;
    } else {
      reader_ = real_file_reader();
    }
    folder_ = directory_of(options.file);
  }

  /// False when there is nothing to look at.
  bool load() {
    const std::string name = options_.file.substr(folder_.size());
    relative_.push_back(name);
    indices_[name] = 0;
    document_.files_read.push_back(options_.file);
    Result<std::string> text = reader_(options_.file);
    if (!text) {
      diagnostics_.error({options_.file, 1, 1}, "cannot-read",
                         "the file cannot be read: " + text.error().detail);
      return false;
    }
    ParsedFile file = parse_file(*text, 0, options_.file, diagnostics_, limits_);
    if (!file.root) {
      return false;
    }
    spend(*text, file);
    document_.roots.push_back(file.root);
    variables_ = std::make_unique<Variables>(*file.root, options_.file, options_.variables,
                                             options_.limits.max_bytes, diagnostics_);
    for (const std::shared_ptr<Node>& node : file.templated) {
      variables_->replace(*node, options_.file);
    }
    queue(*file.root, Role::object);
    walk();
    document_.values = variables_->values();
    return true;
  }

 private:
  struct Visit {
    const Node* node;
    Role role;
  };

  /// The bounds hold for all files together.
  void spend(const std::string& text, const ParsedFile& file) {
    limits_.max_bytes -= std::min(limits_.max_bytes, text.size());
    limits_.max_nodes -= std::min(limits_.max_nodes, file.nodes);
  }

  void queue(const Node& node, Role role) {
    if (role == Role::data || node.is_scalar()) {
      return;
    }
    auto& seen = visited_[&node];
    const auto bit = static_cast<std::uint8_t>(1U << static_cast<unsigned>(role));
    if ((seen & bit) == 0) {
      seen = static_cast<std::uint8_t>(seen | bit);
      waiting_.push_back({&node, role});
    }
  }

  void walk() {
    while (!waiting_.empty()) {
      const Visit visit = waiting_.back();
      waiting_.pop_back();
      if (visit.role != Role::prose && reference_text(*visit.node) != nullptr) {
        const Node* target = follow(*visit.node, 0);
        if (target != nullptr) {
          queue(*target, visit.role);
        }
      }
      // Backwards, so that they are taken in document order.
      for (auto member = visit.node->members.rbegin(); member != visit.node->members.rend(); ++member) {
        queue(*member->value, child_role(visit.role, member->key, *member->value));
      }
      for (auto item = visit.node->items.rbegin(); item != visit.node->items.rend(); ++item) {
        queue(**item, visit.role);
      }
    }
  }

  /// Where a node with $ref leads in the end; nullptr (and a diagnostic, once) when nowhere.
  const Node* follow(const Node& node, std::size_t chain) {
    const auto [entry, fresh] = document_.targets.emplace(&node, nullptr);
    const Node& text = *reference_text(node);
    if (!fresh) {
      if (following_.count(&node) != 0) {
        error(text, "ref-cycle", "this $ref leads back to itself: " + text.text,
              "let one of the references of the cycle name a real object");
      }
      return entry->second;
    }
    if (chain > max_chain) {
      error(text, "ref-chain", "more than " + std::to_string(max_chain) + " references follow one another",
            "let this one name the object itself");
      return nullptr;
    }
    following_.insert(&node);
    const Node* target = find_target(text, chain);
    if (target != nullptr && reference_text(*target) != nullptr) {
      target = follow(*target, chain + 1);
    }
    following_.erase(&node);
    document_.targets[&node] = target;
    return target;
  }

  const Node* find_target(const Node& text, std::size_t chain) {
    const std::size_t hash = text.text.find('#');
    const std::string_view all = text.text;
    const std::string_view file_part = all.substr(0, hash);
    const std::string_view fragment = hash == std::string::npos ? std::string_view() : all.substr(hash + 1);
    std::uint32_t file = text.mark.file;
    if (!file_part.empty()) {
      const std::optional<std::uint32_t> found = open(text, file_part);
      if (!found) {
        return nullptr;
      }
      file = *found;
    } else if (hash == std::string::npos) {
      error(text, "broken-ref", "the $ref is empty", "write `#/components/…` or a file name");
      return nullptr;
    }
    const Node* root = document_.roots[file].get();
    if (root == nullptr || fragment.empty()) {
      return root;
    }
    return walk_pointer(text, *root, fragment, chain);
  }

  const Node* walk_pointer(const Node& text, const Node& root, std::string_view fragment, std::size_t chain) {
    if (fragment.front() != '/') {
      error(text, "broken-ref", "the $ref " + text.text + " is no JSON pointer",
            "begin what follows # with /, as in `#/components/schemas/NAME`");
      return nullptr;
    }
    const Node* node = &root;
    std::string_view rest = fragment.substr(1);
    while (true) {
      const std::size_t slash = rest.find('/');
      const std::optional<std::string> token = pointer_token(rest.substr(0, slash));
      if (!token) {
        error(text, "broken-ref", "the $ref " + text.text + " holds a bad % or ~",
              "write ~0 for ~, ~1 for /, %25 for %");
        return nullptr;
      }
      const Node* next = child(*node, *token);
      if (next == nullptr && reference_text(*node) != nullptr) {
        node = follow(*node, chain + 1);
        if (node == nullptr) {
          return nullptr;
        }
        next = child(*node, *token);
      }
      if (next == nullptr) {
        no_such_key(text, *node, *token);
        return nullptr;
      }
      node = next;
      if (slash == std::string_view::npos) {
        return node;
      }
      rest.remove_prefix(slash + 1);
    }
  }

  void no_such_key(const Node& text, const Node& node, const std::string& token) {
    std::vector<std::string_view> names;
    if (worth_suggesting(diagnostics_)) {
      names.reserve(node.members.size());
      for (const Member& member : node.members) {
        names.push_back(member.key);
      }
    }
    const std::string_view near = suggest(diagnostics_, token, names);
    std::string hint = "define it, or correct the $ref";
    if (!near.empty()) {
      hint = "did you mean `" + std::string(near) + "`?";
    }
    error(text, "broken-ref", "the $ref " + text.text + " leads nowhere: there is no \"" + token + "\"",
          std::move(hint));
  }

  static std::optional<std::string> pointer_token(std::string_view text) {
    std::optional<std::string> decoded = percent_decode(text);
    if (!decoded) {
      return std::nullopt;
    }
    std::string out;
    for (std::size_t at = 0; at < decoded->size(); ++at) {
      const char byte = (*decoded)[at];
      if (byte != '~') {
        out.push_back(byte);
        continue;
      }
      ++at;
      if (at == decoded->size() || ((*decoded)[at] != '0' && (*decoded)[at] != '1')) {
        return std::nullopt;
      }
      out.push_back((*decoded)[at] == '0' ? '~' : '/');
    }
    return out;
  }

  const Node* child(const Node& node, const std::string& token) {
    if (node.is_sequence()) {
      std::size_t index = 0;
      for (const char digit : token) {
        if (digit < '0' || digit > '9' || index > node.items.size()) {
          return nullptr;
        }
        index = index * 10 + static_cast<std::size_t>(digit - '0');
      }
      return !token.empty() && index < node.items.size() ? node.items[index].get() : nullptr;
    }
    constexpr std::size_t worth_an_index = 32;
    if (node.members.size() < worth_an_index) {
      return node.find(token);
    }
    auto& index = key_index_[&node];
    if (index.empty()) {
      for (const Member& member : node.members) {
        index.emplace(member.key, member.value.get());
      }
    }
    const auto found = index.find(token);
    return found == index.end() ? nullptr : found->second;
  }

  /// The index of a file named by a $ref, loaded when it is new.
  std::optional<std::uint32_t> open(const Node& text, std::string_view written) {
    if (has_scheme(written) || written.substr(0, 2) == "//") {
      error(text, "remote-ref", "the $ref " + text.text + " names another server: nothing is fetched",
            "save the file beside the document and name it");
      return std::nullopt;
    }
    const std::optional<std::string> decoded = percent_decode(written);
    if (!decoded || decoded->find('\0') != std::string::npos) {
      error(text, "broken-ref", "the $ref " + text.text + " holds a bad %", "write %25 for %");
      return std::nullopt;
    }
    std::optional<std::string> path;
    if (decoded->front() != '/') {
      path = join_inside(relative_[text.mark.file], *decoded);
    }
    if (!path) {
      error(text, "outside-ref", "the $ref " + text.text + " leaves the folder of the document",
            "move the file into the document's folder");
      return std::nullopt;
    }
    if (const auto known = indices_.find(*path); known != indices_.end()) {
      return known->second;
    }
    if (document_.roots.size() >= max_files) {
      error(text, "too-many-files", "the document names more than " + std::to_string(max_files) + " files",
            "put what belongs together into one file");
      return std::nullopt;
    }
    return read(text, *path);
  }

  std::optional<std::uint32_t> read(const Node& text, const std::string& path) {
    const auto index = static_cast<std::uint32_t>(document_.roots.size());
    const std::string name = folder_ + path;
    indices_[path] = index;
    relative_.push_back(path);
    document_.files_read.push_back(name);
    document_.roots.push_back(nullptr);
    Result<std::string> content = reader_(name);
    if (!content) {
      error(text, "broken-ref",
            "the $ref " + text.text + " names a file that cannot be read: " + content.error().detail,
            "paths are relative to the file that they stand in");
      return index;
    }
    ParsedFile file = parse_file(*content, index, name, diagnostics_, limits_);
    spend(*content, file);
    for (const std::shared_ptr<Node>& node : file.templated) {
      variables_->replace(*node, name);
    }
    document_.roots[index] = std::move(file.root);
    return index;
  }

  void error(const Node& at, std::string_view rule, std::string message, std::string hint = {}) {
    diagnostics_.error(document_.place(at.mark), rule, std::move(message), std::move(hint));
  }

  const LoadOptions& options_;
  Diagnostics& diagnostics_;
  LoadedDocument& document_;
  NodeLimits limits_;
  FileReader reader_;
  std::string folder_;                 ///< of the root document, with its '/'
  std::vector<std::string> relative_;  ///< a file's path from that folder
  std::unordered_map<std::string, std::uint32_t> indices_;
  std::unique_ptr<Variables> variables_;
  std::unordered_map<const Node*, std::uint8_t> visited_;
  std::vector<Visit> waiting_;
  std::unordered_set<const Node*> following_;
  std::unordered_map<const Node*, std::unordered_map<std::string_view, const Node*>> key_index_;
};

}  // namespace

FileReader real_file_reader() {
  return read_real_file;
}

const Node* LoadedDocument::resolve(const Node& node) const noexcept {
  const auto found = targets.find(&node);
  return found == targets.end() ? &node : found->second;
}

Place LoadedDocument::place(const Mark& mark) const {
  return {mark.file < files_read.size() ? files_read[mark.file] : std::string(), mark.line, mark.column};
}

const Node* Document::get(const Node& node, std::string_view key) const noexcept {
  const Node* owner = resolve(node);
  const Node* value = owner == nullptr ? nullptr : owner->find(key);
  return value == nullptr ? nullptr : resolve(*value);
}

std::shared_ptr<const Document> Document::load(const LoadOptions& options, Diagnostics& diagnostics) {
  auto document = std::make_shared<LoadedDocument>();
  Loader loader(options, diagnostics, *document);
  if (!loader.load()) {
    return nullptr;
  }
  return document;
}

}  // namespace sluice::spec
