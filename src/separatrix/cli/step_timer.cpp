#include "separatrix/cli/step_timer.h"

#include <algorithm>
#include <chrono>

#include "separatrix/kernels/kernels.h"

namespace separatrix {

void check_positive(Index value, const char* flag) {
  if (value < 1) throw Error(ErrorKind::usage, "must be at least 1", flag);
}

void check_live(const std::string& live) {
  if (live != "all" && live != "last")
    throw Error(ErrorKind::usage, "unknown choice '" + live + "'", "--live", "one of: last, all");
}

double measure_peak() {
  constexpr Index kSize = 256;
  constexpr double kFlops = 2.0 * kSize * kSize * kSize;
  std::vector<float> a(kSize * kSize, 1.0f), b(kSize * kSize, 1.0f), c(kSize * kSize);
  double best = 0;
  for (int i = 0; i < 40; ++i) {
    const auto start = std::chrono::steady_clock::now();
    gemm({.M = kSize, .N = kSize, .K = kSize}, a.data(), kSize, b.data(), kSize, c.data(), kSize);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    best = std::max(best, kFlops / elapsed.count() * 1e-9);
  }
  return best;
}

Batch make_bench_batch(const BenchBatch& o, const Registry<Task>& tasks, TaskInfo& info) {
  const auto task = tasks.make("index-lookup", {{"alphabet", o.alphabet}});
  task->check_length(o.length);
  info = task->info(o.length);
  Rng rng(0, RngUse::train);
  Batch batch;
  sample_batch(*task, o.length, o.batch, Portion::any, 0, rng, batch);
  if (o.all)
    for (std::size_t i = 0; i < batch.targets.size(); ++i)
      batch.targets[i] = batch.tokens[i] % Token(info.n_classes);
  return batch;
}

}  // namespace separatrix
