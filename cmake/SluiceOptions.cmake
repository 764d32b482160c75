# Compiler, warnings, sanitizers: everything that holds for every target.

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  message(FATAL_ERROR
    "GCC ${CMAKE_CXX_COMPILER_VERSION} destroys temporaries of co_await statements twice. "
    "Use clang-19 (cmake --preset release, or make build), or GCC 13 or later.")
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  message(FATAL_ERROR "Clang ${CMAKE_CXX_COMPILER_VERSION} is too old: Sluice is built with clang-19 (make build installs it).")
endif()

option(SLUICE_TESTS "Build the tests" ON)
option(SLUICE_FUZZ "Instrument for libFuzzer and build the fuzz targets (clang with ASan only)" OFF)
option(SLUICE_COVERAGE "Instrument for llvm-cov" OFF)
set(SLUICE_PYTHON /usr/bin/python3 CACHE FILEPATH "The Python that runs the tests (Debian's, for its packages)")
set(SLUICE_SANITIZE "" CACHE STRING "Sanitizers, comma-separated: address,undefined or thread")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(SLUICE_CCACHE ccache)
if(SLUICE_CCACHE)
  # The sloppiness is what ccache asks for where a precompiled header is used.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${SLUICE_CCACHE})
endif()

add_library(sluice_options INTERFACE)
# Without implicit conversions a Json is convertible to what was asked for only, so that Result<Json> is unambiguous.
target_compile_definitions(sluice_options INTERFACE JSON_USE_IMPLICIT_CONVERSIONS=0)
target_compile_options(sluice_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Werror
  -fno-omit-frame-pointer -fstack-protector-strong -ffunction-sections -fdata-sections)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(sluice_options INTERFACE "SHELL:-Xclang -fno-pch-timestamp")
endif()
target_link_options(sluice_options INTERFACE -Wl,--gc-sections -Wl,--as-needed -Wl,-z,relro,-z,now)

find_program(SLUICE_MOLD mold)
if(SLUICE_MOLD)
  target_link_options(sluice_options INTERFACE -fuse-ld=mold)
endif()

if(SLUICE_SANITIZE)
  target_compile_options(sluice_options INTERFACE -fsanitize=${SLUICE_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(sluice_options INTERFACE -fsanitize=${SLUICE_SANITIZE})
endif()
if(SLUICE_FUZZ)
  target_compile_options(sluice_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(SLUICE_COVERAGE)
  target_compile_options(sluice_options INTERFACE -fprofile-instr-generate -fcoverage-mapping)
  target_link_options(sluice_options INTERFACE -fprofile-instr-generate -fcoverage-mapping)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT SLUICE_SANITIZE)
  target_compile_definitions(sluice_options INTERFACE _FORTIFY_SOURCE=2)
endif()
