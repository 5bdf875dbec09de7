#pragma once

#include <cstdint>

#include "separatrix/base/index.h"

namespace separatrix {

/// Dropout as a function: number i of the stream `key` is kept with probability 1 - rate and then
/// divided by that, else 0. Whether it is kept depends on (key, i) only: not on threads or tiles,
/// and not on how the numbers are cut between calls.   [srivastava2014]
struct Dropout {
  double rate = 0;  ///< 0 to below 1; 0 = off. Rounded to a multiple of 2^-32
  std::uint64_t key = 0;

  bool on() const { return rate > 0; }
  /// Independent of the others and of this one.
  Dropout stream(std::uint64_t index) const;
};

/// x[j] *= factor of number first + j, in place.
void drop(const Dropout& dropout, std::uint64_t first, Index n, float* x);

}  // namespace separatrix
