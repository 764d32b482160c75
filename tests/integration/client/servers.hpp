/// nginx and httpbin, started for one test.
#pragma once

#include <memory>
#include <string>

#include "support/process.hpp"
#include "unit/client/fixture.hpp"

namespace sluice::client::test {

using testing_support::accepts;
using testing_support::find_program;
using testing_support::free_port;
using testing_support::Process;
using testing_support::ProcessOptions;
using testing_support::TemporaryFolder;

/// One process of nginx in a folder of its own. `server`: what stands in the http block.
class Nginx {
 public:
  Nginx(const TemporaryFolder& folder, const std::string& http) : folder_(folder) {
    const std::string temporary = folder.path() + "/tmp";
    std::filesystem::create_directories(temporary);
    std::string text = "daemon off;\nmaster_process off;\npid " + folder.path() + "/nginx.pid;\nerror_log " +
                       folder.path() +
                       "/error.log notice;\nevents { worker_connections 1024; }\nhttp {\n"
                       "log_format line '$request_method $request_uri $status';\naccess_log " +
                       folder.path() + "/access.log line;\n";
    for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
      text += std::string(kind) + "_temp_path " + temporary + "/" + kind + ";\n";
    }
    configuration_ = folder.write("nginx.conf", text + http + "}\n");
  }
  void start() {
    std::filesystem::remove(folder_.path() +
                            "/nginx.sock");  // one that was killed leaves it, and could not bind
    process_ = std::make_unique<Process>(std::vector<std::string>{find_program("nginx"), "-c", configuration_,
                                                                  "-e", folder_.path() + "/error.log", "-p",
                                                                  folder_.path()});
  }
  bool start_and_wait(std::uint16_t port) {
    start();
    if (process_->wait_until_accepts(port)) {
      return true;
    }
    ADD_FAILURE() << "nginx does not come up: " << process_->output() << folder_.read("error.log");
    return false;
  }
  void kill() { process_->kill(); }
  [[nodiscard]] static bool installed() { return !find_program("nginx").empty(); }

 private:
  const TemporaryFolder& folder_;
  std::string configuration_;
  std::unique_ptr<Process> process_;
};

}  // namespace sluice::client::test
