#include "separatrix/nn/program.h"

#include <algorithm>
#include <numeric>

#include "separatrix/nn/model.h"

namespace separatrix {
namespace {

/// Three quarters of the smallest L2 cache among the machines of the last years (1 MiB).
constexpr Index kTileBytes = 3 << 18;
/// More sequences than this gain nothing: the matrices are long enough.
constexpr Index kMaxTile = 64;
/// With fewer asked rows, reading the weights costs more than the cache misses that a larger tile
/// brings (one asked row per sequence, 101 tokens: 1.4 times faster at width 64, 3.7 at 256).
constexpr Index kMinAsked = 16;
/// The same for a head that is tied and larger than the cache: each tile reads all of it three
/// times (512 sequences, 64 tokens, 4 asked, 8192 classes: 1.2 times faster at width 128, equal at
/// 64). Learned heads would gain as much, but trials with them exist, and tiles decide their bits.
constexpr Index kMinAskedLargeHead = 64;

/// Where the first parameter whose name starts with `prefix` begins; 0 if there is none.
Index offset_of(const std::vector<ParamSpec>& params, const std::string& prefix) {
  Index at = 0;
  for (const ParamSpec& param : params) {
    if (param.name.starts_with(prefix)) return at;
    at += param.size();
  }
  return 0;
}

}  // namespace

Program::Program(const ModelSpec& model, const Registry<Block>& blocks)
    : spec(resolve(model, blocks)) {
  const std::vector<ParamSpec> params = model_params(spec, blocks);
  for (const ParamSpec& param : params) n_parameters += param.size();
  embedding = offset_of(params, "embedding");
  positions = offset_of(params, "positions");
  norm = offset_of(params, "norm.");
  head = spec.tied() ? embedding : offset_of(params, "head");
  head_bias = offset_of(params, "head_bias");
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    const LayerSpec& layer = spec.layers[i];
    const std::string prefix = "layers." + std::to_string(i) + ".";
    layers.push_back({blocks.make(layer.block, layer.config), layer.residual,
                      offset_of(params, prefix + "norm."),
                      offset_of(params, prefix + layer.block + ".")});
  }
}

Index Program::tile_sequences(Index T, Index asked) const {
  const Index head_bytes = spec.n_classes * spec.d_model * Index(sizeof(float));
  Index least = (spec.tied() && head_bytes > kTileBytes ? kMinAskedLargeHead : kMinAsked) /
                std::max<Index>(asked, 1);
  for (const Layer& layer : layers) least = std::max(least, layer.block->lockstep());
  const Index fitting = kTileBytes / Index(sizeof(float)) / touched_floats(T, asked);
  return std::clamp(fitting, std::max<Index>(least, 1), std::max(kMaxTile, least));
}

Index Program::touched_floats(Index T, Index asked) const {
  const Shape one{1, T, spec.d_model};
  std::vector<Index> rows(std::size_t(std::max<Index>(asked, 1)));
  std::iota(rows.begin(), rows.end(), T - Index(rows.size()));
  Live live{Index(rows.size()) == T ? std::span<const Index>{} : rows};
  const Index copies = has_norms() ? 2 : 1;
  Index floats = live.count(one) * (copies * spec.d_model + spec.n_classes);
  std::vector<std::vector<Index>> storage(layers.size());
  for (std::size_t i = layers.size(); i-- > 0;) {
    storage[i].reserve(std::size_t(T));
    const Live in = layers[i].block->needs(one, live, storage[i]);
    // A block caches something for the rows it reads and something for those it writes.
    const double cache = double(layers[i].block->cache_size(one));  // quadratic in T for attention
    floats += Index(cache * double(in.count(one) + live.count(one)) / double(2 * T));
    floats += in.count(one) * copies * spec.d_model;
    live = in;
  }
  const Index gradients = 2 * live.count(one) * spec.d_model;
  return floats + gradients;
}

}  // namespace separatrix
