// One training step (forward, backward, AdamW) at the shapes of the index-lookup experiments.
//   cmake --build BUILD --target train_step_bench && taskset -c 0 BUILD/bench/train_step_bench

#include <vector>

#include <benchmark/benchmark.h>

#include "separatrix/kernels/kernels.h"
#include "separatrix/nn/model.h"

namespace separatrix {
namespace {

enum class Asked { last, all };

ModelSpec transformer(Index D, Index T) {
  ModelSpec spec;
  spec.vocab_size = 64 + T;
  spec.n_classes = 64;
  spec.d_model = D;
  spec.max_length = T;
  spec.layers = {{"attention"}, {"mlp"}};
  return spec;
}

ModelSpec lstm(Index D, Index T) {
  ModelSpec spec = transformer(D, T);
  spec.positions = spec.norm = "none";
  spec.layers = {{"lstm", Json::object(), false}};
  return spec;
}

Batch random_batch(const ModelSpec& spec, Index B, Index T, Asked asked) {
  Rng rng(1);
  Batch batch;
  batch.B = B;
  batch.T = T;
  for (Index i = 0; i < B * T; ++i) {
    const bool read = asked == Asked::all || i % T == T - 1;
    batch.tokens.push_back(Token(rng.below(spec.vocab_size)));
    batch.targets.push_back(read ? Token(rng.below(spec.n_classes)) : kIgnore);
  }
  return batch;
}

/// Arguments: width, tokens.
void train_step(benchmark::State& state, ModelSpec (*make)(Index, Index), Asked asked) {
  constexpr Index kBatch = 64;
  const Index D = state.range(0), T = state.range(1);
  Registry<Block> blocks("block");
  register_blocks(blocks);
  const ModelSpec spec = make(D, T);
  Weights weights = initialize(spec, blocks, 0);
  Model model(spec, blocks);
  const Batch batch = random_batch(spec, kBatch, T, asked);
  const auto n = weights.values.size();
  std::vector<float> dw(n, 0), m(n, 0), v(n, 0);
  for (auto _ : state) {
    std::fill(dw.begin(), dw.end(), 0.0F);
    benchmark::DoNotOptimize(
        model.forward_backward(weights.values, batch, 0, kBatch, 1.0F / kBatch, dw));
    adamw({.lr = 1e-6F}, Index(n), dw.data(), weights.values.data(), m.data(), v.data());
  }
  state.counters["tokens/s"] =
      benchmark::Counter(double(kBatch * T), benchmark::Counter::kIsIterationInvariantRate);
}

void shapes(benchmark::internal::Benchmark* bench) {
  for (const Index T : {21, 101, 401}) bench->Args({64, T});
  bench->Args({16, 21})->Args({256, 101})->Unit(benchmark::kMillisecond)->MinTime(0.5);
}

BENCHMARK_CAPTURE(train_step, transformer_last_row, transformer, Asked::last)->Apply(shapes);
BENCHMARK_CAPTURE(train_step, transformer_all_rows, transformer, Asked::all)->Apply(shapes);
BENCHMARK_CAPTURE(train_step, lstm_last_row, lstm, Asked::last)->Apply(shapes);
BENCHMARK_CAPTURE(train_step, lstm_all_rows, lstm, Asked::all)->Apply(shapes);

}  // namespace
}  // namespace separatrix

BENCHMARK_MAIN();
