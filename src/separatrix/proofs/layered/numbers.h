#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "separatrix/base/index.h"
#include "separatrix/proofs/exact_sum.h"
#include "separatrix/proofs/fast_interval.h"

namespace separatrix::layered {

/// One column of a matrix, zeros left out.
struct Entry {
  Index at = 0;
  double weight = 0;
};
using Column = std::vector<Entry>;

/// The largest power of two that divides x; +infinity for 0.
inline bool is_power_of_two(double x) {
  int exponent = 0;
  return std::frexp(x, &exponent) == 0.5;
}
inline double lowest_bit(double x) {
  if (x == 0) return std::numeric_limits<double>::infinity();
  int exponent = 0;
  const double fraction = std::frexp(x, &exponent);  // 53 bits behind the point
  const auto digits = std::uint64_t(std::abs(fraction) * 0x1p53);
  return std::ldexp(1.0, exponent - 53 + std::countr_zero(digits));
}

/// Encloses what an arithmetic makes of sums and stores. Over the reals nothing is lost; in the
/// others a sum of n terms is off by at most ((1 + u)^n - 1) sum |terms|, u = 2^-24, in every
/// order, and by nothing when every partial sum is a multiple of one power of two that 24 bits
/// reach.
class Numbers {
 public:
  explicit Numbers(Arithmetic arithmetic) : arithmetic_(arithmetic) {}
  Arithmetic arithmetic() const { return arithmetic_; }
  bool real() const { return arithmetic_ == Arithmetic::real; }
  /// What a tensor keeps.
  FastInterval stored(FastInterval x) const { return round_to(arithmetic_, x); }
  /// Relative error of a float32 sum of n terms, rounded up; 0 over the reals.
  double gamma(double n) const { return real() ? 0 : gamma_k(n, 0x1p-24); }
  /// Relative error of attention weights over n terms (separatrix::softmax_error); 0 over the
  /// reals.
  double softmax_error(double n, double score, double magnitude) const {
    return real() ? 0 : separatrix::softmax_error(n, score, magnitude);
  }
  /// |computed - exact average| of n values, sums of up to `width` terms of absolute sum `terms`,
  /// with weights whose relative error is `weights`.
  double average_error(double n, double width, double weights, double terms) const {
    if (real()) return 0;
    const double relative = (1 + weights) * (1 + gamma(n + 2 * width + 8)) - 1;
    return relative * terms * (1 + 0x1p-40) + n * 0x1p-80 * (1 + terms);
  }
  /// Largest |stored(x) - x| for |x| up to that.
  double store_error(double magnitude) const {
    if (real()) return 0;
    const NumberFormat format = number_format(arithmetic_);
    return magnitude * format.unit() + std::ldexp(1.0, format.least_exponent);
  }

  struct Sum {
    FastInterval value;   ///< as computed, before it is stored
    double absolute = 0;  ///< sum of the absolute terms
    double error = 0;     ///< |computed - exact|, at most
  };
  /// bias + sum_i x[at_i] weight_i.
  Sum dot(const Column& column, std::span<const FastInterval> x, double bias = 0) const {
    Sum sum{FastInterval(bias), std::abs(bias), 0};
    bool points = true;
    double grid = lowest_bit(bias);
    for (const Entry& e : column) {
      const FastInterval& in = x[std::size_t(e.at)];
      sum.value += in * e.weight;
      sum.absolute += in.magnitude() * std::abs(e.weight);
      points = points && in.is_point();
      if (points && !real()) grid = std::min(grid, lowest_bit(in.lo * e.weight));
    }
    sum.absolute *= 1 + double(column.size() + 2) * 0x1p-52;
    const bool exact = points && sum.absolute <= grid * 0x1p24 && grid >= 0x1p-126;
    constexpr double kModerate = 0x1p60;  // beyond, some product on the way may overflow
    if (!real() && !(sum.absolute < kModerate)) {
      sum.error = std::numeric_limits<double>::infinity();
      sum.value = FastInterval::whole();
    } else if (!real() && !exact) {
      const double n = double(column.size()) + 1;
      sum.error = gamma(n) * sum.absolute + n * 0x1p-140;
      sum.value += FastInterval(-sum.error, sum.error);
    }
    return sum;
  }

 private:
  Arithmetic arithmetic_;
};

inline FastInterval intersect(FastInterval x, FastInterval y) {
  return {std::max(x.lo, y.lo), std::min(x.hi, y.hi)};
}

}  // namespace separatrix::layered
