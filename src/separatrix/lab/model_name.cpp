#include "separatrix/lab/model_name.h"

#include <algorithm>

#include "separatrix/base/names.h"
#include "separatrix/lab/models.h"

namespace separatrix {
namespace {

std::string spelled(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

/// Without those that treat each position alone: of "mlp" and "identity" nothing is named.
std::vector<std::string> mixing_blocks(const std::vector<LayerSpec>& layers) {
  std::vector<std::string> blocks;
  for (const LayerSpec& layer : layers)
    if (!contains_name({"mlp", "identity"}, layer.block)) blocks.push_back(spelled(layer.block));
  return blocks;
}

/// Length of the shortest unit of which the whole is a repetition.
std::size_t period(const std::vector<std::string>& blocks) {
  for (std::size_t p = 1; p < blocks.size(); ++p)
    if (blocks.size() % p == 0 &&
        std::equal(blocks.begin() + std::ptrdiff_t(p), blocks.end(), blocks.begin()))
      return p;
  return blocks.size();
}

}  // namespace

ModelShape model_shape(const ModelSpec& spec) {
  const std::vector<std::string> blocks = mixing_blocks(spec.layers);
  if (blocks.empty()) return {"mlp", Index(spec.layers.size()), {}};
  const std::size_t p = period(blocks);
  ModelShape shape{.name = {}, .layers = Index(blocks.size() / p), .unit = {}};
  shape.unit.assign(blocks.begin(), blocks.begin() + std::ptrdiff_t(p));
  for (const ModelFamily& family : model_families())
    if (mixing_blocks(family.layer) == shape.unit) shape.name = family.name;
  if (shape.name.empty())
    for (const std::string& block : shape.unit)
      shape.name += (shape.name.empty() ? "" : "+") + block;
  return shape;
}

}  // namespace separatrix
