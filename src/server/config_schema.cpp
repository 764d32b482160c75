#include "sluice/server/config.hpp"

namespace sluice::server {

namespace {

/// Everything but `limits`, whose properties come from limit_table().
constexpr std::string_view schema_text = R"json({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "title": "Configuration of Sluice",
  "type": "object",
  "additionalProperties": false,
  "required": ["gateways"],
  "definitions": {
    "duration": {"type": "string", "pattern": "^([0-9]+(\\.[0-9]+)?(ms|s|m|h)|.*\\$\\{(env|file):.*)$", "examples": ["500ms", "3s", "5m", "1h"]},
    "size": {"type": "string", "pattern": "^([0-9]+(\\.[0-9]+)?(B|KiB|MiB|GiB)|.*\\$\\{(env|file):.*)$", "examples": ["64KiB", "2.5MiB"]},
    "reference": {"type": "string", "pattern": "\\$\\{(env|file):"},
    "port": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 65535}, {"$ref": "#/definitions/reference"}]},
    "count": {"anyOf": [{"type": "integer", "minimum": 0}, {"$ref": "#/definitions/reference"}]},
    "flag": {"anyOf": [{"type": "boolean"}, {"$ref": "#/definitions/reference"}]},
    "texts": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
    "scalars": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
    "profile": {"enum": ["open", "cloud"]},
    "service": {
      "type": "object", "additionalProperties": false,
      "properties": {"endpoint": {"type": "string"}, "region": {"type": "string"}}
    },
    "trigger": {
      "type": "object", "additionalProperties": false, "required": ["function"],
      "properties": {
        "function": {"type": "string"}, "batch_size": {"$ref": "#/definitions/count"},
        "wait": {"$ref": "#/definitions/duration"}, "visibility_timeout": {"$ref": "#/definitions/duration"},
        "max_receives": {"$ref": "#/definitions/count"}, "dead_letter": {"type": "string"}
      }
    }
  },
  "properties": {
    "listen": {
      "type": "array", "minItems": 1,
      "description": "Where requests are taken; default 127.0.0.1:8080",
      "items": {
        "type": "object", "additionalProperties": false,
        "anyOf": [{"required": ["port"]}, {"required": ["unix"]}],
        "properties": {
          "address": {"type": "string"}, "port": {"$ref": "#/definitions/port"}, "unix": {"type": "string"},
          "tls": {"$ref": "#/definitions/flag"}, "proxy_protocol": {"$ref": "#/definitions/flag"}
        }
      }
    },
    "workers": {"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": 1024}, {"$ref": "#/definitions/reference"}]},
    "profile": {"$ref": "#/definitions/profile"},
    "service_domain": {"type": "string"},
    "trusted_proxies": {"$ref": "#/definitions/texts"},
    "watch": {"$ref": "#/definitions/flag"},
    "gateways": {
      "type": "array", "minItems": 1,
      "items": {
        "type": "object", "additionalProperties": false, "required": ["spec"],
        "properties": {
          "id": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
          "spec": {"type": "string"},
          "domains": {"$ref": "#/definitions/texts"},
          "variables": {"$ref": "#/definitions/scalars"},
          "profile": {"$ref": "#/definitions/profile"},
          "timeout": {"$ref": "#/definitions/duration"},
          "canary": {
            "type": "object", "additionalProperties": false,
            "properties": {"weight": {"type": "integer", "minimum": 0, "maximum": 100}, "variables": {"$ref": "#/definitions/scalars"}}
          }
        }
      }
    },
    "certificates": {
      "type": "array",
      "items": {
        "type": "object", "additionalProperties": false,
        "properties": {
          "domains": {"$ref": "#/definitions/texts"}, "certificate": {"type": "string"},
          "private_key": {"type": "string"}, "acme": {"$ref": "#/definitions/flag"}
        }
      }
    },
    "acme": {
      "type": "object", "additionalProperties": false,
      "properties": {"directory": {"type": "string"}, "email": {"type": "string"}, "storage": {"type": "string"}, "ca": {"type": "string"}}
    },
    "service_accounts": {
      "type": "object",
      "additionalProperties": {
        "type": "object", "additionalProperties": false,
        "properties": {
          "authorized_key": {"type": "string"},
          "static_key": {
            "type": "object", "additionalProperties": false, "required": ["id", "secret"],
            "properties": {"id": {"type": "string"}, "secret": {"type": "string"}}
          },
          "metadata": {"$ref": "#/definitions/flag"}, "token": {"type": "string"},
          "prefer": {"enum": ["static_key", "authorized_key", "token", "metadata"]}
        }
      }
    },
    "services": {
      "type": "object", "additionalProperties": false,
      "properties": {
        "cloud_functions": {"$ref": "#/definitions/service"}, "serverless_containers": {"$ref": "#/definitions/service"},
        "object_storage": {"$ref": "#/definitions/service"}, "cloud_datasphere": {"$ref": "#/definitions/service"},
        "cloud_datastreams": {"$ref": "#/definitions/service"}, "cloud_ymq": {"$ref": "#/definitions/service"},
        "cloud_ydb": {"$ref": "#/definitions/service"}, "iam": {"$ref": "#/definitions/service"},
        "metadata": {"$ref": "#/definitions/service"}
      }
    },
    "functions": {
      "type": "object",
      "additionalProperties": {
        "type": "object", "additionalProperties": false,
        "anyOf": [{"required": ["url"]}, {"required": ["runtime", "handler"]}],
        "properties": {
          "url": {"type": "string"}, "runtime": {"type": "string", "pattern": "^(nodejs|python)[0-9]*$"},
          "handler": {"type": "string"}, "directory": {"type": "string"}, "env": {"$ref": "#/definitions/scalars"},
          "timeout": {"$ref": "#/definitions/duration"}, "memory": {"$ref": "#/definitions/size"},
          "workers": {"$ref": "#/definitions/count"}, "service_account": {"type": "string"}
        }
      }
    },
    "containers": {
      "type": "object",
      "additionalProperties": {
        "type": "object", "additionalProperties": false,
        "anyOf": [{"required": ["url"]}, {"required": ["command"]}],
        "properties": {
          "url": {"type": "string"}, "command": {"$ref": "#/definitions/texts"}, "directory": {"type": "string"},
          "env": {"$ref": "#/definitions/scalars"}, "service_account": {"type": "string"}, "sandbox": {"type": "boolean"}
        }
      }
    },
    "buckets": {
      "type": "object",
      "additionalProperties": {"type": "object", "additionalProperties": false, "properties": {"directory": {"type": "string"}}}
    },
    "queues": {
      "type": "object",
      "additionalProperties": {
        "type": "object", "additionalProperties": false, "required": ["file"],
        "properties": {"file": {"type": "string"}, "trigger": {"$ref": "#/definitions/trigger"}}
      }
    },
    "streams": {
      "type": "object",
      "additionalProperties": {
        "type": "object", "additionalProperties": false, "required": ["file"],
        "properties": {"file": {"type": "string"}, "trigger": {"$ref": "#/definitions/trigger"}}
      }
    },
    "databases": {
      "type": "object",
      "additionalProperties": {
        "type": "object", "additionalProperties": false, "required": ["file"],
        "properties": {
          "file": {"type": "string"},
          "tables": {
            "type": "object",
            "additionalProperties": {"type": "object", "additionalProperties": false, "properties": {"key": {"$ref": "#/definitions/texts"}}}
          }
        }
      }
    },
    "upstreams": {
      "type": "array",
      "items": {
        "type": "object", "additionalProperties": false, "required": ["origin"],
        "properties": {
          "origin": {"type": "string"}, "ca": {"type": "string"}, "certificate": {"type": "string"},
          "private_key": {"type": "string"}
        }
      }
    },
    "security_profiles": {
      "type": "object",
      "additionalProperties": {
        "type": "object", "additionalProperties": false,
        "properties": {"allow": {"$ref": "#/definitions/texts"}, "deny": {"$ref": "#/definitions/texts"}, "rules": {"type": "array"}}
      }
    },
    "cluster": {
      "type": "object", "additionalProperties": false,
      "properties": {
        "redis": {"type": "object", "additionalProperties": false, "properties": {"url": {"type": "string"}}}
      }
    },
    "admin": {
      "type": "object", "additionalProperties": false, "required": ["port"],
      "properties": {"address": {"type": "string"}, "port": {"$ref": "#/definitions/port"}}
    },
    "websocket_api": {
      "type": "object", "additionalProperties": false,
      "properties": {"address": {"type": "string"}, "port": {"$ref": "#/definitions/port"}, "tokens": {"$ref": "#/definitions/texts"}}
    },
    "http": {
      "type": "object", "additionalProperties": false,
      "properties": {"allow_private": {"$ref": "#/definitions/flag"}}
    },
    "log": {
      "type": "object", "additionalProperties": false,
      "properties": {
        "level": {"enum": ["debug", "info", "warning", "warn", "error", "off"]}, "format": {"enum": ["json", "text"]},
        "access": {"$ref": "#/definitions/flag"}, "output": {"type": "string"}
      }
    },
    "compression": {
      "type": "object", "additionalProperties": false,
      "properties": {"types": {"$ref": "#/definitions/texts"}, "min_size": {"$ref": "#/definitions/size"}}
    }
  }
})json";

}  // namespace

Json config_schema() {
  Json schema = parse_json(schema_text).value();
  Json properties = Json::object();
  for (const LimitDescription& limit : limit_table()) {
    const std::string_view kind = limit.unit == LimitDescription::Unit::duration ? "duration"
                                  : limit.unit == LimitDescription::Unit::size   ? "size"
                                                                                 : "count";
    properties[std::string(limit.name)] = {
        {"allOf", Json::array({{{"$ref", "#/definitions/" + std::string(kind)}}})},
        {"description", std::string(limit.meaning) + " Default: " + default_text(limit) + "."}};
  }
  schema["properties"]["limits"] = {
      {"type", "object"}, {"additionalProperties", false}, {"properties", std::move(properties)}};
  return schema;
}

}  // namespace sluice::server
