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

/// What the bench commands ask of their flags; throw Error(usage) naming the flag.
void check_positive(Index value, const char* flag);
void check_live(const std::string& live);  ///< "last" or "all"

/// 10^9 operations per second of one core on a matrix product that fits its cache: what fractions
/// are measured against.
double measure_peak();

/// Index lookup with symbols of that alphabet, N = length; every position is asked, or only the
/// last. `info` receives the task's sizes.
struct BenchBatch {
  Index length = 100, batch = 64, alphabet = 64;
  bool all = false;
};
Batch make_bench_batch(const BenchBatch& options, const Registry<Task>& tasks, TaskInfo& info);

}  // namespace separatrix
