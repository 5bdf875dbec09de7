#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

namespace separatrix {

/// The largest power of two of which every value is a multiple; +infinity for all zeros, 0 if a
/// value is not finite.
template <class Float>
double grid_of(std::span<const Float> values) {
  double grid = std::numeric_limits<double>::infinity();
  for (const Float value : values) {
    if (value == 0) continue;
    if (!std::isfinite(value)) return 0;
    int exponent = 0;
    double odd = std::frexp(double(value), &exponent);  // value = odd 2^exponent
    while (odd != std::floor(odd)) {
      odd *= 2;
      --exponent;
    }
    while (std::fmod(odd, 2) == 0) {
      odd /= 2;
      ++exponent;
    }
    grid = std::min(grid, std::ldexp(1.0, exponent));
  }
  return grid;
}

/// Terms that are multiples of `grid` and whose absolute values sum to at most `absolute` have no
/// rounding error in float32, whatever the order of summation and with or without fused
/// multiply-add: every partial sum is a multiple of the grid of at most 24 bits.
inline bool sums_exactly(double grid, double absolute) {
  if (absolute == 0) return true;
  return grid > 0x1p-126 && absolute < 0x1p126 && absolute <= 0x1p24 * grid;
}

/// (1 + u)^k - 1, rounded up: the relative error of k roundings in a row, and of a sum of k terms.
inline double gamma_k(double k, double u) {
  return std::expm1(k * std::log1p(u)) * (1 + 0x1p-40);
}

/// Relative error of float32 attention weights, all n together: scores off by up to `score` (0:
/// exact, and then so is their difference to the largest), of at most that magnitude; the
/// exponential within 4 units in the last place, one sum, one quotient. docs/certificates.md.
inline double softmax_error(double n, double score, double magnitude) {
  constexpr double kUnit = 0x1p-24;
  const double argument = score == 0 ? 0 : 4 * magnitude * kUnit;
  return std::expm1(4 * score + 2 * argument) + 2 * gamma_k(2 * 8 + 2 * n + 8, kUnit);
}

}  // namespace separatrix
