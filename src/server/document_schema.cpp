#include "sluice/server/config.hpp"
namespace sluice::server {
Json document_schema() {
  return Json::object();
}
}  // namespace sluice::server
