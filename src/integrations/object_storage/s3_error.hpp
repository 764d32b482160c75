/// What an S3 service says of an error: for the log, never for a client.
#pragma once

#include <string>
#include <string_view>

namespace sluice::integrations {

/// The text of the first element of that name (no namespace, no attributes), its character references
/// replaced, without control characters, at most 200 bytes. Empty where there is none. Any input will do.
std::string xml_element_text(std::string_view document, std::string_view name);

/// "the object storage answered 403: SignatureDoesNotMatch, The request signature …", and what to do about it
/// where that is known.
std::string describe_s3_error(int status, std::string_view document);

}  // namespace sluice::integrations
