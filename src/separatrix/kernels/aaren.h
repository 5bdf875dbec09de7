#pragma once

#include "separatrix/kernels/kernels.h"

// Softmax averages over every prefix of a sequence, for H heads of width d; what holds for all
// kernels is said in kernels.h.

namespace separatrix {

/// n consecutive positions of one sequence.
struct AarenSequence {
  Index n = 0, H = 0, d = 0;
  const float* s = nullptr;  ///< scores [n, H]
  const float* v = nullptr;  ///< values [n, H d]
  Rows read = {};            ///< rows whose averages are wanted; row `start` is position 0
  Index start = 0;
};

/// From left to right, per head: m' = max(m, s), old = e^(m - m'), own = e^(s - m'), u' = old u +
/// own, w' = old w + own v. state [H (d + 2)], in place: all m, all u, all w; u = 0 means that
/// nothing came before, whatever m and w. weights [n, 3 H]: row t is old, own and 1 / u' of each
/// head. mean [read.count, H d] = w' / u' at the rows that are read.
void aaren_scan(const AarenSequence& s, float* state, float* weights, float* mean);

/// What aaren_scan left, and dmean = d loss / d mean.
struct AarenScanned {
  const float *weights = nullptr, *mean = nullptr, *dmean = nullptr;
};
/// ds [n, H] =, dv [n, H d] =, for a sequence that starts from nothing. `work` holds d floats. No
/// gradient is formed for m, which only scales.
void aaren_scan_backward(const AarenSequence& s, const AarenScanned& left, float* ds, float* dv,
                         float* work);

}  // namespace separatrix
