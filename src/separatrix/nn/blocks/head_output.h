#pragma once

#include <algorithm>

#include "separatrix/kernels/heads.h"
#include "separatrix/kernels/kernels.h"
#include "separatrix/nn/buffer.h"

namespace separatrix {

/// What follows the heads o [n, H, dv]: hat = o / sqrt(mean over a head of o^2 + epsilon), times a
/// gain [dv] if there is one, times silu(g) if there is a gate g [n, H dv].
struct HeadOutput {
  Index H = 1, dv = 0;
  float epsilon = 0;
  const float* gain = nullptr;

  Index scratch_size(Index T) const { return 2 * padded(T * H * dv); }
  RowNorm norm(Index n) const { return {n * H, dv, 1 / float(dv), epsilon, 1}; }

  /// y [n, H dv]; r [n, H] for the way back.
  void forward(Index n, const float* o, const float* g, float* y, float* r, float* scratch) const {
    float* hat = g == nullptr ? y : scratch;
    normalized(n, o, hat, r);
    if (g != nullptr) swiglu(n * H * dv, g, hat, y);
  }
  /// dy becomes d loss / d o; dg =, dgain +=.
  void backward(Index n, const float* o, const float* g, float* r, float* dy, float* dg,
                float* dgain, float* scratch) const {
    const Index size = n * H * dv;
    float *hat = scratch, *spare = scratch + padded(size);
    if (g != nullptr) {
      normalized(n, o, hat, r);
      swiglu_backward(size, g, hat, dy, dg, spare);
      std::copy_n(spare, size, dy);
    }
    if (gain != nullptr) {
      normalize_rows(norm(n), o, hat, r);
      multiply(size, dy, hat);
      column_sums(n * H, dv, hat, dgain);
      for (Index i = 0; i < n * H; ++i) multiply(dv, gain, dy + i * dv);
    }
    normalize_rows_backward(norm(n), o, r, dy, dy);
  }

 private:
  void normalized(Index n, const float* o, float* hat, float* r) const {
    normalize_rows(norm(n), o, hat, r);
    if (gain == nullptr) return;
    for (Index i = 0; i < n * H; ++i) multiply(dv, gain, hat + i * dv);
  }
};

}  // namespace separatrix
