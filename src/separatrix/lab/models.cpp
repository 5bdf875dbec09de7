#include "separatrix/lab/models.h"

#include <algorithm>

#include "separatrix/base/names.h"

namespace separatrix {
namespace {

/// Pre-norm, as the paper trains it: n x (attention, MLP of 4 d_model), learned positions.
ModelSpec transformer(const ModelOptions& o) {
  ModelSpec spec;
  for (Index layer = 0; layer < o.layers; ++layer) {
    spec.layers.push_back({"attention", {{"n_heads", o.heads}, {"causal", true}}, true});
    spec.layers.push_back({"mlp", {{"d_ff", 4 * o.d_model}, {"activation", "gelu"}}, true});
  }
  return spec;
}

/// The plain stack of recurrent layers that the literature means by its name: what one layer
/// carries is all there is.
ModelSpec lstm(const ModelOptions& o) {
  ModelSpec spec;
  spec.positions = "none";
  spec.norm = "none";
  for (Index layer = 0; layer < o.layers; ++layer)
    spec.layers.push_back({"lstm", Json::object(), false});
  return spec;
}

}  // namespace

const std::vector<ModelFamily>& model_families() {
  static const std::vector<ModelFamily> kFamilies = {
      {"transformer",
       "causal pre-norm transformer, learned positions, GELU MLP of 4 d_model",
       ModelClass::transformer,
       {"layers", "d_model", "heads"},
       transformer},
      {"lstm",
       "plain stack of LSTM layers, no residuals, norms or positions",
       ModelClass::recurrent,
       {"layers", "d_model"},
       lstm},
  };
  return kFamilies;
}

Json ModelFamily::parameters() const {
  Json used = Json::array();
  for (const Json& field : describe_config<ModelOptions>())
    if (contains_name(options, field.at("name").get<std::string>())) used.push_back(field);
  return used;
}

const ModelFamily& find_model_family(const std::string& name) {
  std::vector<std::string> known;
  for (const ModelFamily& family : model_families()) {
    if (same_name(family.name, name)) return family;
    known.push_back(family.name);
  }
  throw Error(ErrorKind::spec, "unknown model '" + name + "'", {}, did_you_mean(name, known));
}

ModelSpec named_model(const std::string& name, const ModelOptions& options, const TaskInfo& info) {
  const ModelFamily& family = find_model_family(name);
  const Json given = write_config(options), defaults = write_config(ModelOptions{});
  for (const auto& [key, value] : given.items()) {
    if (value.get<Index>() < 1)
      throw Error(ErrorKind::spec, key + " must be at least 1, got " + value.dump(), family.name);
    if (value != defaults.at(key) && !contains_name(family.options, key))
      throw Error(ErrorKind::spec, "model '" + family.name + "' has no option '" + key + "'", {},
                  "leave it out");
  }
  if (contains_name(family.options, "heads") && options.d_model % options.heads != 0)
    throw Error(ErrorKind::spec,
                "heads (" + std::to_string(options.heads) + ") must divide d_model (" +
                    std::to_string(options.d_model) + ")",
                family.name, "choose another width or number of heads");
  ModelSpec spec = family.spec(options);
  spec.vocab_size = info.vocab_size;
  spec.n_classes = info.n_classes;
  spec.d_model = options.d_model;
  spec.max_length = info.n_tokens;
  return spec;
}

}  // namespace separatrix
