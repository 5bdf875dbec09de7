#pragma once

#include <cstdint>
#include <vector>

#include "separatrix/base/rng.h"
#include "separatrix/base/view.h"
#include "separatrix/tasks/task.h"

namespace separatrix {

/// Inputs of equal length with their labels.
struct Batch {
  Index B = 0, T = 0;
  std::vector<Token> tokens, targets;  ///< [B, T]

  /// Keeps its memory when it only shrinks or stays.
  void resize(Index batch, Index time);
  std::span<Token> row(Index b) { return {tokens.data() + b * T, std::size_t(T)}; }
  std::span<const Token> row(Index b) const { return {tokens.data() + b * T, std::size_t(T)}; }
  std::span<Token> target_row(Index b) { return {targets.data() + b * T, std::size_t(T)}; }
  std::span<const Token> target_row(Index b) const {
    return {targets.data() + b * T, std::size_t(T)};
  }
};

/// Which inputs a draw may return. One input in `holdout` (by hash_tokens) belongs to evaluation
/// and is never trained on; holdout = 0 turns the division off.
enum class Portion { training, evaluation, any };

/// Draws B labelled inputs of length N into `batch`, redrawing those of the other portion. Throws
/// Error(spec) when 10^5 redraws in a row find none (the task has too few inputs to divide).
void sample_batch(const Task& task, Index length, Index B, Portion portion, Index holdout, Rng& rng,
                  Batch& batch);

}  // namespace separatrix
