# Debian 12 packages (installed by tools in the Makefile); each is wrapped once as sluice::NAME.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
pkg_check_modules(YAMLCPP REQUIRED IMPORTED_TARGET yaml-cpp)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)

add_library(sluice_asio INTERFACE)
target_link_libraries(sluice_asio INTERFACE Boost::headers Threads::Threads OpenSSL::SSL OpenSSL::Crypto)
target_compile_definitions(sluice_asio INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_REGEX
  # Asio keeps two coroutine frames below 1 KiB a thread; the daemon's allocator keeps all of them, for less.
  BOOST_ASIO_DISABLE_AWAITABLE_FRAME_RECYCLING)
if(SLUICE_TESTS)
  find_package(GTest REQUIRED)
endif()
