#pragma once

#include <optional>
#include <string>
#include <vector>

#include "separatrix/train/trainer.h"

namespace separatrix {

/// Everything that the rest of a run depends on: with the spec, it determines all later bits.
struct TrainState {
  Index step = 0;
  std::vector<float> weights, first_moment, second_moment;
  std::vector<CurvePoint> curve;
  double loss_sum = 0;         ///< nats since the last curve point
  Index loss_count = 0;        ///< asked positions since the last curve point
  Index held = 0;              ///< evaluations in a row at or above the target
  std::optional<Outcome> end;  ///< set once the run has ended
  CurvePoint last;             ///< valid once it has ended
  double seconds = 0;          ///< spent so far, over all sittings
};

/// Atomic. Throws Error(io).
void save_checkpoint(const std::string& path, const std::string& trial_id, const TrainState& state);

/// nullopt when there is no such file. Throws Error(io) when it is damaged, belongs to another
/// trial, or holds another number of parameters than n_parameters.
std::optional<TrainState> load_checkpoint(const std::string& path, const std::string& trial_id,
                                          Index n_parameters);

}  // namespace separatrix
