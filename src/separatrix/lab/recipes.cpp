#include "separatrix/lab/recipes.h"

#include "separatrix/base/names.h"

namespace separatrix {
namespace {

constexpr Recipe kRecipes[] = {
#include "separatrix/lab/recipes.inc"
};

}  // namespace

std::span<const Recipe> recipes() { return kRecipes; }

YamlFile find_recipe(const std::string& name) {
  std::vector<std::string> known;
  for (const Recipe& recipe : recipes()) {
    if (same_name(recipe.name, name))
      return parse_yaml(std::string(recipe.text),
                        std::string("experiments/") + recipe.name + ".yaml");
    known.emplace_back(recipe.name);
  }
  throw Error(ErrorKind::usage, "unknown recipe '" + name + "'", {}, did_you_mean(name, known));
}

}  // namespace separatrix
