# Swagger UI, embedded: npm's swagger-ui-dist as `.ci/setup swagger` installs it. Without it the daemon is built all the
# same; routes of type swagger then answer 501.
option(SLUICE_SWAGGER "Embed Swagger UI (npm's swagger-ui-dist) where it is installed" ON)
set(SLUICE_SWAGGER_UI "${PROJECT_SOURCE_DIR}/cmake/swagger-ui/node_modules/swagger-ui-dist" CACHE PATH
  "The folder of npm's swagger-ui-dist")

# Sets OUT to the source file to compile: the assets, or that there are none.
function(sluice_swagger_source OUT)
  # A package that is installed later configures again.
  file(GLOB found CONFIGURE_DEPENDS "${SLUICE_SWAGGER_UI}/swagger-ui-bundle.js")
  if(NOT SLUICE_SWAGGER OR NOT found)
    if(SLUICE_SWAGGER)
      message(STATUS "Swagger UI is left out, ${SLUICE_SWAGGER_UI} is not there: "
                     "install npm and run `.ci/setup swagger`, then build again")
    else()
      message(STATUS "Swagger UI is left out (SLUICE_SWAGGER=OFF)")
    endif()
    file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/swagger/no_swagger_assets.cpp" @ONLY CONTENT [=[
#include "integrations/swagger/assets.hpp"

namespace sluice::integrations {

std::span<const SwaggerAsset> swagger_assets() noexcept { return {}; }
std::string_view swagger_ui_version() noexcept { return {}; }

}  // namespace sluice::integrations
]=])
    set(${OUT} "${PROJECT_BINARY_DIR}/swagger/no_swagger_assets.cpp" PARENT_SCOPE)
    return()
  endif()
  set(own "${PROJECT_SOURCE_DIR}/cmake/swagger-ui")
  set(source "${PROJECT_BINARY_DIR}/swagger/swagger_assets.cpp")
  add_custom_command(OUTPUT "${source}"
    COMMAND ${SLUICE_PYTHON} "${own}/pack.py" "${SLUICE_SWAGGER_UI}" "${own}" "${PROJECT_BINARY_DIR}/swagger"
    DEPENDS "${own}/pack.py" "${own}/initializer.js" "${found}" "${SLUICE_SWAGGER_UI}/package.json"
    COMMENT "Packing Swagger UI" VERBATIM)
  set(${OUT} "${source}" PARENT_SCOPE)
endfunction()
