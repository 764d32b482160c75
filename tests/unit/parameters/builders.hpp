// Parameters and requests written in one line.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sluice/parameters/values.hpp"

namespace sluice::parameters::test {

inline spec::ParameterStyle default_style(spec::ParameterIn in) {
  return in == spec::ParameterIn::path || in == spec::ParameterIn::header ? spec::ParameterStyle::simple
                                                                          : spec::ParameterStyle::form;
}

inline spec::Parameter parameter(std::string name, spec::ParameterIn in,
                                 spec::ParameterShape shape = spec::ParameterShape::primitive) {
  spec::Parameter result;
  result.name = std::move(name);
  result.in = in;
  result.shape = shape;
  result.style = default_style(in);
  result.explode = result.style == spec::ParameterStyle::form;
  return result;
}

inline spec::Parameter styled(std::string name, spec::ParameterIn in, spec::ParameterShape shape,
                              spec::ParameterStyle style, bool explode) {
  spec::Parameter result = parameter(std::move(name), in, shape);
  result.style = style;
  result.explode = explode;
  return result;
}

inline spec::Parameter with_default(spec::Parameter parameter, std::vector<std::string> values) {
  parameter.default_values = std::move(values);
  return parameter;
}

struct Input {
  std::string query;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<PathCapture> captures;
};

inline PathCapture capture(std::string_view name, std::string value) {
  PathCapture result;
  result.name = name;
  result.value = std::move(value);
  return result;
}

inline PathCapture greedy(std::string_view name, std::vector<std::string> segments) {
  PathCapture result;
  result.name = name;
  result.greedy = true;
  for (const std::string& segment : segments) {
    result.value.append(&segment == &segments.front() ? "" : "/").append(segment);
  }
  result.segments = std::move(segments);
  return result;
}

inline Values extract(const ParameterSet& set, const Input& input) {
  http::Request request;
  request.query = input.query;
  request.has_query = !input.query.empty();
  for (const auto& [name, value] : input.headers) {
    request.headers.add(name, value);
  }
  return Values::extract(set, request, input.captures);
}

}  // namespace sluice::parameters::test
