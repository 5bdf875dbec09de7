#include "separatrix/refute/state_runner.h"

#include <algorithm>
#include <cassert>

#include "separatrix/kernels/kernels.h"

namespace separatrix {

StateRunner::StateRunner(const Weights& weights, const Registry<Block>& blocks)
    : weights_(weights), program_(weights.spec, blocks) {
  const Index D = program_.spec.d_model;
  const Shape one{1, 1, D};
  std::size_t cache = 0, scratch = 0;
  for (std::size_t i = 0; i < program_.layers.size(); ++i) {
    const Block& block = *program_.layers[i].block;
    states_.push_back(size_);
    if (const auto* recurrent = dynamic_cast<const RecurrentBlock*>(&block)) {
      size_ += recurrent->state_size(D);
      bits_ += recurrent->state_bits(D);
    } else if (block.mixing() == Mixing::pointwise) {
      cache = std::max(cache, std::size_t(block.cache_size(one)));
      scratch = std::max(scratch, std::size_t(block.scratch_size(one)));
    } else if (first_attention_ < 0) {
      first_attention_ = Index(i);
    }
  }
  x_.resize(std::size_t(D));
  y_.resize(std::size_t(D));
  normed_.resize(std::size_t(D));
  stats_.resize(2);
  cache_.resize(cache);
  scratch_.resize(scratch);
}

void StateRunner::read(Token token, Index position, float* state) {
  assert(first_attention_ < 0);
  embed_token(token, position);
  for (std::size_t i = 0; i < program_.layers.size(); ++i) run_layer(i, state);
}

std::vector<float> StateRunner::logits() {
  const Index D = program_.spec.d_model, C = program_.spec.n_classes;
  const float* w = weights_.values.data();
  const float* features = normed(program_.norm);
  std::vector<float> logits(w + program_.head_bias, w + program_.head_bias + C);
  for (Index d = 0; d < D; ++d) axpy(C, features[d], w + program_.head + d * C, logits.data());
  return logits;
}

const float* StateRunner::input_of(std::size_t layer, Token token, Index position) {
  embed_token(token, position);
  for (std::size_t i = 0; i < layer; ++i) {
    assert(program_.layers[i].block->mixing() == Mixing::pointwise);
    run_layer(i, nullptr);
  }
  return normed(program_.layers[layer].norm);
}

void StateRunner::embed_token(Token token, Index position) {
  const Index D = program_.spec.d_model;
  const float* w = weights_.values.data();
  std::copy_n(w + program_.embedding + token * D, D, x_.data());
  if (program_.has_positions()) add(D, w + program_.positions + position * D, x_.data());
}

const float* StateRunner::normed(Index gain) {
  if (!program_.has_norms()) return x_.data();
  const Index D = program_.spec.d_model;
  const bool layer = program_.spec.norm == "layer";
  const float* w = weights_.values.data() + gain;
  norm({layer ? NormKind::layer : NormKind::rms, D, w, layer ? w + D : nullptr}, {1, nullptr},
       x_.data(), normed_.data(), stats_.data());
  return normed_.data();
}

void StateRunner::run_layer(std::size_t i, float* state) {
  const Program::Layer& layer = program_.layers[i];
  const Index D = program_.spec.d_model;
  const float* w = weights_.values.data() + layer.weights;
  const float* in = normed(layer.norm);
  if (layer.block->mixing() == Mixing::recurrent)
    static_cast<const RecurrentBlock&>(*layer.block).step(D, w, state + states_[i], in, y_.data());
  else
    layer.block->forward({1, 1, D}, {}, in, y_.data(),
                         {w, nullptr, cache_.data(), scratch_.data()});
  if (layer.residual)
    add(D, y_.data(), x_.data());
  else
    x_ = y_;
}

}  // namespace separatrix
