#include "separatrix/cli/step_timer.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "separatrix/kernels/kernels.h"
#include "separatrix/train/optimizer.h"
#include "separatrix/train/shards.h"

namespace separatrix {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_of(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

StepTime time_step(const ModelSpec& spec, const Registry<Block>& blocks, const Batch& batch,
                   const StepTiming& timing) {
  Weights weights = initialize(spec, blocks, 0);
  std::vector<float> m(weights.values.size()), v(weights.values.size());
  ShardedGradient gradient(spec, blocks, timing.threads, int(timing.threads));
  const TrainConfig config{.lr = 1e-5};
  Index step = 0;
  const auto one_step = [&] {
    gradient.compute(weights.values, batch);
    optimizer_step(config, step++, {weights.values, m, v, gradient.gradient()});
  };
  one_step();
  constexpr double kRepetition = 0.05;  // seconds
  const auto inner = Index(std::max(1.0, kRepetition / std::max(seconds_of(one_step), 1e-6)));
  std::vector<double> ms;
  const auto stopped = [&] { return timing.stop != nullptr && *timing.stop && !ms.empty(); };
  for (Index r = 0; r < timing.repetitions && !stopped(); ++r)
    ms.push_back(1e3 / double(inner) * seconds_of([&] {
                   for (Index i = 0; i < inner; ++i) one_step();
                 }));
  std::sort(ms.begin(), ms.end());
  const double median = ms[ms.size() / 2];
  return {.ms = median,
          .ms_min = ms.front(),
          .ms_max = ms.back(),
          .repetitions = Index(ms.size()),
          .gflops = training_flops(spec, blocks, batch) / median * 1e-6};
}

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
    const double seconds = seconds_of([&] {
      gemm({.M = kSize, .N = kSize, .K = kSize}, a.data(), kSize, b.data(), kSize, c.data(), kSize);
    });
    best = std::max(best, kFlops / seconds * 1e-9);
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
