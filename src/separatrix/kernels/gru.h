#pragma once

#include "separatrix/base/index.h"

// One step of a gated recurrent unit; what holds for all kernels is said in kernels.h.

namespace separatrix {

/// For B sequences of width H. gates [B, 4H] holds pre-activations: of n what the input drives, of
/// r, of z, and of n what the state drives, m. In place, bias [4H] is added and r, z <-
/// sigmoid, n <- tanh(n + r m). h = (1 - z) n + z h_prev; h, h_prev [B, H], h may be h_prev.
void gru_gates(Index B, Index H, const float* bias, float* gates, const float* h_prev, float* h);

/// The other way: what gru_gates left and read.
struct GruStep {
  Index B = 0, H = 0;
  const float* gates = nullptr;   ///< [B, 4H]: n, r, z, m
  const float* h_prev = nullptr;  ///< [B, H]
};
/// dh [B, H], in place: gradient of h -> the part of h_prev's that does not pass the gates.
/// dgates [B, 4H] = gradient of the four pre-activations; may be `gates`.
void gru_gates_backward(const GruStep& step, float* dh, float* dgates);

}  // namespace separatrix
