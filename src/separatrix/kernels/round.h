#pragma once

#include "separatrix/base/index.h"

// Rounding of numbers that are kept in few bits, in place, n of them, to the nearest, ties to even;
// NaN stays. The rules of kernels.h hold; results are exactly those of StateFormat::rounded.

namespace separatrix {

/// k range / most for whole k, |k| <= most; what lies beyond goes to the ends.
void round_to_grid(Index n, double range, double most, float* x);
/// The largest finite number for what would overflow.
void round_to_bfloat16(Index n, float* x);
void round_to_float16(Index n, float* x);
/// 1 from 1/2 up, else 0 (NaN, too).
void round_to_bit(Index n, float* x);

}  // namespace separatrix
