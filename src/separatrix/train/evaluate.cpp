#include <algorithm>
#include <cmath>

#include "separatrix/train/trainer.h"

namespace separatrix {
namespace {

/// The model's, which may exceed the task's.
Index n_classes(const std::vector<float>& logits, const Batch& batch) {
  const auto asked = std::count_if(batch.targets.begin(), batch.targets.end(),
                                   [](Token target) { return target != kIgnore; });
  return asked > 0 ? Index(logits.size()) / asked : 0;
}

/// Whether the target is the first of the largest. Comparisons without an early exit, which the
/// compiler vectorises, unlike a search for the place; not a number is no answer.
bool is_answer(const float* row, Index C, Token target) {
  const float best = row[target];
  bool beaten = false;
  for (Index c = 0; c < target; ++c) beaten |= !(row[c] < best);
  for (Index c = target + 1; c < C; ++c) beaten |= !(row[c] <= best);
  return !beaten;
}

double log_sum_exp(const float* row, Index C, float largest) {
  double sum = 0;
  for (Index c = 0; c < C; ++c) sum += std::exp(double(row[c]) - double(largest));
  return double(largest) + std::log(sum);
}

}  // namespace

Accuracy evaluate(Model& model, std::span<const float> w, const Task& task,
                  const EvaluateConfig& config) {
  constexpr Index kChunk = 64;
  const Portion portion = config.holdout > 0 ? Portion::evaluation : Portion::any;
  Rng rng(config.seed, RngUse::evaluate, config.index);
  Batch batch;
  std::vector<float> logits;
  Index asked = 0, right = 0, right_sequences = 0;
  double nats = 0;
  for (Index done = 0; done < config.examples; done += batch.B) {
    sample_batch(task, config.length, std::min(kChunk, config.examples - done), portion,
                 config.holdout, rng, batch);
    model.logits(w, batch, logits);
    const float* row = logits.data();
    const Index C = n_classes(logits, batch);
    for (Index b = 0; b < batch.B; ++b) {
      bool all_right = true;
      for (Token target : batch.target_row(b)) {
        if (target == kIgnore) continue;
        const bool hit = is_answer(row, C, target);
        if (config.cross_entropy)
          nats += log_sum_exp(row, C, *std::max_element(row, row + C)) - double(row[target]);
        row += C;
        ++asked;
        right += hit;
        all_right = all_right && hit;
      }
      right_sequences += all_right;
    }
  }
  return {.token = asked > 0 ? double(right) / double(asked) : 0,
          .sequence = double(right_sequences) / double(config.examples),
          .cross_entropy = asked > 0 ? nats / double(asked) : 0,
          .examples = config.examples};
}

}  // namespace separatrix
