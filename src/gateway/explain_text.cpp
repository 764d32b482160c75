// What `explain` tells, for people.
#include <algorithm>

#include "sluice/gateway/explain.hpp"

namespace sluice::gateway {
namespace {

/// Templates that do not even fit the path and are listed; a document may have thousands.
constexpr std::size_t most_misfits = 20;

std::string text_of(const OrderedJson& value) {
  return value.is_string() ? value.get<std::string>() : dump_json(value);
}

void append_column(std::string& out, const std::string& text, std::size_t width) {
  out += text;
  out.append(text.size() < width ? width - text.size() : 0, ' ');
}

std::size_t width_of(const OrderedJson& list, const char* member) {
  std::size_t width = 0;
  for (const OrderedJson& item : list) {
    width = std::max(width, text_of(item.at(member)).size());
  }
  return std::min<std::size_t>(width, 60);
}

void append_candidates(std::string& out, const OrderedJson& candidates) {
  if (candidates.empty()) {
    return;
  }
  out += "\nCandidates, in match order\n";
  const std::size_t width = width_of(candidates, "template");
  std::size_t misfits = 0;
  for (const OrderedJson& item : candidates) {
    const bool fits = item.at("verdict") != "path does not fit";
    if (!fits && ++misfits > most_misfits) {
      continue;
    }
    out += item.at("verdict") == "chosen" ? "  > " : "    ";
    append_column(out, text_of(item.at("template")), width);
    out += "  " + text_of(item.at("reason")) + '\n';
  }
  if (misfits > most_misfits) {
    out += "    and " + std::to_string(misfits - most_misfits) + " more that do not fit the path\n";
  }
}

void append_parameters(std::string& out, const OrderedJson& parameters) {
  if (parameters.empty()) {
    return;
  }
  out += "\nParameters\n";
  const std::size_t width = width_of(parameters, "name");
  for (const OrderedJson& item : parameters) {
    out += "    ";
    append_column(out, text_of(item.at("name")), width);
    out += "  " + text_of(item.at("in")) + "  ";
    out += item.at("value").is_null() ? "absent" : '"' + text_of(item.at("value")) + '"';
    out += item.at("source") == "default" ? " (default)\n" : "\n";
  }
}

/// The headers of an integration's request or answer: name → value or list of values.
void append_message(std::string& out, const OrderedJson& message) {
  if (message.contains("method")) {
    out += "    " + text_of(message.at("method")) + ' ' + text_of(message.at("url")) + '\n';
  } else if (message.contains("status")) {
    out += "    status " + text_of(message.at("status")) + '\n';
  }
  if (message.contains("headers") && message.at("headers").is_object()) {
    for (const auto& [name, value] : message.at("headers").items()) {
      for (const OrderedJson& one : value.is_array() ? value : OrderedJson::array({value})) {
        out += "    " + name + ": " + text_of(one) + '\n';
      }
    }
  }
  if (message.contains("body") && !message.at("body").is_null()) {
    const OrderedJson& body = message.at("body");
    std::string text = body.is_string() ? body.get<std::string>() : dump_json(body, 2);
    out += "\n    ";
    for (const char byte : text) {
      out.push_back(byte);
      if (byte == '\n') {
        out += "    ";
      }
    }
    out += '\n';
  }
}

}  // namespace

std::string explain_text(const OrderedJson& explanation) {
  std::string out;
  const OrderedJson& request = explanation.at("request");
  out += text_of(request.at("method")) + ' ' + text_of(request.at("path"));
  out += request.contains("query") ? text_of(request.at("query")) : "";
  out += " on " + text_of(request.at("host")) + '\n';
  append_candidates(out, explanation.at("candidates"));
  if (explanation.contains("route")) {
    const OrderedJson& route = explanation.at("route");
    out += "\nRoute\n    " + text_of(route.at("method")) + ' ' + text_of(route.at("template")) + "  (" +
           text_of(route.at("place")) + ")\n    operationId " + text_of(route.at("operationId")) +
           "\n    integration " +
           (text_of(route.at("integration")).empty() ? "none" : text_of(route.at("integration"))) + '\n';
  }
  if (explanation.contains("parameters")) {
    append_parameters(out, explanation.at("parameters"));
  }
  out += "\nSteps\n";
  const std::size_t width = width_of(explanation.at("steps"), "step");
  for (const OrderedJson& item : explanation.at("steps")) {
    out += "    ";
    append_column(out, text_of(item.at("step")), width);
    out += "  " + text_of(item.at("result")) + '\n';
  }
  if (explanation.contains("integration")) {
    const OrderedJson& integration = explanation.at("integration");
    if (integration.contains("request")) {
      out += "\nThe integration would send\n";
      append_message(out, integration.at("request"));
    }
    if (integration.contains("response")) {
      out += "\nThe integration would answer\n";
      append_message(out, integration.at("response"));
    }
    if (integration.contains("note")) {
      out += "\nNote: " + text_of(integration.at("note")) + '\n';
    }
  }
  return out;
}

}  // namespace sluice::gateway
