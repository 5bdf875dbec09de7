#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdint>

#include "separatrix/base/hash.h"
#include "separatrix/base/rng.h"
#include "separatrix/nn/model.h"

namespace separatrix {
namespace {

using Names = std::vector<std::string>;

/// Standard deviation of GPT-2's starting values [radford2019].
constexpr double kSmall = 0.02;

void check_positive(Index value, const char* name, const std::string& where) {
  if (value < 1)
    throw Error(ErrorKind::spec, std::string(name) + " must be at least 1", where + "/" + name);
}

void check_choice(const std::string& value, const Names& choices, const char* name,
                  const std::string& where) {
  if (!contains_name(choices, value))
    throw Error(ErrorKind::spec, "unknown " + std::string(name) + " '" + value + "'",
                where + "/" + name, did_you_mean(value, choices));
}

/// Blocks do not know where in a file they stand: adds the place to their errors.
template <class F>
auto located(const std::string& where, const F& f) {
  try {
    return f();
  } catch (const Error& e) {
    if (e.where().starts_with(where)) throw;
    throw Error(e.kind(), e.what(), e.where().empty() ? where : where + "/" + e.where(), e.hint());
  }
}

void append_norm(const std::string& norm, const std::string& prefix, Index D,
                 std::vector<ParamSpec>& params) {
  if (norm == "none") return;
  params.push_back({prefix + "norm.gain", {D}, Init::ones, 0});
  if (norm == "layer") params.push_back({prefix + "norm.bias", {D}, Init::zeros, 0});
}

LayerPlace place_of(const ModelSpec& spec, std::size_t layer) {
  const auto same = [&](const LayerSpec& other) { return other.block == spec.layers[layer].block; };
  const auto begin = spec.layers.begin();
  return {std::count_if(begin, begin + std::ptrdiff_t(layer), same),
          std::count_if(begin, spec.layers.end(), same)};
}

/// A parameter's stream depends on its name only, so that adding a layer changes no other's draw.
Rng stream_of(const ParamSpec& param, std::uint64_t seed) {
  const std::vector<std::int32_t> letters(param.name.begin(), param.name.end());
  return Rng(seed, RngUse::init, hash_tokens(letters));
}

void draw(const ParamSpec& param, std::uint64_t seed, std::span<float> values) {
  Rng rng = stream_of(param, seed);
  if (param.init == Init::drawn) return param.draw(param.place, rng, values);
  for (float& value : values) {
    switch (param.init) {
      case Init::zeros:
        value = 0;
        break;
      case Init::ones:
        value = 1;
        break;
      case Init::normal:
        value = float(param.init_scale * rng.normal());
        break;
      case Init::uniform:
        value = float(param.init_scale * (2 * rng.uniform() - 1));
        break;
      case Init::drawn:
        assert(false);
    }
  }
}

/// Replaces the starting values of linear layers by those of spec.init. gpt2: N(0, 0.02^2), biases
/// 0, and N(0, (0.02 / sqrt(L))^2) where the product is added to the stream, L layers that add to
/// it [radford2019]. linear: uniform within 1 / sqrt(rows), biases 0.
void apply_init(const ModelSpec& spec, std::vector<ParamSpec>& params) {
  if (spec.init == "blocks") return;
  const auto adding = std::count_if(spec.layers.begin(), spec.layers.end(),
                                    [](const LayerSpec& layer) { return layer.residual; });
  for (ParamSpec& param : params) {
    if (param.role == ParamRole::other) continue;
    const bool output = param.role == ParamRole::output;
    if (param.role == ParamRole::bias) {
      param.init = Init::zeros;
    } else if (spec.init == "gpt2") {
      param.init = Init::normal;
      param.init_scale =
          output ? kSmall / std::sqrt(double(std::max<std::ptrdiff_t>(adding, 1))) : kSmall;
    } else {
      param.init = Init::uniform;
      param.init_scale = 1 / std::sqrt(double(param.shape.front()));
    }
  }
}

}  // namespace

ModelSpec resolve(const ModelSpec& spec, const Registry<Block>& blocks, const std::string& where) {
  check_positive(spec.vocab_size, "vocab_size", where);
  check_positive(spec.n_classes, "n_classes", where);
  check_positive(spec.d_model, "d_model", where);
  check_positive(spec.max_length, "max_length", where);
  check_choice(spec.positions, {"learned", "none"}, "positions", where);
  check_choice(spec.norm, {"layer", "rms", "none"}, "norm", where);
  check_choice(spec.embedding, {"learned", "given"}, "embedding", where);
  check_choice(spec.head, {"learned", "tied"}, "head", where);
  check_choice(spec.init, {"blocks", "gpt2", "linear"}, "init", where);
  if (spec.tied() && spec.n_classes != spec.vocab_size)
    throw Error(ErrorKind::spec,
                "a tied head answers with tokens: n_classes " + std::to_string(spec.n_classes) +
                    " is not vocab_size " + std::to_string(spec.vocab_size),
                where + "/head", "use head: learned");
  if (spec.init_depth < 0)
    throw Error(ErrorKind::spec, "init_depth must not be negative", where + "/init_depth",
                "use 0 for the model's own depth");
  ModelSpec resolved = spec;
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    const std::string at = where + "/layers/" + std::to_string(i);
    LayerSpec& layer = resolved.layers[i];
    const auto& entry = blocks.find(layer.block, at + "/block");
    located(at + "/config", [&] {
      entry.make(layer.config, at + "/config")->params(spec.d_model);
      return 0;
    });
    layer.block = entry.name;
    layer.config = entry.resolve(layer.config, at + "/config");
  }
  return resolved;
}

