#pragma once

#include <atomic>

#include "separatrix/nn/model.h"

namespace separatrix {

struct StepTiming {
  Index threads = 1, repetitions = 9;
  const std::atomic<bool>* stop = nullptr;  ///< fewer repetitions once it is set, at least one
};
/// One training step: forward, backward, clipping and AdamW.
struct StepTime {
  double ms = 0, ms_min = 0, ms_max = 0;  ///< median, fastest and slowest repetition
  Index repetitions = 0;
  double gflops = 0;  ///< useful operations (training_flops) per second, 10^9
};
/// Each repetition is as many steps as fill a twentieth of a second; one step goes before them.
StepTime time_step(const ModelSpec& spec, const Registry<Block>& blocks, const Batch& batch,
                   const StepTiming& timing);

}  // namespace separatrix
