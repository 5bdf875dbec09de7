#include "tests/fuzz/targets.h"

#include <cmath>
#include <cstdlib>
#include <string>

#include "separatrix/base/yaml.h"

namespace separatrix::fuzz {
namespace {

/// An assert that release builds keep.
void promise(bool holds) {
  if (!holds) std::abort();
}

/// A thrown Error must say something.
template <class F>
void expect_error_or_success(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    promise(*e.what() != '\0');
  }
}

}  // namespace

std::vector<ParamSpec> simple_params(const ModelSpec& spec) {
  const Index D = spec.d_model;
  std::vector<ParamSpec> params = {{"embedding", {spec.vocab_size, D}}};
  if (spec.positions == "learned") params.push_back({"positions", {spec.max_length, D}});
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    const LayerSpec& layer = spec.layers[i];
    const std::string prefix = "layers." + std::to_string(i) + "." + layer.block;
    const bool narrow = layer.config.value("d_ff", Json()) == 8;
    if (layer.block == "attention")
      for (const char* name : {".q", ".k", ".v", ".o"}) params.push_back({prefix + name, {D, D}});
    else if (layer.block == "mlp")
      params.push_back({prefix + ".up", {D, narrow ? 8 : 4 * D}});
    else
      throw Error(ErrorKind::spec, "unknown block '" + layer.block + "'", "/layers");
  }
  params.push_back({"head", {D, spec.n_classes}});
  params.push_back({"head_bias", {spec.n_classes}});
  return params;
}

void model_spec(std::string_view bytes) {
  expect_error_or_success([&] {
    const ModelSpec spec = read_model_spec(parse_json(bytes, "fuzz#"), "fuzz#");
    const Json canonical = write_model_spec(spec);
    promise(write_model_spec(read_model_spec(canonical, "fuzz#")) == canonical);
  });
}

void model_file(std::string_view bytes) {
  expect_error_or_success([&] {
    const TensorFile file = parse_safetensors(bytes, "fuzz");
    std::size_t values = 0;
    for (const Tensor& tensor : file.tensors) values += tensor.values.size();
    promise(values * sizeof(float) <= bytes.size());
    const TensorFile again = parse_safetensors(write_safetensors(file), "again");
    promise(again.tensors.size() == file.tensors.size() && again.metadata == file.metadata);
  });
  expect_error_or_success([&] {
    const ModelFile model = parse_model(bytes, "fuzz", simple_params);
    std::size_t values = 0;
    for (const ParamSpec& param : model.weights.params) values += std::size_t(param.size());
    promise(values == model.weights.values.size());
    for (float v : model.weights.values) promise(std::isfinite(v));
    promise(weights_sha256(model.weights).size() == 64);
  });
}

void yaml(std::string_view bytes) {
  expect_error_or_success([&] {
    const YamlFile file = parse_yaml(std::string(bytes), "fuzz.yaml");
    promise(Json::parse(file.json.dump()) == file.json);  // every value has a JSON meaning
    with_lines(file, read_model_spec);
  });
}

}  // namespace separatrix::fuzz
