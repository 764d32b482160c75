/// Where the cloud's services are: `services` of the configuration, the cloud's public addresses by default.
/// backends.md.
#pragma once

#include <string>
#include <string_view>

#include "sluice/base/result.hpp"
#include "sluice/client/http_client.hpp"

namespace sluice::client::cloud {

inline constexpr std::string_view default_region = "ru-central1";

struct ServiceEndpoint {
  Url url;
  std::string region{default_region};  ///< of signatures
};

/// A container's own address.
struct ContainerAddress {
  Url url;           ///< where the call goes, with a path that comes before the request's
  std::string host;  ///< the Host field
};

struct Endpoints {
  ServiceEndpoint cloud_functions;
  ServiceEndpoint object_storage;
  ServiceEndpoint cloud_datasphere;
  ServiceEndpoint cloud_datastreams;
  ServiceEndpoint cloud_ymq;
  ServiceEndpoint cloud_ydb;
  ServiceEndpoint iam;       ///< the URL of the exchange itself
  ServiceEndpoint metadata;  ///< the URL of the token itself
  /// Text of a URL. With "{id}" in it that is the container's id; without, calls go there, and Host names
  /// the container as the cloud does.
  std::string serverless_containers;

  /// The cloud's public ones.
  static const Endpoints& standard();
  /// The address of a container. Errors (config): the id makes no host name.
  [[nodiscard]] Result<ContainerAddress> container(std::string_view id) const;
  /// The URL that calls a function: the base, a slash and the id, encoded. Its query is empty.
  [[nodiscard]] Url function(std::string_view id) const;
};

/// The end of the URLs of a machine's metadata service.
inline constexpr std::string_view metadata_token_path =
    "/computeMetadata/v1/instance/service-accounts/default/token";
inline constexpr std::string_view iam_token_path = "/iam/v1/tokens";

}  // namespace sluice::client::cloud
