# A layer is a folder: src/<layer>/**.cpp and include/sluice/<layer>/**.hpp make the static library sluice_<layer>.
# tests/arch checks that includes point downward only.

# Two precompiled headers: one for code that knows no sockets, one for code that does.
function(sluice_pch NAME HEADER)
  file(CONFIGURE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/${NAME}.cpp" CONTENT "")
  add_library(${NAME} OBJECT "${CMAKE_CURRENT_BINARY_DIR}/${NAME}.cpp")
  target_link_libraries(${NAME} PUBLIC sluice_options nlohmann_json::nlohmann_json spdlog::spdlog ${ARGN})
  target_precompile_headers(${NAME} PRIVATE "${HEADER}")
endfunction()

function(sluice_layer LAYER)
  cmake_parse_arguments(ARG "NET" "" "DEPENDS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${LAYER}/*.cpp")
  if(NOT sources)
    add_library(sluice_${LAYER} INTERFACE)
    target_include_directories(sluice_${LAYER} INTERFACE "${PROJECT_SOURCE_DIR}/include")
    target_link_libraries(sluice_${LAYER} INTERFACE sluice_options ${ARG_DEPENDS})
    return()
  endif()
  add_library(sluice_${LAYER} STATIC ${sources})
  target_include_directories(sluice_${LAYER} PUBLIC "${PROJECT_SOURCE_DIR}/include" PRIVATE "${PROJECT_SOURCE_DIR}/src")
  if(ARG_NET)
    target_link_libraries(sluice_${LAYER} PUBLIC sluice_pch_net)
    target_precompile_headers(sluice_${LAYER} REUSE_FROM sluice_pch_net)
  else()
    target_link_libraries(sluice_${LAYER} PUBLIC sluice_pch_core)
    target_precompile_headers(sluice_${LAYER} REUSE_FROM sluice_pch_core)
  endif()
  target_link_libraries(sluice_${LAYER} PUBLIC sluice_options ${ARG_DEPENDS})
endfunction()

# One test program a folder of tests. Release finds the single tests at build time, so that ctest runs them in
# parallel and each starts afresh; under sanitizers a program is two ctest tests, half of its tests each, since a
# process that starts costs more there than most tests do.
# Test code is compiled without optimization (SLUICE_TEST_FLAGS), what it tests as the preset says.
set(SLUICE_TEST_FLAGS -O0 -U_FORTIFY_SOURCE CACHE STRING "Compiler flags of the tests' own files")
mark_as_advanced(SLUICE_TEST_FLAGS)

function(sluice_test NAME)
  cmake_parse_arguments(ARG "NET" "FOLDER;LABEL;TIMEOUT" "DEPENDS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${ARG_FOLDER}/*.cpp")
  if(NOT sources)
    return()
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${NAME} ${sources})
  add_dependencies(tests ${NAME})
  target_include_directories(${NAME} PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/tests")
  target_compile_definitions(${NAME} PRIVATE SLUICE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_compile_options(${NAME} PRIVATE ${SLUICE_TEST_FLAGS})
  set(pch sluice_pch_test_core)
  if(ARG_NET)
    set(pch sluice_pch_test_net)
  endif()
  target_link_libraries(${NAME} PRIVATE ${ARG_DEPENDS} ${pch} GTest::gmock GTest::gtest_main)
  target_precompile_headers(${NAME} REUSE_FROM ${pch})
  if(SLUICE_SANITIZE OR SLUICE_COVERAGE)
    foreach(half RANGE 1)
      add_test(NAME ${NAME}.${half} COMMAND ${NAME} --gtest_brief=1)
      set_tests_properties(${NAME}.${half} PROPERTIES TIMEOUT 600 LABELS "${ARG_LABEL}"
        ENVIRONMENT "GTEST_TOTAL_SHARDS=2;GTEST_SHARD_INDEX=${half}")
    endforeach()
  else()
    include(GoogleTest)
    gtest_discover_tests(${NAME} DISCOVERY_TIMEOUT 60 DISCOVERY_MODE PRE_TEST
      PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABEL}")
  endif()
endfunction()

# A file of Python tests as one ctest test; it finds the daemon by SLUICE_BIN.
function(sluice_python_test NAME)
  cmake_parse_arguments(ARG "SERIAL" "LABEL;TIMEOUT" "FILES;ARGUMENTS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_test(NAME ${NAME} COMMAND ${SLUICE_PYTHON} -m pytest -q -p no:cacheprovider ${ARG_ARGUMENTS} ${ARG_FILES}
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  set_tests_properties(${NAME} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABEL}"
    ENVIRONMENT "SLUICE_BIN=$<TARGET_FILE:sluice>;SLUICE_BUILD_DIR=${PROJECT_BINARY_DIR};PYTHONDONTWRITEBYTECODE=1")
  if(ARG_SERIAL)
    set_tests_properties(${NAME} PROPERTIES RUN_SERIAL ON)
  endif()
endfunction()
