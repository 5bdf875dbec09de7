#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "separatrix/model/weights.h"

namespace separatrix {

/// One tensor of a file, float32, row-major.
struct Tensor {
  std::string name;
  std::vector<Index> shape;
  std::vector<float> values;
};

/// A safetensors file: tensors, and text metadata.
struct TensorFile {
  std::vector<Tensor> tensors;
  Json metadata = Json::object();  ///< string -> string
};

/// Bytes -> tensors and back. Parsing checks every length, offset, overlap, gap, dtype and shape,
/// allocates no more than the bytes imply, and throws Error(io) naming `where` otherwise.
TensorFile parse_safetensors(std::string_view bytes, const std::string& where);
std::string write_safetensors(const TensorFile& file);

/// A model on disk: tensors under their parameter names; metadata "separatrix.spec" (ModelSpec),
/// "separatrix.provenance" (where the weights come from: construction and claim, or trial) and
/// "separatrix.format" (version). See docs/format.md.
struct ModelFile {
  Weights weights;
  Json provenance = Json::object();
};
void save_model(const std::string& path, const ModelFile& file);  ///< atomic; throws Error(io)

/// Throws Error(io) when the file is damaged, Error(spec) when it is sound but no model of ours
/// (spec missing, tensors that do not match `params_of(spec)`). `params_of` lists the parameters
/// that a spec must have; it is passed in because blocks live above this module.
using ParamsOf = std::function<std::vector<ParamSpec>(const ModelSpec&)>;
ModelFile load_model(const std::string& path, const ParamsOf& params_of);
ModelFile parse_model(std::string_view bytes, const std::string& where, const ParamsOf& params_of);

}  // namespace separatrix
