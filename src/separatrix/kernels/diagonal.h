#pragma once

#include "separatrix/kernels/kernels.h"

// Linear recurrences with complex diagonal transitions, in real arithmetic. What holds for all
// kernels is said in kernels.h. Gradients with respect to a complex z are d/d re z + i d/d im z.

namespace separatrix {

/// Complex numbers [M, C], T = float or const float.
template <class T>
struct Planes {
  T *re = nullptr, *im = nullptr;
};

/// For each of C channels, M modes: s_t = a s_{t-1} + b u_t, y_t = Re sum over modes of c s_t; all
/// at once y_t = sum_l K_l u_{t-l} with K_l = Re sum c b a^l.
struct DiagonalModes {
  Index C = 0, M = 0;
  Planes<const float> a, b, c;
};
struct DiagonalGradients {
  Planes<float> a, b, c;  ///< +=
};

/// K [T, C].
void diagonal_kernel(const DiagonalModes& modes, Index T, float* K);
/// From dK [T, C]: the values and derivatives of polynomials in a, by Horner's rule.
void diagonal_kernel_backward(const DiagonalModes& modes, Index T, const float* dK,
                              const DiagonalGradients& out);

/// y_t = sum over l <= t of K_l u_{t-l} per channel, at t = outputs[i] - origin, for K, u [T, C].
struct LongConv {
  Index T = 0, C = 0;
  const float *K = nullptr, *u = nullptr;
  Rows outputs = {};
  Index origin = 0;
};
/// y [outputs.count, C] =. Error <= T u sum |K u|.
void long_conv(const LongConv& s, float* y);
/// dy [outputs.count, C]; du [T, C] +=, dK [T, C] +=.
void long_conv_backward(const LongConv& s, const float* dy, float* du, float* dK);

/// The recurrence step by step over one sequence. The state is kept before the first step and after
/// every `chunk` steps; the way back computes the others again.
struct DiagonalScan {
  DiagonalModes modes;
  Index T = 0, chunk = 1;
  const float* u = nullptr;  ///< [T, C]
  Rows outputs = {};         ///< y_t is read at t = outputs[i] - origin
  Index origin = 0;
  float* s = nullptr;  ///< [ceil(T / chunk) + 1, 2, M, C]: real parts, imaginary parts
};
/// y [outputs.count, C] =, and the states behind the first of s.s, which is read.
void diagonal_scan(const DiagonalScan& s, float* y);
/// dy [outputs.count, C]; du [T, C] +=. work: diagonal_scan_work floats. The state that a chunk
/// leaves is taken from s.s as it stands there, so it may have been rounded in between (chunk 1).
void diagonal_scan_backward(const DiagonalScan& s, const float* dy, float* du,
                            const DiagonalGradients& out, float* work);
Index diagonal_scan_work(Index C, Index M, Index chunk);

/// x [M, 2N] = (v, g) without bias [2N]; y [M, N] = v sigmoid(g) with it. In place x becomes (v,
/// sigmoid(g)), which is what the way back reads.
void bias_glu(Index M, Index N, const float* bias, float* x, float* y);
/// x as bias_glu left it, in place: the gradient of x (and bias, its column sums). dy [M, N].
void bias_glu_backward(Index M, Index N, const float* dy, float* x);

}  // namespace separatrix
