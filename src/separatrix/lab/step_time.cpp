#include "separatrix/lab/step_time.h"

#include <algorithm>
#include <chrono>
#include <functional>

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

}  // namespace separatrix
