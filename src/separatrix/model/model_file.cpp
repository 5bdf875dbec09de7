#include "separatrix/model/model_file.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <map>

#include "separatrix/base/file.h"
#include "separatrix/base/json.h"

namespace separatrix {
namespace {

constexpr const char* kFormat = "separatrix.format";
constexpr const char* kSpec = "separatrix.spec";
constexpr const char* kProvenance = "separatrix.provenance";
constexpr const char* kFormatVersion = "1";

[[noreturn]] void no_model(const std::string& what, const std::string& where) {
  throw Error(ErrorKind::spec, "not a separatrix model: " + what, where,
              "give a file written by `separatrix train` or `separatrix construct`");
}

std::string metadata_text(const Json& metadata, const char* key, const std::string& where) {
  if (!metadata.contains(key)) no_model(std::string("the metadata lack ") + key, where);
  return metadata[key].get<std::string>();
}

/// The spec is a stranger's: before anybody computes with its sizes, none may be beyond what the
/// file can hold. Whole numbers inside block configs get a bound under which the product of two
/// cannot overflow.
void check_plausible(const ModelSpec& spec, std::size_t n_values, const std::string& where) {
  constexpr Index kMaxSize = INT32_MAX;
  const auto too_large = [&](const std::string& what) {
    no_model("the spec asks for more than the file holds (" + what + ")", where);
  };
  const auto fits = [&](Index rows, Index columns) {
    return rows <= kMaxSize && columns <= kMaxSize && rows * columns <= Index(n_values);
  };
  if (std::min({spec.vocab_size, spec.n_classes, spec.d_model, spec.max_length}) < 1)
    no_model("the spec has a size below 1", where);
  if (spec.d_model > kMaxSize || spec.max_length > kMaxSize) too_large("d_model or max_length");
  if (!fits(spec.vocab_size, spec.d_model)) too_large("vocab_size x d_model");
  if (!fits(spec.d_model, spec.n_classes)) too_large("d_model x n_classes");
  if (spec.positions == "learned" && !fits(spec.max_length, spec.d_model))
    too_large("max_length x d_model");
  for (const LayerSpec& layer : spec.layers) {
    const Json numbers = layer.config.flatten();
    for (const auto& item : numbers.items())
      if (item.value().is_number() && !(std::fabs(item.value().get<double>()) <= double(kMaxSize)))
        too_large(layer.block + item.key());
  }
}

std::string text_of(const std::vector<Index>& shape) { return Json(shape).dump(); }

/// Tensors -> one buffer in the order of `params`; nothing may be missing, extra or misshapen.
std::vector<float> gather(const std::vector<ParamSpec>& params, const std::vector<Tensor>& tensors,
                          const std::string& where) {
  std::map<std::string_view, const Tensor*> by_name;
  std::size_t n_values = 0;
  for (const Tensor& tensor : tensors) {
    by_name[tensor.name] = &tensor;
    n_values += tensor.values.size();
  }
  std::vector<float> values;
  values.reserve(n_values);
  for (const ParamSpec& param : params) {
    const auto found = by_name.find(param.name);
    if (found == by_name.end()) no_model("tensor '" + param.name + "' is missing", where);
    const Tensor& tensor = *found->second;
    if (tensor.shape != param.shape)
      no_model("tensor '" + param.name + "' has shape " + text_of(tensor.shape) +
                   ", its spec says " + text_of(param.shape),
               where);
    if (!std::all_of(tensor.values.begin(), tensor.values.end(),
                     [](float v) { return std::isfinite(v); }))
      throw Error(ErrorKind::io, "tensor '" + param.name + "' holds a value that is not finite",
                  where, "train or construct the model again");
    values.insert(values.end(), tensor.values.begin(), tensor.values.end());
    by_name.erase(found);
  }
  if (!by_name.empty())
    no_model("tensor '" + std::string(by_name.begin()->first) + "' is not in its spec", where);
  return values;
}

/// params_of with the file's name in what it throws.
std::vector<ParamSpec> params_at(const ParamsOf& params_of, const ModelSpec& spec,
                                 const std::string& where) {
  try {
    return params_of(spec);
  } catch (const Error& e) {
    const std::string pointer = e.where().starts_with("/") ? e.where() : "/" + e.where();
    throw Error(e.kind(), e.what(), where + "#" + kSpec + pointer, e.hint());
  }
}

}  // namespace

ModelFile parse_model(std::string_view bytes, const std::string& where, const ParamsOf& params_of) {
  const TensorFile file = parse_safetensors(bytes, where);
  const std::string version = metadata_text(file.metadata, kFormat, where);
  if (version != kFormatVersion)
    no_model("format version '" + version.substr(0, 40) + "', this program reads " + kFormatVersion,
             where);
  const auto parse_text = [&](const char* key) {
    return parse_json(metadata_text(file.metadata, key, where), where + "#" + key);
  };
  ModelFile model;
  model.weights.spec = read_model_spec(parse_text(kSpec), where + "#" + kSpec);
  if (file.metadata.contains(kProvenance)) model.provenance = parse_text(kProvenance);
  std::size_t n_values = 0;
  for (const Tensor& tensor : file.tensors) n_values += tensor.values.size();
  check_plausible(model.weights.spec, n_values, where);
  model.weights.params = params_at(params_of, model.weights.spec, where);
  model.weights.values = gather(model.weights.params, file.tensors, where);
  return model;
}

ModelFile load_model(const std::string& path, const ParamsOf& params_of) {
  return parse_model(read_file(path), path, params_of);
}

void save_model(const std::string& path, const ModelFile& file) {
  const Weights& weights = file.weights;
  TensorFile out;
  out.metadata = {{kFormat, kFormatVersion},
                  {kSpec, write_model_spec(weights.spec).dump()},
                  {kProvenance, file.provenance.dump()}};
  auto begin = weights.values.begin();
  for (const ParamSpec& param : weights.params) {
    assert(param.size() <= weights.values.end() - begin);
    const auto end = begin + param.size();
    if (!std::all_of(begin, end, [](float v) { return std::isfinite(v); }))
      throw Error(ErrorKind::numeric,
                  "parameter '" + param.name + "' holds a value that is not finite", path,
                  "lower the learning rate; nothing was written");
    out.tensors.push_back({param.name, param.shape, {begin, end}});
    begin = end;
  }
  assert(begin == weights.values.end());
  write_file_atomic(path, write_safetensors(out));
}

}  // namespace separatrix
