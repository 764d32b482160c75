/// The keys that later steps build: these are checked for their shape, so that
/// a configuration for a later version starts, and told as [not-built].
#include <algorithm>
#include <array>

#include "sluice/base/codec.hpp"

#include "config_reader.hpp"

namespace sluice::server {

namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20U;

void read_queues(Section& root, const spec::Node& node) {
  for_each_member(root.context(), node, "queues",
                  [&](const std::string& url, const spec::Node& value, const spec::Member&) {
                    Section queue(root.context(), value, "the queue " + url);
                    queue.required_string("file", "name its database, such as `file: data.db`");
                    const spec::Node* trigger_node = queue.node("trigger");
                    if (trigger_node == nullptr) {
                      return;
                    }
                    Section trigger(root.context(), *trigger_node, "`trigger`");
                    trigger.required_string("function");
                    trigger.count("batch_size", 1, 1000);
                    trigger.duration("wait", Duration(0), std::chrono::hours(1));
                    trigger.duration("visibility_timeout", Duration(0), std::chrono::hours(12));
                    trigger.count("max_receives", 1, 1000);
                    trigger.text("dead_letter");
                  });
}

void read_streams(Section& root, const spec::Node& node) {
  for_each_member(root.context(), node, "streams",
                  [&](const std::string& name, const spec::Node& value, const spec::Member&) {
                    Section stream(root.context(), value, "the stream " + name);
                    stream.required_string("file", "name its database, such as `file: data.db`");
                    if (const spec::Node* trigger_node = stream.node("trigger")) {
                      Section trigger(root.context(), *trigger_node, "`trigger`");
                      trigger.required_string("function");
                      trigger.count("batch_size", 1, 1000);
                      trigger.duration("wait", Duration(0), std::chrono::hours(1));
                    }
                  });
}

void read_databases(Section& root, const spec::Node& node) {
  for_each_member(root.context(), node, "databases",
                  [&](const std::string& name, const spec::Node& value, const spec::Member&) {
                    Section database(root.context(), value, "the database " + name);
                    database.required_string("file", "name its file, such as `file: data.db`");
                    if (const spec::Node* tables = database.node("tables")) {
                      for_each_member(
                          root.context(), *tables, "tables",
                          [&](const std::string& table, const spec::Node& options, const spec::Member&) {
                            Section section(root.context(), options, "the table " + table);
                            section.texts("key");
                          });
                    }
                  });
}

void read_security_profiles(Section& root, const spec::Node& node) {
  for_each_member(root.context(), node, "security_profiles",
                  [&](const std::string& name, const spec::Node& value, const spec::Member&) {
                    Section profile(root.context(), value, "the security profile " + name);
                    root.context().config.security_profiles.push_back(name);
                    for (const std::string_view key : {"allow", "deny"}) {
                      net::IpSet set;
                      for (const auto& [text, at] : profile.texts(key)) {
                        if (const Result<void> added = set.add(text); added.has_error()) {
                          profile.error(*at, "bad-address",
                                        "`" + std::string(key) + "`: " + added.error().detail);
                        }
                      }
                    }
                    profile.accept("rules");
                  });
}

void read_acme(Section& root, const spec::Node& node) {
  Section acme(root.context(), node, "`acme`");
  acme.url("directory");
  acme.text("email");
  acme.path("storage");
  if (const auto ca = acme.path("ca")) {
    root.context().config.files.push_back(*ca);
  }
}

void read_cluster(Section& root, const spec::Node& node) {
  Section cluster(root.context(), node, "`cluster`");
  if (const spec::Node* redis = cluster.node("redis")) {
    Section section(root.context(), *redis, "`cluster.redis`");
    section.secret("url");
  }
}

void read_websocket_api(Section& root, const spec::Node& node) {
  Section api(root.context(), node, "`websocket_api`");
  api.text("address");
  api.count("port", 0, 65535);
  for (const auto& [token, at] : api.texts("tokens")) {
    static_cast<void>(at);
    api.keep_secret(token);
  }
}

void read_compression(Section& root, const spec::Node& node) {
  Section compression(root.context(), node, "`compression`");
  compression.texts("types");
  compression.size("min_size", 0, 1024 * mib);
}

}  // namespace

void read_later_sections(Section& root) {
  struct Later {
    std::string_view key;
    void (*read)(Section& root, const spec::Node& node);
    std::string_view effect = "has no effect";
  };
  constexpr std::array later{
      Later{"queues", read_queues},
      Later{"streams", read_streams},
      Later{"databases", read_databases},
      Later{"acme", read_acme},
      Later{"security_profiles", read_security_profiles,
            "gateways whose documents name one of them answer 501"},
      Later{"cluster", read_cluster},
      Later{"websocket_api", read_websocket_api},
      Later{"compression", read_compression},
  };
  for (const Later& section : later) {
    if (const spec::Node* node = root.node(section.key)) {
      section.read(root, *node);
      root.not_built(*node, "`" + std::string(section.key) + "`", section.effect);
    }
  }
}

}  // namespace sluice::server
