/// The files of Swagger UI that the build embedded. cmake/SluiceSwagger.cmake makes the implementation.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace sluice::integrations {

/// Bytes of the program itself; no string_view, as their addresses are no constant expressions of use here.
struct SwaggerBytes {
  const char* data = nullptr;
  std::size_t size = 0;
  [[nodiscard]] std::string_view view() const noexcept { return {data, size}; }
};

struct SwaggerAsset {
  std::string_view name;  ///< "swagger-ui.css"
  std::string_view content_type;
  std::string_view etag;  ///< without quotes, of the plain form
  SwaggerBytes plain;
  SwaggerBytes gzip;  ///< empty where it would not be smaller
};

/// Empty where the build left Swagger UI out.
std::span<const SwaggerAsset> swagger_assets() noexcept;
/// "5.1.0"; empty where the build left it out.
std::string_view swagger_ui_version() noexcept;

}  // namespace sluice::integrations
