// Everything that is not a matrix product, at the sizes of one sequence of index lookup, N = 100.

#include "bench/kernels/peak.h"

namespace separatrix::bench {
namespace {

void gelu(benchmark::State& state) {
  const Index M = 101, F = state.range(0);
  const Array x(M * F), bias(F), y(M * F);
  for (auto _ : state) {
    bias_activation(Activation::gelu, M, F, bias, x, y);
    benchmark::ClobberMemory();
  }
  report(state, 40 * double(M * F), 12 * double(M * F));
}
BENCHMARK(gelu)->ArgName("F")->Arg(64)->Arg(256)->Arg(1024);

void layer_norm(benchmark::State& state) {
  const Index M = 101, D = state.range(0);
  const Array x(M * D), y(M * D), gain(D), bias(D), stats(2 * M);
  for (auto _ : state) {
    norm({NormKind::layer, D, gain, bias}, {M, nullptr}, x, y, stats);
    benchmark::ClobberMemory();
  }
  report(state, 8 * double(M * D), 8 * double(M * D));
}
BENCHMARK(layer_norm)->ArgName("D")->Arg(16)->Arg(64)->Arg(256);

void layer_norm_gradient(benchmark::State& state) {
  const Index M = 101, D = state.range(0);
  const Array x(M * D), y(M * D), gain(D), bias(D), stats(2 * M), dx(M * D), dgain(D), dbias(D);
  norm({NormKind::layer, D, gain, bias}, {M, nullptr}, x, y, stats);
  for (auto _ : state) {
    norm_backward({NormKind::layer, D, gain, bias}, {M, nullptr}, x, stats, y, {dx, dgain, dbias});
    benchmark::ClobberMemory();
  }
  report(state, 16 * double(M * D), 16 * double(M * D));
}
BENCHMARK(layer_norm_gradient)->ArgName("D")->Arg(16)->Arg(64)->Arg(256);

void softmax(benchmark::State& state) {
  const Index M = 32, N = state.range(0), ld = (N + 15) / 16 * 16;
  const Array s(M * ld), p(M * ld);
  for (auto _ : state) {
    softmax_rows(M, N, s, p, ld);
    benchmark::ClobberMemory();
  }
  report(state, 20 * double(M * N), 8 * double(M * N));
}
BENCHMARK(softmax)->ArgName("N")->Arg(21)->Arg(101)->Arg(401);

void one_query(benchmark::State& state) {
  const Index n = state.range(0), D = state.range(1);
  const Array u(D), x(n * D), a(n), c(D);
  for (auto _ : state) {
    attend({n, D, D, 0.125F}, u, x, a, c);
    benchmark::ClobberMemory();
  }
  report(state, 4 * double(n * D), 4 * double(n * D));
}
BENCHMARK(one_query)->ArgNames({"n", "D"})->Args({21, 64})->Args({101, 64})->Args({401, 64});

void loss(benchmark::State& state) {
  const Index M = 101, C = state.range(0);
  const Array logits(M * C), gradient(M * C);
  const std::vector<std::int32_t> targets(std::size_t(M), 1);
  for (auto _ : state)
    benchmark::DoNotOptimize(cross_entropy(M, C, logits, targets.data(), 1, gradient));
  report(state, 30 * double(M * C), 8 * double(M * C));
}
BENCHMARK(loss)->ArgName("C")->Arg(2)->Arg(64);

void lstm_cell(benchmark::State& state) {
  const Index B = 32, H = state.range(0);
  const Array gates(B * 4 * H), raw(B * 4 * H), bias(4 * H), c0(B * H), c(B * H), h(B * H);
  for (auto _ : state) {
    std::copy_n(static_cast<float*>(raw), B * 4 * H, static_cast<float*>(gates));
    lstm_gates(B, H, bias, gates, c0, c, h);
    benchmark::ClobberMemory();
  }
  report(state, 120 * double(B * H), 48 * double(B * H));
}
BENCHMARK(lstm_cell)->ArgName("H")->Arg(16)->Arg(64)->Arg(256);

void optimiser(benchmark::State& state) {
  const Index n = state.range(0);
  const Array g(n), w(n), m(n), v(n);
  AdamW a;
  a.lr = 1e-9F;
  for (auto _ : state) {
    adamw(a, n, g, w, m, v);
    benchmark::ClobberMemory();
  }
  report(state, 14 * double(n), 28 * double(n));
}
BENCHMARK(optimiser)->ArgName("n")->Arg(70000);

}  // namespace
}  // namespace separatrix::bench
