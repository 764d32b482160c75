#include "integrations/object_storage/disk_store.hpp"

#include <algorithm>
#include <ctime>
#include <utility>

#include <fmt/format.h>

#include "sluice/base/codec.hpp"
#include "sluice/http/conditions.hpp"
#include "sluice/http/file_body.hpp"

#include "integrations/common/options.hpp"
#include "integrations/object_storage/media_types.hpp"

namespace sluice::integrations {
namespace {

/// The finalizer of SplitMix64: every bit of the input moves every bit of the output.
std::uint64_t mixed(std::uint64_t value) noexcept {
  value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27U)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31U);
}

std::uint64_t nanoseconds(const timespec& time) noexcept {
  constexpr std::uint64_t second = 1'000'000'000;
  return static_cast<std::uint64_t>(time.tv_sec) * second + static_cast<std::uint64_t>(time.tv_nsec);
}

std::int64_t now_seconds() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now.tv_sec;
}

class DiskStore final : public ObjectStore {
 public:
  explicit DiskStore(std::shared_ptr<const Folder> folder) : folder_(std::move(folder)) {}

  net::Awaitable<Result<http::Response>> get(const ObjectRequest& request,
                                             gateway::Exchange& exchange) const override {
    co_return read(request, exchange.context.worker, exchange.context.record.detail);
  }
  [[nodiscard]] bool presigns() const noexcept override { return false; }
  net::Awaitable<Result<std::string>> presigned_url(std::string_view /*key*/,
                                                    gateway::Exchange& /*exchange*/) const override {
    co_return internal_error("a folder has no URLs");
  }
  [[nodiscard]] OrderedJson explain(const ObjectRequest& request, gateway::Exchange& exchange) const override;

 private:
  /// `detail` gets what the operator is to know of a refusal.
  Result<http::Response> read(const ObjectRequest& request, net::Worker& worker, std::string& detail) const;

  std::shared_ptr<const Folder> folder_;
};

Result<http::Response> DiskStore::read(const ObjectRequest& request, net::Worker& worker,
                                       std::string& detail) const {
  using Outcome = http::Selection::Outcome;
  http::Response response;
  Result<OpenFile> opened = folder_->open_file(request.key, worker.index());
  if (!opened) {
    // What S3 says in the same case is no failure of the store.
    if (opened.error().status == 404 || opened.error().status == 403) {
      response.status = opened.error().status;
      if (response.status == 403) {
        detail = opened.error().detail + ": the daemon's user may not read it";
      }
      return response;
    }
    return std::move(opened).error();
  }
  OpenFile& file = *opened;
  const std::string etag = etag_of(file);
  const std::int64_t modified = std::max<std::int64_t>(file.modified.tv_sec, 0);
  const std::int64_t now = now_seconds();
  http::Selection selected{Outcome::whole, 0, file.size};
  if (request.conditions != nullptr) {
    selected = http::select(*request.conditions, {etag, modified, file.size}, now);
  }
  http::Headers& headers = response.headers;
  switch (selected.outcome) {
    case Outcome::precondition_failed:
      response.status = 412;
      return response;
    case Outcome::unsatisfiable:
      response.status = 416;
      headers.add(http::FieldId::content_range, fmt::format("bytes */{}", file.size));
      return response;
    case Outcome::not_modified:
      response.status = 304;
      break;
    case Outcome::part:
      response.status = 206;
      headers.add(http::FieldId::content_range, fmt::format("bytes {}-{}/{}", selected.first,
                                                            selected.first + selected.size - 1, file.size));
      break;
    case Outcome::whole:
      break;
  }
  // A date that is yet to come would be none (RFC 9110 section 8.8.2.1).
  const SystemTime date{std::chrono::seconds(std::min(modified, now))};
  headers.add(http::FieldId::last_modified, format_http_date(date));
  headers.add(http::FieldId::etag, etag);
  if (selected.outcome == Outcome::not_modified) {
    return response;
  }
  headers.add(http::FieldId::content_type, media_type_of(request.key));
  headers.add(http::FieldId::accept_ranges, "bytes");
  if (request.head) {
    response.head_content_length = selected.size;
  } else {
    response.body = http::make_file_body(std::move(file.descriptor), selected.first, selected.size, worker);
  }
  return response;
}

OrderedJson DiskStore::explain(const ObjectRequest& request, gateway::Exchange& /*exchange*/) const {
  OrderedJson result = OrderedJson::object();
  result["method"] = request.head ? "HEAD" : "GET";
  result["url"] = "file:" + folder_->path() + "/" + sanitize_utf8(request.key);
  result["headers"] = explain_headers(conditions_of(request));
  result["body"] = nullptr;
  return result;
}

}  // namespace

std::string etag_of(const OpenFile& file) {
  const std::uint64_t first = mixed(nanoseconds(file.modified) + mixed(file.size));
  const std::uint64_t second = mixed(nanoseconds(file.changed) + mixed(file.inode + first));
  return fmt::format("\"{:016x}{:016x}\"", first, second);
}

std::shared_ptr<const ObjectStore> make_disk_store(std::shared_ptr<const Folder> folder) {
  return std::make_shared<DiskStore>(std::move(folder));
}

}  // namespace sluice::integrations
