#include "separatrix/lab/models.h"

#include <algorithm>
#include <sstream>

#include "separatrix/base/names.h"

namespace separatrix {
namespace {

/// Positions in the scores take the place of the table that is added to the embedding.
void adjust_transformer(ModelSpec& spec, const TaskInfo&) {
  for (LayerSpec& layer : spec.layers) {
    if (layer.config.value("positions", "none") != "none") spec.positions = "none";
    if (layer.block == "mlp") layer.config["d_ff"] = 4 * spec.d_model;
  }
}

/// The softmax kernel is made for inputs of one length.
void adjust_dss(ModelSpec& spec, const TaskInfo& info) {
  for (LayerSpec& layer : spec.layers)
    if (layer.config.value("kernel", "exp") == "softmax" && !layer.config.contains("length"))
      layer.config["length"] = info.n_tokens;
}

std::vector<ModelFamily> make_families() {
  const LayerSpec gelu_mlp{"mlp", {{"activation", "gelu"}}};
  const LayerSpec swiglu_mlp{"mlp", {{"activation", "swiglu"}, {"bias", false}}};
  const auto plain = [](const char* block) { return LayerSpec{block, Json::object(), false}; };
  return {
      {.name = "transformer",
       .summary = "causal pre-norm transformer, learned positions, GELU MLP of 4 d_model",
       .model_class = ModelClass::transformer,
       .layer = {{"attention", {{"causal", true}}}, gelu_mlp},
       .positions = "learned",
       .norm = "layer",
       .adjust = adjust_transformer},
      // The plain stacks of recurrent layers that the literature means by these names: what the
      // layers carry is all there is.
      {.name = "lstm",
       .summary = "plain stack of LSTM layers, no residuals, norms or positions",
       .model_class = ModelClass::recurrent,
       .layer = {plain("lstm")}},
      {.name = "rnn",
       .summary = "plain stack of Elman layers, no residuals, norms or positions",
       .model_class = ModelClass::recurrent,
       .layer = {plain("rnn")}},
      {.name = "gru",
       .summary = "plain stack of GRU layers, no residuals, norms or positions",
       .model_class = ModelClass::recurrent,
       .layer = {plain("gru")}},
      {.name = "mamba",
       .summary = "pre-norm stack of selective state space blocks, no MLP, no positions",
       .model_class = ModelClass::recurrent,
       .layer = {{"mamba"}},
       .norm = "rms"},
      {.name = "s4d",
       .summary = "pre-norm stack of diagonal state space blocks, no positions",
       .model_class = ModelClass::recurrent,
       .layer = {{"s4d"}},
       .norm = "layer"},
      {.name = "dss",
       .summary = "pre-norm stack of diagonal state spaces (DSS), no positions",
       .model_class = ModelClass::recurrent,
       .layer = {{"dss"}},
       .norm = "layer",
       .adjust = adjust_dss},
      {.name = "retnet",
       .summary = "retention and a SwiGLU MLP, pre-norm, no positions but the rotation's",
       .model_class = ModelClass::recurrent,
       .layer = {{"retention"}, swiglu_mlp},
       .norm = "rms"},
      {.name = "rwkv",
       .summary = "RWKV version 4: time mix and channel mix, pre-norm, no positions",
       .model_class = ModelClass::recurrent,
       .layer = {{"rwkv_time_mix"}, {"rwkv_channel_mix"}},
       .norm = "layer"},
      // Sums over the prefix do not know the order of what they add: these two need positions.
      {.name = "linear-attention",
       .summary = "linear attention and a GELU MLP, pre-norm, learned positions",
       .model_class = ModelClass::recurrent,
       .layer = {{"linear_attention"}, gelu_mlp},
       .positions = "learned",
       .norm = "layer"},
      {.name = "aaren",
       .summary = "attention as a recurrence (Aaren) and a GELU MLP, pre-norm, learned positions",
       .model_class = ModelClass::recurrent,
       .layer = {{"aaren"}, gelu_mlp},
       .positions = "learned",
       .norm = "layer"},
      {.name = "delta-net",
       .summary = "delta rule and a SwiGLU MLP, pre-norm, no positions",
       .model_class = ModelClass::recurrent,
       .layer = {{"delta_net"}, swiglu_mlp},
       .norm = "rms"},
      {.name = "gated-delta-net",
       .summary = "gated delta rule and a SwiGLU MLP, pre-norm, no positions",
       .model_class = ModelClass::recurrent,
       .layer = {{"gated_delta_net"}, swiglu_mlp},
       .norm = "rms"},
  };
}

/// How states are stored is said once for all blocks of a layer: the fields of a StateFormatConfig
/// that are given and that `block` has.
Json shared_config(const Json& config, const std::string& block, const Registry<Block>& blocks) {
  Json shared = Json::object();
  for (const Json& field : blocks.find(block).parameters) {
    const std::string name = field.at("name");
    if ((name == "state_format" || name == "state_range") && config.contains(name))
      shared[name] = config.at(name);
  }
  return shared;
}

/// "attention,mlp,lstm": one layer of the hybrid.
ModelFamily hybrid(const std::string& name, const Registry<Block>& blocks) {
  ModelFamily family{.name = name,
                     .summary = "the blocks " + name + ", pre-norm",
                     .model_class = ModelClass::recurrent,
                     .layer = {},
                     .norm = "layer",
                     .adjust = nullptr};
  std::istringstream parts(name);
  for (std::string part; std::getline(parts, part, ',');) {
    family.layer.push_back({blocks.find(part, "--model").name});
    if (blocks.make(part)->mixing() != Mixing::attention) continue;
    family.model_class = ModelClass::transformer;
    family.positions = "learned";
  }
  return family;
}

}  // namespace

const std::vector<ModelFamily>& model_families() {
  static const std::vector<ModelFamily> kFamilies = make_families();
  return kFamilies;
}

bool ModelFamily::has_heads(const Registry<Block>& blocks) const {
  const Json& fields = blocks.find(layer.front().block, name).parameters;
  return std::any_of(fields.begin(), fields.end(),
                     [](const Json& field) { return field.at("name") == "n_heads"; });
}

Json ModelFamily::parameters(const Registry<Block>& blocks) const {
  Json used = Json::array();
  for (const Json& field : describe_config<ModelOptions>())
    if (field.at("name") != "heads" || has_heads(blocks)) used.push_back(field);
  for (const Json& field : blocks.find(layer.front().block, name).parameters)
    if (field.at("name") != "n_heads") used.push_back(field);  // that is heads
  return used;
}

ModelFamily find_model_family(const std::string& name, const Registry<Block>& blocks) {
  if (name.find(',') != std::string::npos) return hybrid(name, blocks);
  std::vector<std::string> known;
  for (const ModelFamily& family : model_families()) {
    if (same_name(family.name, name)) return family;
    known.push_back(family.name);
  }
  throw Error(ErrorKind::spec, "unknown model '" + name + "'", {}, did_you_mean(name, known));
}

ModelSpec named_model(const NamedModel& model, const TaskInfo& info,
                      const Registry<Block>& blocks) {
  const ModelFamily family = find_model_family(model.name, blocks);
  const ModelOptions& options = model.options;
  const bool heads = family.has_heads(blocks);
  const Json sizes = write_config(options);
  for (const auto& [key, value] : sizes.items())
    if (value.get<Index>() < 1)
      throw Error(ErrorKind::spec, key + " must be at least 1, got " + value.dump(), family.name);
  if (!heads && options.heads != ModelOptions{}.heads)
    throw Error(ErrorKind::spec, "model '" + family.name + "' has no heads", {}, "leave it out");
  if (heads && options.d_model % options.heads != 0)
    throw Error(ErrorKind::spec,
                "heads (" + std::to_string(options.heads) + ") must divide d_model (" +
                    std::to_string(options.d_model) + ")",
                family.name, "choose another width or number of heads");
  ModelSpec spec{.vocab_size = info.vocab_size,
                 .n_classes = info.n_classes,
                 .d_model = options.d_model,
                 .max_length = info.n_tokens,
                 .positions = family.positions,
                 .norm = family.norm,
                 .layers = {}};
  for (Index i = 0; i < options.layers; ++i)
    for (std::size_t part = 0; part < family.layer.size(); ++part) {
      LayerSpec layer = family.layer[part];
      if (part == 0) layer.config.update(model.config);
      if (part > 0) layer.config.update(shared_config(model.config, layer.block, blocks));
      if (part == 0 && heads) layer.config["n_heads"] = options.heads;
      spec.layers.push_back(std::move(layer));
    }
  if (family.adjust != nullptr) family.adjust(spec, info);
  return spec;
}

}  // namespace separatrix
