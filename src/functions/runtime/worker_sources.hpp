/// The files of workers/, put into the program by the build (src/CMakeLists.txt).
#pragma once

#include <string_view>

namespace sluice::functions::runtime {

extern const std::string_view node_worker_source;
extern const std::string_view python_worker_source;

}  // namespace sluice::functions::runtime
