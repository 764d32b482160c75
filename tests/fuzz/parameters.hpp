// The parameters of the operation that fuzz targets call: one of each shape and place.
#pragma once

#include <utility>
#include <vector>

#include "sluice/parameters/values.hpp"

namespace sluice::fuzz {

inline const parameters::ParameterSet& parameter_set() {
  static const parameters::ParameterSet set = [] {
    std::vector<spec::Parameter> list(5);
    list[0].name = "q";
    list[1].name = "a";
    list[1].shape = spec::ParameterShape::array;
    list[2].name = "o";
    list[2].shape = spec::ParameterShape::object;
    list[2].style = spec::ParameterStyle::deep_object;
    list[3].name = "rest";
    list[3].in = spec::ParameterIn::path;
    list[3].style = spec::ParameterStyle::simple;
    list[4].name = "c";
    list[4].in = spec::ParameterIn::cookie;
    list[4].default_values = {{"d"}};
    return parameters::ParameterSet(std::move(list));
  }();
  return set;
}

}  // namespace sluice::fuzz
