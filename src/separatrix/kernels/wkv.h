#pragma once

#include "separatrix/kernels/kernels.h"

// The average of RWKV version 4: of values, with weights e^key that decay with time, in each of D
// channels by itself. What holds for all kernels is said in kernels.h.
//
// What came before a position is its past (p, q, o), [3D]: the sum of the weighted values and the
// sum of the weights, both divided by e^o. q = 0 means that nothing came before; p and o are then
// not looked at. o only scales: no gradient is formed for it, and those of p and q hold for this o.

namespace separatrix {

struct Wkv {
  Index n = 0, D = 0;           ///< consecutive positions of one sequence, channels
  const float* k = nullptr;     ///< [n, D]
  const float* v = nullptr;     ///< [n, D]
  const float* past = nullptr;  ///< [n, 3D], row t is the past of position t
};

/// past [n, 3D]: row 0 is given, each other follows from the one before it, with decay [D] <= 0:
/// o' = max(decay + o, k), p' = e^(decay + o - o') p + e^(k - o') v, q' likewise with 1 for v.
void wkv_scan(Index n, Index D, const float* decay, const float* k, const float* v, float* past);

/// y [n, D] = sigmoid(r) (e^o p + e^(bonus + k) v) / (e^o q + e^(bonus + k)).
void wkv_read(const Wkv& s, const float* bonus, const float* r, float* y);

struct WkvReadGradients {
  float* dr = nullptr;      ///< [n, D], =
  float* dk = nullptr;      ///< [n, D], =
  float* dv = nullptr;      ///< [n, D], =
  float* dpast = nullptr;   ///< [n, 2D], = those of p and q
  float* dbonus = nullptr;  ///< [D], +=
};
void wkv_read_backward(const Wkv& s, const float* bonus, const float* r, const float* dy,
                       const WkvReadGradients& out);

/// dk, dv, dpast hold what wkv_read_backward left at the rows that were read, the last one among
/// them, and nothing elsewhere.
struct WkvScanGradients {
  Rows read = {};  ///< row `start` is position 0
  Index start = 0;
  const float* dpast = nullptr;  ///< [n, 2D]
  float* dk = nullptr;           ///< [n, D], += at the rows that were read, = elsewhere
  float* dv = nullptr;           ///< [n, D], likewise
  float* ddecay = nullptr;       ///< [D], +=
};
void wkv_scan_backward(const Wkv& s, const float* decay, const WkvScanGradients& out);

}  // namespace separatrix
