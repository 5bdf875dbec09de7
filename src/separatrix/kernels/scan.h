#pragma once

#include "separatrix/kernels/kernels.h"

// What holds for all kernels is said in kernels.h.

namespace separatrix {

/// The selective scan of one sequence [gu2023]: E channels of N states each,
///   h_t[n] = a_t[n] h_{t-1}[n] + dt_t B_t[n] u_t,  a_t[n] = 2^(dt_t rate[n]),
///   y_t = sum_n C_t[n] h_t[n] + skip u_t
/// per channel; B and C are shared by the channels. With `signed_decay`, a = 2 2^(dt rate) - 1.
/// States are kept every `chunk` steps only; the way back computes the others again.
struct SelectiveScan {
  Index T = 0, E = 0, N = 0;
  Index chunk = 1;
  bool signed_decay = false;
  const float* rate = nullptr;              ///< [N, E], <= 0
  const float* skip = nullptr;              ///< [E]
  const float *u = nullptr, *dt = nullptr;  ///< [T, E], dt >= 0
  const float *B = nullptr, *C = nullptr;   ///< [T, N] ld
  Index ld = 0;
  Rows outputs = {};  ///< y_t is read at t = outputs[i] - origin
  Index origin = 0;
  float* h = nullptr;  ///< [kept_states, N, E]: h_{-1}, then the state after each chunk
};
/// ceil(T / chunk) + 1.
Index kept_states(Index T, Index chunk);

/// y [outputs.count, E] and the states behind the first of s.h, which is read. 2^x has a relative
/// error of 3 u and is never below 2^-126.
void selective_scan(const SelectiveScan& s, float* y);

struct SelectiveScanGradients {
  float *du = nullptr, *ddt = nullptr;  ///< [T, E], =
  float *dB = nullptr, *dC = nullptr;   ///< [T, N] ld, =
  Index ld = 0;
  float* drate = nullptr;  ///< [N, E], += ; of rate as if it were the exponent of e, not of 2
  float* dskip = nullptr;  ///< [E], +=
  float* work = nullptr;   ///< selective_scan_work(s) floats
};
Index selective_scan_work(Index E, Index N, Index chunk);
/// dy [outputs.count, E]; s as selective_scan left it. The state that a chunk leaves is taken from
/// s.h as it stands there, so it may have been rounded in between (chunk 1).
void selective_scan_backward(const SelectiveScan& s, const float* dy,
                             const SelectiveScanGradients& out);

/// rate [N, E] = -e^A_log / ln 2, A_log [E, N]: then 2^(dt rate) = exp(dt A) with A = -e^A_log.
void scan_rates(Index E, Index N, const float* A_log, float* rate);

/// y = log(1 + e^(x + bias)) and, in place, x = its derivative 1 / (1 + e^-(x + bias)), [M, N].
/// Error <= 6 ulp.
void bias_softplus(Index M, Index N, const float* bias, float* x, float* y);

}  // namespace separatrix
