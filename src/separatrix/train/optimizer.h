#pragma once

#include <span>

#include "separatrix/nn/model.h"
#include "separatrix/train/trial.h"

namespace separatrix {

/// lr at `step` (0-based): lr (step+1)/warmup while step < warmup, then constant, or
/// lr (1 + cos(pi progress))/2 with progress running from 0 to 1 over the remaining steps; for
/// cosine-epoch progress = e/E in epoch e = 0 .. E-1, warm-up or not.
double learning_rate(const TrainConfig& config, Index step);

struct OptimizerBuffers {
  std::span<float> weights, first_moment, second_moment;
  std::span<const float> gradient;
};

/// One AdamW step (decoupled weight decay, bias-corrected moments), step 0-based, with the
/// gradient scaled to norm clip_norm if it is longer. Returns false, and changes nothing, when the
/// gradient's norm is not finite.   [loshchilov2019 alg. 2]
bool optimizer_step(const TrainConfig& config, Index step, const OptimizerBuffers& buffers);

}  // namespace separatrix
