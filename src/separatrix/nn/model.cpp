#include "separatrix/nn/model.h"

#include <algorithm>
#include <cassert>

#include "separatrix/nn/program.h"
#include "separatrix/nn/tile.h"

namespace separatrix {
namespace {

/// A model file can be run on inputs of another task: that is the user's mistake, not a bug.
void check_fits(const ModelSpec& spec, const Batch& batch) {
  if (batch.T < 1) throw Error(ErrorKind::spec, "an input needs at least one token");
  if (spec.positions == "learned" && batch.T > spec.max_length)
    throw Error(ErrorKind::spec,
                "the model takes at most " + std::to_string(spec.max_length) + " tokens, not " +
                    std::to_string(batch.T),
                "max_length");
  const auto outside = [](const std::vector<Token>& values, Token low, Index high) {
    // No early exit, so that the compiler can vectorise it.
    bool bad = false;
    for (const Token value : values) bad |= value < low || value >= high;
    return bad;
  };
  if (outside(batch.tokens, 0, spec.vocab_size))
    throw Error(ErrorKind::spec,
                "the model knows the tokens 0 to " + std::to_string(spec.vocab_size - 1) + " only",
                "vocab_size");
  if (outside(batch.targets, kIgnore, spec.n_classes))
    throw Error(
        ErrorKind::spec,
        "the model answers with the classes 0 to " + std::to_string(spec.n_classes - 1) + " only",
        "n_classes");
}

Index most_asked(const Batch& batch) {
  Index most = 0;
  for (Index b = 0; b < batch.B; ++b) {
    const std::span<const Token> targets = batch.target_row(b);
    const auto ignored = std::count(targets.begin(), targets.end(), kIgnore);
    most = std::max(most, batch.T - Index(ignored));
  }
  return most;
}

}  // namespace

struct Model::Plan {
  Plan(const ModelSpec& spec, const Registry<Block>& blocks) : program(spec, blocks) {}

  /// Calls visit(tile) for each tile of the part's sequences in which something is asked.
  template <class Visit>
  void for_each_tile(const Batch& batch, const TrainingPart& part, bool kept, const Visit& visit) {
    check_fits(program.spec, batch);
    assert(0 <= part.begin && part.begin <= part.end && part.end <= batch.B);
    const Index sequences = tile_sequences(batch);
    if (kept) tile.reserve(program, std::min(sequences, batch.B), batch.T);
    for (Index b = part.begin; b < part.end; b += sequences) {
      const Index end = std::min(b + sequences, part.end);
      if (!tile.enter(program, batch, {b, end, part.scale, part.dropout})) continue;
      if (!kept) tile.reserve_forward(program);
      visit(tile);
    }
  }

  /// Remembers the last answer: batches of one training run are all alike.
  Index tile_sequences(const Batch& batch) {
    const Index asked = most_asked(batch);
    if (batch.T != planned_T || asked != planned_asked) {
      planned_T = batch.T;
      planned_asked = asked;
      planned_sequences = program.tile_sequences(batch.T, asked);
    }
    return planned_sequences;
  }

  Program program;
  Tile tile;
  Index planned_T = 0, planned_asked = 0, planned_sequences = 0;
};

Model::Model(const ModelSpec& spec, const Registry<Block>& blocks)
    : plan_(std::make_unique<Plan>(spec, blocks)) {}
Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

Index Model::n_parameters() const { return plan_->program.n_parameters; }

void Model::logits(std::span<const float> w, const Batch& batch, std::vector<float>& out) {
  assert(Index(w.size()) == n_parameters());
  out.clear();
  plan_->for_each_tile(batch, {0, batch.B}, /*kept=*/false, [&](Tile& tile) {
    tile.forward(plan_->program, w.data());
    const std::span<const float> logits = tile.logits();
    out.insert(out.end(), logits.begin(), logits.end());
  });
}

double Model::forward_backward(std::span<const float> w, const Batch& batch,
                               const TrainingPart& part, std::span<float> dw) {
  assert(Index(w.size()) == n_parameters() && dw.size() == w.size());
  double loss = 0;
  plan_->for_each_tile(batch, part, /*kept=*/true, [&](Tile& tile) {
    tile.forward(plan_->program, w.data());
    loss += tile.loss(part.scale);
    tile.backward(plan_->program, w.data(), dw.data());
  });
  return loss;
}

}  // namespace separatrix
