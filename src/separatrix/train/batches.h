#pragma once

#include <vector>

#include "separatrix/tasks/batch.h"
#include "separatrix/train/trial.h"

namespace separatrix {

/// What each step trains on, a function of (spec, step). The data set of `train.examples` inputs
/// consists of what the steps of its first epoch would draw afresh, so the first epoch is the same
/// either way; it is held in memory, 8 bytes for each token.
class TrainingBatches {
 public:
  /// Both must outlive this. Draws nothing yet.
  TrainingBatches(const TrialSpec& spec, const Task& task);

  /// Valid until the next call. Throws as sample_batch.
  const Batch& at(Index step);

 private:
  const Batch& drawn(Index batch);
  const Batch& shuffled(Index step);

  const TrialSpec& spec_;
  const Task& task_;
  Batch current_;
  std::vector<Batch> kept_;   ///< the data set, by batches of the first epoch; empty ones not drawn
  std::vector<Index> order_;  ///< of the inputs in epoch_
  Index epoch_ = -1;
};

/// Inputs that the first `steps` steps train on; one that comes again counts again.
Index inputs_seen(const TrainConfig& config, Index steps);

}  // namespace separatrix
