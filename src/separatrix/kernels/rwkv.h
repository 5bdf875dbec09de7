#pragma once

#include "separatrix/base/index.h"

// What RWKV does element by element besides wkv.h; what holds for all kernels is said in kernels.h.

namespace separatrix {

/// y = mu x + (1 - mu) before, row by row: x, before, y [n, D], mu [D].
void token_shift(Index n, Index D, const float* mu, const float* x, const float* before, float* y);

struct TokenShiftGradients {
  float* dx = nullptr;       ///< [n, D], +=
  float* dbefore = nullptr;  ///< [n, D], +=; may be dx - D, the rows one earlier
  float* dmu = nullptr;      ///< [D], +=
};
/// The inputs as in token_shift; dy [n, D].
struct TokenShift {
  Index n = 0, D = 0;
  const float *mu = nullptr, *x = nullptr, *before = nullptr, *dy = nullptr;
};
void token_shift_backward(const TokenShift& s, const TokenShiftGradients& out);

/// y = max(x, 0)^2, n numbers; y may be x.
void squared_relu(Index n, const float* x, float* y);
/// dy = 2 max(x, 0) dy, in place.
void squared_relu_backward(Index n, const float* x, float* dy);

/// y = sigmoid(r) x, n numbers.
void sigmoid_gate(Index n, const float* r, const float* x, float* y);
/// dr = dy x sigmoid'(r), dx = dy sigmoid(r); either may be dy.
void sigmoid_gate_backward(Index n, const float* r, const float* x, const float* dy, float* dr,
                           float* dx);

}  // namespace separatrix
