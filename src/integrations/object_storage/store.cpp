#include "integrations/object_storage/store.hpp"

#include "sluice/base/codec.hpp"

namespace sluice::integrations {

bool is_object_header(const http::Headers::Field& field) noexcept {
  constexpr std::string_view metadata = "x-amz-meta-";
  switch (field.id) {
    case http::FieldId::accept_ranges:
    case http::FieldId::cache_control:
    case http::FieldId::content_disposition:
    case http::FieldId::content_encoding:
    case http::FieldId::content_language:
    case http::FieldId::content_range:
    case http::FieldId::content_type:
    case http::FieldId::etag:
    case http::FieldId::expires:
    case http::FieldId::last_modified:
      return true;
    case http::FieldId::unknown:
      return field.name.size() > metadata.size() &&
             equals_ignore_case(field.name.substr(0, metadata.size()), metadata);
    default:
      return false;
  }
}

bool is_condition(http::FieldId id) noexcept {
  switch (id) {
    case http::FieldId::if_match:
    case http::FieldId::if_modified_since:
    case http::FieldId::if_none_match:
    case http::FieldId::if_range:
    case http::FieldId::if_unmodified_since:
    case http::FieldId::range:
      return true;
    default:
      return false;
  }
}

http::Headers conditions_of(const ObjectRequest& request) {
  http::Headers conditions;
  if (request.conditions != nullptr) {
    for (const http::Headers::Field field : *request.conditions) {
      if (is_condition(field.id)) {
        conditions.add(field.name, field.value);
      }
    }
  }
  return conditions;
}

}  // namespace sluice::integrations
