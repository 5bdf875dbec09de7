#pragma once

#include <span>
#include <string>
#include <string_view>

#include "separatrix/base/yaml.h"

namespace separatrix {

/// An experiment file that travels in the binary: experiments/<name>.yaml.
struct Recipe {
  const char* name;
  std::string_view text;
};
std::span<const Recipe> recipes();

/// By name; its places in error messages are "experiments/NAME.yaml". Throws Error(usage) naming
/// the nearest match.
YamlFile find_recipe(const std::string& name);

}  // namespace separatrix
