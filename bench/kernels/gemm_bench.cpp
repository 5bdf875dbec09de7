// The matrix products of the models: M, N, K and which operand is transposed (0 none, 1 A, 2 B).

#include "bench/kernels/peak.h"

namespace separatrix::bench {
namespace {

void product(benchmark::State& state) {
  const Index M = state.range(0), N = state.range(1), K = state.range(2);
  const Gemm g{M, N, K, state.range(3) == 1, state.range(3) == 2};
  const Array a(M * K), b(K * N), c(M * N);
  for (auto _ : state) {
    gemm(g, a, g.a_transposed ? M : K, b, g.b_transposed ? K : N, c, N);
    benchmark::ClobberMemory();
  }
  report(state, 2 * double(M * N * K), 4 * double(M * K + K * N + 2 * M * N));
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"M", "N", "K", "transposed"});
  for (const Index d : {16, 32, 64, 128, 256}) {
    const Index rows = 202;  // two sequences of index lookup at N = 100
    b->Args({rows, d, d, 0})->Args({rows, d, d, 2})->Args({d, d, rows, 1});
    b->Args({rows, 4 * d, d, 0})->Args({rows, 4 * d, d, 2})->Args({d, 4 * d, rows, 1});
    b->Args({32, 112, d, 0})->Args({32, d, 112, 0})->Args({112, d, 32, 1});  // a query block
    for (const Index B : {16, 64}) b->Args({B, 4 * d, d, 0})->Args({B, d, 4 * d, 2});  // LSTM
  }
}
BENCHMARK(product)->Apply(shapes);

}  // namespace
}  // namespace separatrix::bench