std::optional<Misfit> find_misfit(const ModelSpec& spec, const TaskInfo& info) {
  if (spec.vocab_size < info.vocab_size)
    return Misfit{"vocab_size", spec.vocab_size, info.vocab_size};
  if (spec.n_classes < info.n_classes) return Misfit{"n_classes", spec.n_classes, info.n_classes};
  if (spec.positions == "learned" && spec.max_length < info.n_tokens)
    return Misfit{"max_length", spec.max_length, info.n_tokens};
  return std::nullopt;
}

std::vector<ParamSpec> model_params(const ModelSpec& spec, const Registry<Block>& blocks) {
  const Index D = spec.d_model;
  // Behind a norm only the relative change of embeddings and positions counts, and Adam moves every
  // number by about lr at first: small ones learn fast, too small ones are tossed about. 0.1 solved
  // index lookup up to four times sooner than 1, and still did at lengths where 0.02 no longer does
  // (docs/performance.md). Without a norm, blocks expect inputs of unit size.
  const double own = spec.norm == "none" ? 1.0 : 0.1;
  const double scale = spec.init == "blocks" ? own : kSmall;
  std::vector<ParamSpec> params{{"embedding", {spec.vocab_size, D}, Init::normal, scale}};
  if (spec.positions == "learned")
    params.push_back({"positions", {spec.max_length, D}, Init::normal, scale});
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    const LayerSpec& layer = spec.layers[i];
    const std::string prefix = "layers." + std::to_string(i) + ".";
    append_norm(spec.norm, prefix, D, params);
    LayerPlace place = place_of(spec, i);
    if (spec.init_depth > 0) place.count = std::max(spec.init_depth, place.count);
    for (ParamSpec& param : blocks.make(layer.block, layer.config)->params(D)) {
      param.name = prefix + layer.block + "." + param.name;
      param.place = place;
      params.push_back(std::move(param));
    }
  }
  append_norm(spec.norm, "", D, params);
  if (!spec.tied()) {
    params.push_back({"head", {D, spec.n_classes}, Init::uniform, 1 / std::sqrt(double(D))});
    params.back().role = ParamRole::matrix;
    params.push_back({"head_bias", {spec.n_classes}, Init::zeros, 0});
  }
  apply_init(spec, params);
  return params;
}

Weights zeros(const ModelSpec& spec, const Registry<Block>& blocks) {
  Weights weights{spec, model_params(spec, blocks), {}};
  Index n = 0;
  for (const ParamSpec& param : weights.params) n += param.size();
  weights.values.assign(std::size_t(n), 0.0F);
  return weights;
}

Weights initialize(const ModelSpec& spec, const Registry<Block>& blocks, std::uint64_t seed) {
  Weights weights = zeros(spec, blocks);
  Index at = 0;
  for (const ParamSpec& param : weights.params) {
    draw(param, seed, {weights.values.data() + at, std::size_t(param.size())});
    at += param.size();
  }
  return weights;
}

std::optional<Index> state_bits(const ModelSpec& spec, const Registry<Block>& blocks) {
  Index bits = 0;
  for (const LayerSpec& layer : spec.layers) {
    const auto block = blocks.make(layer.block, layer.config);
    if (block->mixing() == Mixing::attention) return std::nullopt;
    if (const auto* recurrent = dynamic_cast<const RecurrentBlock*>(block.get()))
      bits += recurrent->state_bits(spec.d_model);
  }
  return bits;
}

}  // namespace separatrix
