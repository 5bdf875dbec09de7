#pragma once

#include <string>
#include <vector>

#include "separatrix/nn/model.h"
#include "tests/support/random.h"

namespace separatrix::test {

inline Registry<Block> all_blocks() {
  Registry<Block> blocks("block");
  register_blocks(blocks);
  return blocks;
}

/// Every parameter random, so that none hides behind its starting value of 0 or 1.
inline Weights random_weights(const ModelSpec& spec, const Registry<Block>& blocks, Rng& rng) {
  Weights weights = zeros(spec, blocks);
  weights.values = random_parameters(weights.params, rng);
  return weights;
}

/// Random tokens; each position is asked with probability `asked`.
inline Batch random_batch(const ModelSpec& spec, Index B, Index T, double asked, Rng& rng) {
  Batch batch;
  batch.B = B;
  batch.T = T;
  for (Index i = 0; i < B * T; ++i) {
    batch.tokens.push_back(Token(rng.below(spec.vocab_size)));
    batch.targets.push_back(rng.uniform() < asked ? Token(rng.below(spec.n_classes)) : kIgnore);
  }
  return batch;
}

/// Logits of the asked positions of the whole batch by reference_logits, [n_asked, C].
inline std::vector<double> reference_asked(const Weights& weights, const Registry<Block>& blocks,
                                           const Batch& batch) {
  const Index C = weights.spec.n_classes;
  std::vector<double> asked;
  for (Index b = 0; b < batch.B; ++b) {
    const auto logits = reference_logits<double>(weights, blocks, batch.row(b));
    for (Index t = 0; t < batch.T; ++t)
      if (batch.target_row(b)[std::size_t(t)] != kIgnore)
        asked.insert(asked.end(), logits.begin() + t * C, logits.begin() + (t + 1) * C);
  }
  return asked;
}

/// Sum of the cross-entropies in nats over the asked positions, in doubles.
inline double reference_loss(const Weights& weights, const Registry<Block>& blocks,
                             const Batch& batch) {
  const Index C = weights.spec.n_classes;
  const std::vector<double> logits = reference_asked(weights, blocks, batch);
  double loss = 0;
  std::size_t row = 0;
  for (const Token target : batch.targets) {
    if (target == kIgnore) continue;
    const double* z = logits.data() + row++ * std::size_t(C);
    double sum = 0;
    for (Index c = 0; c < C; ++c) sum += std::exp(z[c] - z[target]);
    loss += std::log(sum);
  }
  return loss;
}

}  // namespace separatrix::test
