#pragma once

#include "separatrix/lab/step_time.h"

namespace separatrix {

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
