/// JSON Schemas for editors: daemon.md, `sluice schema document`.
#pragma once

#include <string>

namespace sluice::spec {

/// A draft-07 JSON Schema of OpenAPI 3 documents with the x-yc-apigateway extensions, as indented JSON text
/// with a line break at its end. It helps while typing (names, choices, descriptions); the linter's checks go
/// further.
std::string document_schema();

}  // namespace sluice::spec
