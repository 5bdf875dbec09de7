#pragma once

#include <algorithm>
#include <cassert>
#include <cmath>
#include <vector>

#include "separatrix/nn/blocks/plain_math.h"
#include "separatrix/nn/state_format.h"

// Causal depthwise convolution (kernels/conv.h) one position at a time, for the step functions and
// references of the blocks that have one.

namespace separatrix {

struct ConvWeights {
  Index C = 0, K = 0;
  const float* w = nullptr;     ///< [K, C]
  const float* bias = nullptr;  ///< [C] or null
  bool silu = false;
};

/// y [C] = convolution at this position; tail [K-1, C], the previous inputs, oldest first, moves on
/// by one and takes x as the format holds it. y may be x.
inline void conv_step(const ConvWeights& c, const StateFormat& format, float* tail, const float* x,
                      float* y) {
  assert(c.w != nullptr);
  for (Index i = 0; i < c.C; ++i) {
    const float newest = x[i];
    float a = c.bias == nullptr ? 0 : c.bias[i];
    for (Index j = 0; j + 1 < c.K; ++j) {
      a += c.w[j * c.C + i] * tail[j * c.C + i];
      tail[j * c.C + i] = j + 2 < c.K ? tail[(j + 1) * c.C + i] : newest;
    }
    a += c.w[(c.K - 1) * c.C + i] * newest;
    y[i] = c.silu ? a / (1 + std::exp(-a)) : a;
  }
  if (c.K > 1) format.round(c.C, tail + (c.K - 2) * c.C);
}

/// The same for every scalar; carries the tail itself.
template <class S>
class ConvReference {
 public:
  /// w [K, C]; bias [C] or null.
  ConvReference(View<const double, 2> w, const double* bias, bool silu)
      : w_(w), bias_(bias), silu_(silu), tail_(zeros_of<S>((w.extent[0] - 1) * w.extent[1])) {}

  /// x [C] -> y [C], not the same.
  void step(const StateFormat& format, const S* x, S* y) {
    const auto [K, C] = w_.extent;
    for (Index i = 0; i < C; ++i) {
      S a(bias_ == nullptr ? 0.0 : bias_[i]);
      for (Index j = 0; j + 1 < K; ++j)
        if (w_(j, i) != 0) a += tail_[std::size_t(j * C + i)] * w_(j, i);
      if (w_(K - 1, i) != 0) a += x[i] * w_(K - 1, i);
      y[i] = stored(silu_ ? silu(a) : a);
    }
    if (K == 1) return;
    std::move(tail_.begin() + C, tail_.end(), tail_.begin());
    for (Index i = 0; i < C; ++i) tail_[std::size_t((K - 2) * C + i)] = format.rounded(x[i]);
  }

 private:
  View<const double, 2> w_;
  const double* bias_;
  bool silu_;
  std::vector<S> tail_;  ///< [K-1, C]
};

}  // namespace separatrix
