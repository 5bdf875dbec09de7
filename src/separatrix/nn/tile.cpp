#include "separatrix/nn/tile.h"

#include <algorithm>
#include <utility>

namespace separatrix {
namespace {

void clear_rows(Rows rows, Index D, float* x) {
  if (rows.index == nullptr) {
    std::fill_n(x, rows.count * D, 0.0F);
  } else {
    for (Index i = 0; i < rows.count; ++i) std::fill_n(x + rows[i] * D, D, 0.0F);
  }
}

/// Clears the rows of `wide` that are not in `narrow`, a subset.
void clear_rows_outside(Rows narrow, Rows wide, Index D, float* x) {
  Index next = 0;
  for (Index i = 0; i < wide.count && narrow.count != wide.count; ++i) {
    if (next < narrow.count && narrow[next] == wide[i])
      ++next;
    else
      std::fill_n(x + wide[i] * D, D, 0.0F);
  }
}

Norm norm_of(const Program& program, const float* gain) {
  const Index D = program.spec.d_model;
  const bool layer = program.spec.norm == "layer";
  return {layer ? NormKind::layer : NormKind::rms, D, gain, layer ? gain + D : nullptr};
}

}  // namespace

void Tile::reserve(const Program& program, Index sequences, Index T) {
  const Shape most{sequences, T, program.spec.d_model};
  Sizes sizes{.rows = most.rows(), .asked = most.rows()};
  stages_.resize(program.layers.size() + 1);
  for (std::size_t i = 0; i < program.layers.size(); ++i) {
    const Block& block = *program.layers[i].block;
    stages_[i].cache_size = block.cache_size(most);
    sizes.scratch = std::max(sizes.scratch, block.scratch_size(most));
  }
  lay_out(program, sizes);
  for (Stage& stage : stages_) stage.storage.reserve(std::size_t(most.rows()));
  asked_.reserve(std::size_t(most.rows()));
  targets_.reserve(std::size_t(most.rows()));
}

void Tile::reserve_forward(const Program& program) {
  Sizes sizes{.rows = shape_.rows(), .asked = n_asked(), .kept = false};
  for (std::size_t i = 0; i < program.layers.size(); ++i) {
    const Block& block = *program.layers[i].block;
    stages_[i].cache_size = block.forward_cache_size(shape_, stages_[i + 1].live);
    sizes.scratch = std::max(sizes.scratch, block.scratch_size(shape_));
  }
  lay_out(program, sizes);
}

void Tile::lay_out(const Program& program, const Sizes& sizes) {
  const Index D = program.spec.d_model, activations = sizes.rows * D;
  kept_ = sizes.kept;
  const auto divide = [&](float* base) {
    Index end = 0;
    const auto take = [&](Index n) { return slice(base, end, n); };
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      Stage& stage = stages_[i];
      stage.x = take(activations);
      stage.normed = program.has_norms() ? take(activations) : stage.x;
      stage.stats = take(2 * sizes.rows);
      stage.cache = take(stage.cache_size);
    }
    if (kept_) dx_ = take(activations);
    if (kept_) dnormed_ = take(activations);
    features_ = take(sizes.asked * D);
    logits_ = take(sizes.asked * program.spec.n_classes);
    scratch_ = take(sizes.scratch);
    return end;
  };
  arena_.reserve(divide(nullptr));
  divide(arena_.data());
}

bool Tile::enter(const Program& program, const Batch& batch, const TrainingPart& part) {
  shape_ = {part.end - part.begin, batch.T, program.spec.d_model};
  first_sequence_ = part.begin;
  dropout_ = part.dropout;
  n_classes_ = program.spec.n_classes;
  input_ = {batch.T, shape_.D, batch.tokens.data() + part.begin * batch.T};
  const Token* targets = batch.targets.data() + part.begin * batch.T;
  stages_.resize(program.layers.size() + 1);
  for (Stage& stage : stages_) stage.storage.reserve(std::size_t(shape_.rows()));
  asked_.clear();
  targets_.clear();
  for (Index row = 0; row < shape_.rows(); ++row) {
    if (targets[row] == kIgnore) continue;
    asked_.push_back(row);
    targets_.push_back(targets[row]);
  }
  if (asked_.empty()) return false;
  const bool all = n_asked() == shape_.rows();
  stages_.back().live = all ? Live{} : Live{asked_};
  for (std::size_t i = program.layers.size(); i-- > 0;)
    stages_[i].live =
        program.layers[i].block->needs(shape_, stages_[i + 1].live, stages_[i].storage);
  return true;
}

void Tile::forward(const Program& program, const float* w) {
  embed(input_, rows(stages_[0].live), w + program.embedding,
        program.has_positions() ? w + program.positions : nullptr, stages_[0].x);
  drop_embedding(stages_[0].x);
  for (std::size_t i = 0; i < program.layers.size(); ++i) forward_layer(program, i, w);
  forward_head(program, w);
}

void Tile::forward_layer(const Program& program, std::size_t i, const float* w) {
  const Program::Layer& layer = program.layers[i];
  Stage &in = stages_[i], &out = stages_[i + 1];
  normalize(program, in, w + layer.norm);
  Slots memory = slots(i);
  memory.w = w + layer.weights;
  layer.block->forward(shape_, out.live, in.normed, out.x, memory);
  if (layer.residual) add_rows(rows(out.live), shape_.D, in.x, out.x);
}

