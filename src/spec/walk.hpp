/// Which part of an OpenAPI document a node is: where `$ref` is a reference and where it is data, which keys
/// are names that the author chose and which are keywords.
#pragma once

#include <cstdint>
#include <string_view>

#include "sluice/spec/node.hpp"

namespace sluice::spec {

enum class Role : std::uint8_t {
  object,   ///< keys are keywords
  names,    ///< keys are names (schemas, properties, paths, …), values are objects
  content,  ///< a `content` map: values are objects, or texts of a dummy
  prose,    ///< text for people (description, pattern, …)
  data,     ///< anything (example, default, context, foreign extensions): nothing in it means anything here
};

/// The role of the value under `key` in a mapping of role `parent`; items of a list have their list's role.
Role child_role(Role parent, std::string_view key, const Node& value) noexcept;

}  // namespace sluice::spec
