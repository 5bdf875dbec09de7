#pragma once

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <vector>

#include <benchmark/benchmark.h>

#include "separatrix/kernels/kernels.h"

namespace separatrix::bench {

/// n floats on a 64-byte boundary, none of them zero or subnormal.
class Array {
 public:
  explicit Array(Index n)
      : data_(static_cast<float*>(std::aligned_alloc(64, std::size_t((n + 15) / 16 * 64)))) {
    for (Index i = 0; i < n; ++i) data_.get()[i] = float(i % 17 + 1) / 16;
  }
  operator float*() const { return data_.get(); }  // NOLINT(google-explicit-constructor)

 private:
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  std::unique_ptr<float, Free> data_;
};

/// What one core reaches in GFLOP/s on a product whose operands stay in the first-level cache: the
/// best of many short runs, measured once. Within 2 % of two fused multiply-adds per cycle where
/// those are counted.
inline double measured_peak() {
  static const double peak = [] {
    const Index n = 96, k = 64;
    const Array a(n * k), b(k * 64), c(n * 64);
    double best = 0;
    for (int run = 0; run < 200; ++run) {
      const auto start = std::chrono::steady_clock::now();
      for (int i = 0; i < 20; ++i) gemm({n, 64, k}, a, k, b, 64, c, 64);
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      best = std::max(best, 20 * 2e-9 * double(n * 64 * k) / seconds.count());
    }
    return best;
  }();
  return peak;
}

/// Counters: GFLOP/s, the fraction of the measured peak, bytes/s of what must be read and written.
inline void report(benchmark::State& state, double flop, double bytes) {
  const double runs = double(state.iterations());
  state.counters["GFLOP/s"] = benchmark::Counter(1e-9 * flop * runs, benchmark::Counter::kIsRate);
  state.counters["of_peak"] =
      benchmark::Counter(1e-9 * flop * runs / measured_peak(), benchmark::Counter::kIsRate);
  state.SetBytesProcessed(std::int64_t(bytes * runs));
}

}  // namespace separatrix::bench
