#include "sluice/client/cloud/endpoints.hpp"

#include <algorithm>

#include "sluice/base/codec.hpp"

namespace sluice::client::cloud {
namespace {

constexpr std::string_view container_domain = ".containers.yandexcloud.net";
constexpr std::string_view id_mark = "{id}";

/// One label of a host name.
bool is_label(std::string_view id) {
  constexpr std::size_t longest = 63;
  return !id.empty() && id.size() <= longest && id.front() != '-' && id.back() != '-' &&
         std::all_of(id.begin(), id.end(), [](char byte) {
           return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                  (byte >= '0' && byte <= '9') || byte == '-';
         });
}

}  // namespace

const Endpoints& Endpoints::standard() {
  static const Endpoints endpoints = [] {
    const auto at = [](const std::string& url) { return ServiceEndpoint{parse_url(url).value()}; };
    Endpoints out;
    out.cloud_functions = at("https://functions.yandexcloud.net/");
    out.object_storage = at("https://storage.yandexcloud.net/");
    out.cloud_datasphere = at("https://datasphere.api.cloud.yandex.net/");
    out.cloud_datastreams = at("https://yds.serverless.yandexcloud.net/");
    out.cloud_ymq = at("https://message-queue.api.cloud.yandex.net/");
    out.cloud_ydb = at("https://docapi.serverless.yandexcloud.net/");
    out.iam = at("https://iam.api.cloud.yandex.net" + std::string(iam_token_path));
    out.metadata = at("http://169.254.169.254" + std::string(metadata_token_path));
    out.serverless_containers = "https://{id}.containers.yandexcloud.net";
    return out;
  }();
  return endpoints;
}

Result<ContainerAddress> Endpoints::container(std::string_view id) const {
  if (!is_label(id)) {
    return config_error("the container id \"" + sanitize_utf8(id) + "\" makes no host name");
  }
  std::string text = serverless_containers;
  const std::size_t mark = text.find(id_mark);
  if (mark != std::string::npos) {
    text.replace(mark, id_mark.size(), to_lower(id));
  }
  Result<Url> url = parse_url(text);
  if (!url) {
    return url.error();
  }
  ContainerAddress address{std::move(*url), {}};
  address.host = mark != std::string::npos ? address.url.authority : to_lower(id).append(container_domain);
  return address;
}

Url Endpoints::function(std::string_view id) const {
  Url url = cloud_functions.url;
  std::string& path = url.path_and_query;
  if (!path.ends_with('/')) {
    path.push_back('/');
  }
  append_percent_encoded(path, id, PercentSet::unreserved);
  return url;
}

}  // namespace sluice::client::cloud
