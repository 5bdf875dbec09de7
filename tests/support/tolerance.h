#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "separatrix/base/index.h"

namespace separatrix::test {

/// What rounding does to a sum of `terms` products of size `scale` in float32. Errors of single
/// operations are eps/2 at most and of random sign, so they add up like a random walk: sqrt(terms).
/// The factor covers the constants (a few roundings per term, elementary functions of some ulp) and
/// the luck of a maximum over many comparisons; a wrong formula misses it by orders of magnitude.
inline double float_tolerance(Index terms, double scale, double factor = 16) {
  constexpr double kEps = std::numeric_limits<float>::epsilon();
  return factor * kEps * std::sqrt(double(std::max<Index>(terms, 1))) * std::max(scale, 1.0);
}

}  // namespace separatrix::test
