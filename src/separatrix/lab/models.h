#pragma once

#include <string>
#include <vector>

#include "separatrix/model/weights.h"
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
  v("heads", o.heads, "attention heads per layer; divides d_model");
}

/// A name for a way of stacking blocks: "transformer", "lstm". Adding one is one entry of the table
/// in models.cpp.
struct ModelFamily {
  std::string name, summary;
  ModelClass model_class{};
  std::vector<std::string> options;  ///< fields of ModelOptions that it reads
  ModelSpec (*spec)(const ModelOptions&) = nullptr;

  Json parameters() const;  ///< describe_config of the options it reads, for `list` and --help
};
const std::vector<ModelFamily>& model_families();

/// Throws Error(spec) naming the nearest match.
const ModelFamily& find_model_family(const std::string& name);

/// The family's spec at that size for instances of the task: `info` gives vocabulary, classes and
/// longest input. Throws Error(spec) when a size is not positive, heads do not divide d_model, or
/// an option is set that the family does not have. Not resolved (nn/model.h).
ModelSpec named_model(const std::string& name, const ModelOptions& options, const TaskInfo& info);

}  // namespace separatrix
