#include "separatrix/refute/one_layer_state.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "separatrix/kernels/kernels.h"
#include "separatrix/nn/plain_attention.h"

namespace separatrix {
namespace {

/// Floats of the largest tables (256 MiB).
constexpr Index kMostTable = Index(1) << 26;

/// Sizes of an attention block from its resolved config.
struct Sizes {
  Index heads = 1, d_head = 0, d_value = 0;
  float scale = 1;

  Sizes(const Json& config, Index D) : heads(config.at("n_heads").get<Index>()) {
    d_head = config.at("d_head").get<Index>();
    if (d_head == 0) d_head = D / heads;
    d_value = config.at("d_value").get<Index>();
    if (d_value == 0) d_value = d_head;
    if (config.at("scale").get<std::string>() == "sqrt") scale = 1 / std::sqrt(float(d_head));
  }
};

Index table_floats(const Target& target, const Sizes& sizes) {
  return target.task.info(target.length).n_tokens * target.weights.spec.vocab_size * sizes.heads *
         (1 + sizes.d_value);
}

/// y [columns] = x [D] w[D, columns].
std::vector<float> project(const float* x, Index D, const float* w, Index columns) {
  std::vector<float> y(static_cast<std::size_t>(columns));
  gemm({1, columns, D}, x, D, w, columns, y.data(), columns);
  return y;
}

}  // namespace

std::string OneLayerState::why_not(const Target& target) {
  const StateRunner runner(target.weights, target.blocks);
  if (runner.first_attention() < 0) return "the model has no attention";
  if (runner.size() > 0) return "the model has recurrent layers, too";
  const auto& layers = runner.program().layers;
  const auto first = std::size_t(runner.first_attention());
  for (std::size_t i = first + 1; i < layers.size(); ++i)
    if (layers[i].block->mixing() != Mixing::pointwise)
      return "the model has more than one attention layer";
  const ModelSpec& spec = runner.program().spec;
  if (spec.layers[first].block != "attention") return "its attention is of another kind";
  if (const auto beyond = beyond_plain_attention(spec.layers[first].config); !beyond.empty())
    return beyond;
  if (table_floats(target, Sizes(spec.layers[first].config, spec.d_model)) > kMostTable)
    return "its tables of scores and values would not fit 256 MiB";
  const Index n = target.task.info(target.length).n_tokens;
  if (n < 2) return "an input has one token only";
  Tokens tokens(static_cast<std::size_t>(n)), targets(tokens.size());
  Rng rng(0, RngUse::search);
  target.task.sample(rng, tokens);
  target.task.label(tokens, targets);
  for (std::size_t t = 0; t + 1 < targets.size(); ++t)
    if (targets[t] != kIgnore) return "the task asks before the last token";
  return {};
}

OneLayerState::OneLayerState(const Target& target, Index cut, Token last) {
  StateRunner runner(target.weights, target.blocks);
  const Program& program = runner.program();
  const Index D = program.spec.d_model;
  const auto layer = std::size_t(runner.first_attention());
  const Sizes z(program.spec.layers[layer].config, D);
  const Index qk = z.heads * z.d_head, vv = z.heads * z.d_value;
  const float* w_q = target.weights.values.data() + program.layers[layer].weights;
  const float *w_k = w_q + D * qk, *w_v = w_k + D * qk;
  heads_ = z.heads;
  d_value_ = z.d_value;
  vocab_ = program.spec.vocab_size;

  const Index at_end = target.task.info(target.length).n_tokens - 1;
  const auto query = project(runner.input_of(layer, last, at_end), D, w_q, qk);
  auto tables = std::make_shared<Tables>();
  tables->scores.reserve(std::size_t(cut * vocab_ * heads_));
  tables->values.reserve(std::size_t(cut * vocab_ * vv));
  for (Index t = 0; t < cut; ++t)
    for (Index token = 0; token < vocab_; ++token) {
      const float* x = runner.input_of(layer, Token(token), t);
      const auto key = project(x, D, w_k, qk), value = project(x, D, w_v, vv);
      for (Index h = 0; h < heads_; ++h)
        tables->scores.push_back(
            z.scale * dot(z.d_head, query.data() + h * z.d_head, key.data() + h * z.d_head));
      tables->values.insert(tables->values.end(), value.begin(), value.end());
    }
  tables_ = std::move(tables);
}

void OneLayerState::after(std::span<const Token> prefix, float* state) {
  for (Index h = 0; h < heads_; ++h) {
    const auto cell = [&](std::size_t t) { return (Index(t) * vocab_ + prefix[t]) * heads_ + h; };
    const auto score = [&](std::size_t t) { return tables_->scores[std::size_t(cell(t))]; };
    float top = score(0);
    for (std::size_t t = 1; t < prefix.size(); ++t) top = std::max(top, score(t));
    float sum = 0, *mean = state + h * (1 + d_value_) + 1;
    std::fill_n(mean, d_value_, 0.0F);
    for (std::size_t t = 0; t < prefix.size(); ++t) {
      const float weight = std::exp(score(t) - top);
      sum += weight;
      axpy(d_value_, weight, tables_->values.data() + cell(t) * d_value_, mean);
    }
    scale(d_value_, 1 / sum, mean);
    mean[-1] = top + std::log(sum);
  }
}

void OneLayerState::after_edits(std::span<const Token> prefix, std::span<const Edit> edits,
                                float* states) {
  edited_.assign(prefix.begin(), prefix.end());
  for (std::size_t e = 0; e < edits.size(); ++e) {
    Token& token = edited_[std::size_t(edits[e].position)];
    const Token own = std::exchange(token, edits[e].token);
    after(edited_, states + Index(e) * size());
    token = own;
  }
}

}  // namespace separatrix
