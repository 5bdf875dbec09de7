#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "separatrix/base/fields.h"

namespace separatrix {

class Rng;

struct LayerSpec {
  std::string block;  ///< name in Registry<Block>
  Json config = Json::object();
  bool residual = true;  ///< x += block(norm(x)) instead of x = block(norm(x))
};

/// embedding (+ positions) -> layers (each: x [+]= block(norm(x))) -> norm -> linear head with
/// bias, or, tied, the scalar products with the rows of the embedding.
struct ModelSpec {
  Index vocab_size = 0, n_classes = 0, d_model = 0;
  Index max_length = 0;               ///< longest input in tokens: rows of the position table
  std::string positions = "learned";  ///< absolute, added to the embedding: "learned" or "none"
  std::string norm = "layer";         ///< before each block and the head: "layer", "rms", "none"
  std::string embedding = "learned";  ///< "learned", or "given": kept as it was set
  std::vector<LayerSpec> layers;
  std::string head = "learned";  ///< "learned", or "tied": logits = x E^T, no bias
  std::string init = "blocks";   ///< starting values: "blocks", "gpt2" or "linear"
  Index init_depth = 0;          ///< as if the model had so many layers of each block; 0 = its own
  bool tied() const { return head == "tied"; }
};

/// JSON or YAML map <-> spec; unknown keys are errors. Block configs are kept as given here:
/// nn/model_params.h resolves them against the registry. Throws Error(spec).
ModelSpec read_model_spec(const Json& json, const std::string& where);
Json write_model_spec(const ModelSpec& spec);

/// Where a layer stands among those of the same block in its model: layer `index` of `count`.
/// Some published initialisations depend on it.
struct LayerPlace {
  Index index = 0, count = 1;
};

enum class Init { zeros, ones, normal, uniform, drawn };

/// What a parameter is to a model-wide initialisation (ModelSpec::init).
enum class ParamRole {
  other,   ///< starts as its block says, always
  matrix,  ///< of a linear layer
  bias,    ///< of a linear layer
  output,  ///< the matrix whose products are added to the residual stream
};

struct ParamSpec {
  std::string name;          ///< e.g. "layers.0.attention.q"
  std::vector<Index> shape;  ///< row-major; matrices are [in, out], y = x W
  Init init = Init::zeros;
  double init_scale = 0;  ///< standard deviation (normal) or half-width (uniform)
  /// Init::drawn: writes the starting values of the whole tensor.
  std::function<void(LayerPlace, Rng&, std::span<float>)> draw = {};
  LayerPlace place = {};  ///< filled in by model_params
  ParamRole role = ParamRole::other;

  Index size() const {
    Index n = 1;
    for (Index e : shape) n *= e;
    return n;
  }
};

/// A model as data: spec plus one contiguous buffer with named slices. What constructions
/// write, training changes, certificates hash, and files store. Knows nothing about running.
struct Weights {
  ModelSpec spec;
  std::vector<ParamSpec> params;
  std::vector<float> values;  ///< all slices, in `params` order

  std::span<float> operator[](std::string_view name);  ///< throws Error(spec) if absent
  std::span<const float> operator[](std::string_view name) const;
};

/// SHA-256 over the spec's canonical JSON and every value's bits: what certificates name.
std::string weights_sha256(const Weights& weights);

}  // namespace separatrix