void Tile::forward_head(const Program& program, const float* w) {
  Stage& top = stages_.back();
  normalize(program, top, w + program.norm);
  if (!top.live.all()) gather_rows(rows(top.live), shape_.D, top.normed, features_);
  const float* features = top.live.all() ? top.normed : features_;
  gemm({.M = n_asked(), .N = n_classes_, .K = shape_.D, .b_transposed = program.tied()}, features,
       shape_.D, w + program.head, program.tied() ? shape_.D : n_classes_, logits_, n_classes_);
  if (!program.tied()) add_bias(n_asked(), n_classes_, w + program.head_bias, logits_);
}

double Tile::loss(float scale) {
  return cross_entropy(n_asked(), n_classes_, logits_, targets_.data(), scale, logits_);
}

// From here on dx_ holds the gradient of the stage's x, valid at its live rows only.

void Tile::backward(const Program& program, const float* w, float* dw) {
  backward_head(program, w, dw);
  for (std::size_t i = program.layers.size(); i-- > 0;) backward_layer(program, i, w, dw);
  if (!program.trains_embedding()) return;
  drop_embedding(dx_);
  embed_backward(input_, rows(stages_[0].live), dx_, dw + program.embedding,
                 program.has_positions() ? dw + program.positions : nullptr);
}

void Tile::backward_head(const Program& program, const float* w, float* dw) {
  const Stage& top = stages_.back();
  const Index D = shape_.D;
  const bool all = top.live.all();
  const float* features = all ? top.normed : features_;
  const auto gradient = [this](Index M, Index N) {
    return Gemm{.M = M, .N = N, .K = n_asked(), .a_transposed = true, .accumulate = true};
  };
  if (!program.tied()) {
    gemm(gradient(D, n_classes_), features, D, logits_, n_classes_, dw + program.head, n_classes_);
    column_sums(n_asked(), n_classes_, logits_, dw + program.head_bias);
  } else if (program.trains_embedding()) {
    gemm(gradient(n_classes_, D), logits_, n_classes_, features, D, dw + program.embedding, D);
  }
  float* dfeatures = all ? dnormed_ : features_;  // the features have served
  gemm({.M = n_asked(), .N = D, .K = n_classes_, .b_transposed = !program.tied()}, logits_,
       n_classes_, w + program.head, program.tied() ? D : n_classes_, dfeatures, D);
  if (!all) scatter_rows(rows(top.live), D, features_, dnormed_);
  if (!program.has_norms()) {
    std::swap(dx_, dnormed_);
    return;
  }
  clear_rows(rows(top.live), D, dx_);
  backward_norm(program, top, w + program.norm, dw + program.norm);
}

void Tile::backward_layer(const Program& program, std::size_t i, const float* w, float* dw) {
  const Program::Layer& layer = program.layers[i];
  const Stage &in = stages_[i], &out = stages_[i + 1];
  clear_rows(rows(in.live), shape_.D, dnormed_);
  Slots memory = slots(i);
  memory.w = w + layer.weights;
  memory.dw = dw + layer.weights;
  layer.block->backward(shape_, out.live, in.normed, dx_, dnormed_, memory);
  if (!layer.residual && !program.has_norms()) {
    std::swap(dx_, dnormed_);
    return;
  }
  if (layer.residual)  // dx_ is already the gradient along the direct path
    clear_rows_outside(rows(out.live), rows(in.live), shape_.D, dx_);
  else
    clear_rows(rows(in.live), shape_.D, dx_);
  backward_norm(program, in, w + layer.norm, dw + layer.norm);
}

void Tile::drop_embedding(float* x) const {
  const Dropout dropout = Dropout{dropout_.embedding, dropout_.key}.stream(0);
  if (!dropout.on()) return;
  const Rows read = rows(stages_[0].live);
  for (Index i = 0; i < read.count; ++i) {
    const Index row = first_sequence_ * shape_.T + read[i];
    drop(dropout, std::uint64_t(row * shape_.D), shape_.D, x + read[i] * shape_.D);
  }
}

/// Without the weights.
Slots Tile::slots(std::size_t layer) const {
  const Dropout attention{dropout_.attention, dropout_.key};
  return {.cache = stages_[layer].cache,
          .scratch = scratch_,
          .kept = kept_,
          .attention_dropout = attention.stream(layer + 1),
          .first_sequence = first_sequence_};
}

void Tile::normalize(const Program& program, Stage& stage, const float* gain) const {
  if (program.has_norms())
    norm(norm_of(program, gain), rows(stage.live), stage.x, stage.normed, stage.stats);
}

/// dx_ += the gradient that comes through the norm from dnormed_.
void Tile::backward_norm(const Program& program, const Stage& stage, const float* gain,
                         float* dgain) {
  if (!program.has_norms()) {
    add_rows(rows(stage.live), shape_.D, dnormed_, dx_);
    return;
  }
  float* dbias = program.spec.norm == "layer" ? dgain + shape_.D : nullptr;
  norm_backward(norm_of(program, gain), rows(stage.live), stage.x, stage.stats, dnormed_,
                {dx_, dgain, dbias});
}

}  // namespace separatrix
