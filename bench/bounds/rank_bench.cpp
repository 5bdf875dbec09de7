// Rank modulo 2^31 - 1 of random square matrices, and of equality of strings: size, threads.

#include <benchmark/benchmark.h>

#include "separatrix/base/rng.h"
#include "separatrix/bounds/one_layer/rank.h"

namespace separatrix::one_layer {
namespace {

void random_rank(benchmark::State& state) {
  const Index n = state.range(0);
  Rng rng(0);
  std::vector<std::uint32_t> matrix(std::size_t(n * n));
  for (auto& x : matrix) x = std::uint32_t(rng.below(kRankPrime));
  Index rank = 0;
  for (auto _ : state)
    rank = Index(rank_modulo(matrix, n, n, int(state.range(1))).rows.size());
  if (rank != n) state.SkipWithError("a random matrix has full rank");
  state.counters["multiplications/s"] = benchmark::Counter(
      double(n) * double(n) * double(n) / 3, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(random_rank)
    ->ArgNames({"n", "threads"})
    ->Args({1024, 1})
    ->Args({4096, 1})
    ->Args({4096, 2})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace separatrix::one_layer
