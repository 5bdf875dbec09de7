#pragma once

#include <string>
#include <vector>

#include "separatrix/model/weights.h"
#include "separatrix/nn/block.h"
#include "separatrix/proofs/construction.h"
#include "separatrix/tasks/task.h"

namespace separatrix {

/// The sizes by which a named model family is scaled.
struct ModelOptions {
  Index layers = 1, d_model = 64, heads = 1;
};
template <class V>
void visit(V& v, ModelOptions& o) {
  v("layers", o.layers, "number of layers");
  v("d_model", o.d_model, "width of the model; units of a recurrent layer");
  v("heads", o.heads, "heads per layer; divides d_model");
}

/// A name for a way of stacking blocks: "transformer", "lstm". Adding one is one entry of the table
/// in models.cpp.
struct ModelFamily {
  std::string name, summary;
  ModelClass model_class{};
  std::vector<LayerSpec> layer;  ///< the blocks of one layer, the one that mixes positions first
  std::string positions = "none", norm = "none";
  /// Null, or sets what depends on the sizes.
  void (*adjust)(ModelSpec& spec, const TaskInfo& info) = nullptr;

  bool has_heads(const Registry<Block>& blocks) const;
  /// The sizes it has, and the config of its first block: describe_config, for `list` and --help.
  Json parameters(const Registry<Block>& blocks) const;
};
const std::vector<ModelFamily>& model_families();

/// By name; or, for blocks joined by commas ("attention,mlp,lstm"), a layer of these blocks with
/// their defaults, each added to its input behind a layer norm, with learned positions if one of
/// them is attention. Throws Error(spec) naming the nearest match.
ModelFamily find_model_family(const std::string& name, const Registry<Block>& blocks);

/// What `--model` and "model" in YAML may say beside the family's name.
struct NamedModel {
  std::string name;
  ModelOptions options = {};
  Json config = Json::object();  ///< of the family's first block, in every layer
};
/// The family's spec at that size for instances of the task: `info` gives vocabulary, classes and
/// longest input. Throws Error(spec) when a size is not positive, heads do not divide d_model, or
/// heads are set that the family does not have. Not resolved (nn/model.h), so the config is not
/// checked yet.
ModelSpec named_model(const NamedModel& model, const TaskInfo& info, const Registry<Block>& blocks);

}  // namespace separatrix
