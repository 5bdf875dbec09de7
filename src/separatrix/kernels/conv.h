#pragma once

#include "separatrix/base/index.h"

// What holds for all kernels is said in kernels.h.

namespace separatrix {

/// Causal depthwise convolution of one sequence, x [T, C] ldx: a_t = bias + sum over taps j = 0 ..
/// K-1 of w_j x_{t-K+1+j} per channel, with zeros before the sequence; y_t = a_t, or silu(a_t).
struct CausalConv {
  Index T = 0, C = 0, K = 0;
  const float* w = nullptr;     ///< [K, C]; row K-1 multiplies the newest input, x_t
  const float* bias = nullptr;  ///< [C]; null = none
  bool silu = false;
  const float* x = nullptr;  ///< [T, C] ldx
  Index ldx = 0;
  /// What the taps 0 .. K-2 read instead of x: the inputs as the state held them. Null = x.
  const float* past = nullptr;
  Index ld_past = 0;
};

/// y [T, C] ldy = as above. Error <= (K + 6) u (|bias| + sum |w x|).
void causal_conv(const CausalConv& c, float* y, Index ldy);

struct CausalConvGradients {
  float* dx = nullptr;  ///< [T, C] ld_dx, +=; what `past` was made of passes its gradient to here
  Index ld_dx = 0;
  float* dw = nullptr;     ///< [K, C], +=
  float* dbias = nullptr;  ///< [C], +=; null where there is no bias
};
/// dy [T, C] ld_dy = d loss / d y; in place it becomes d loss / d a.
void causal_conv_backward(const CausalConv& c, float* dy, Index ld_dy,
                          const CausalConvGradients& out);

}  // namespace separatrix
