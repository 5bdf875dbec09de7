#pragma once

#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "separatrix/base/index.h"
#include "separatrix/model/arithmetic.h"

// The numbers of recheck_layered: long doubles with error bounds, and first-order forms in the
// unknowns that many numbers share. Independent of the certifying side.

namespace separatrix::relayer {

using Real = long double;

struct Term {
  Index at = 0;
  double weight = 0;
};
using Terms = std::vector<Term>;

struct Range {
  Real lo = 0, hi = 0;
  Real size() const { return std::max(std::fabs(lo), std::fabs(hi)); }
  bool finite() const { return std::isfinite(lo) && std::isfinite(hi); }
  bool is_point() const { return lo == hi; }
  void join(const Range& other) {
    lo = std::min(lo, other.lo);
    hi = std::max(hi, other.hi);
  }
};
/// Products of all pairs, moved outward.
Range operator*(const Range& x, const Range& y);
inline Range operator+(const Range& x, const Range& y) {
  const Real slack = 0x1p-62L * (x.size() + y.size());
  return {x.lo + y.lo - slack, x.hi + y.hi + slack};
}

/// A number that lies in `range` and is also centre + sum_k linear[k] noise_k +- spread, with
/// unknowns |noise_k| <= 1 that all numbers of one row share.
struct Quantity {
  Range range = {};
  Real centre = 0, spread = 0;
  std::vector<Real> linear = {};  ///< empty: all zero

  static Quantity point(Real x) { return {{x, x}, x, 0, {}}; }
  static Quantity between(Range x);
  /// The same, as the unknown `at` of `n`.
  static Quantity unknown(const Range& x, std::size_t at, std::size_t n);
  bool is_point() const { return range.is_point(); }
  /// What the form says, too.
  void tighten();
};

/// The largest e such that x is a multiple of 2^e; x = 0: a large number.
int low_exponent(Real x);

/// What an arithmetic does to sums and tensors.
class Rounding {
 public:
  explicit Rounding(Arithmetic arithmetic);
  bool real() const { return arithmetic_ == Arithmetic::real; }
  bool emulated() const { return is_emulated(arithmetic_); }
  /// (1 + 2^-24)^n - 1: relative error of n float32 operations one after the other.
  Real chain(Real n) const { return real() ? 0 : std::expm1(n * std::log1p(0x1p-24L)); }
  /// A tensor's element: rounding is monotone.
  Range stored(const Range& x) const;
  Quantity stored(Quantity x) const;
  Real store_loss(Real size) const { return real() ? 0 : size * unit_ + least_; }

  struct Sum {
    Quantity value;     ///< as computed, not yet stored
    Real absolute = 0;  ///< of the terms
    Real error = 0;     ///< |computed - exact| at most
  };
  /// bias + sum x[at] weight, in any order. No error where all terms are known numbers and
  /// multiples of a power of two of which 2^24 is not exceeded.
  Sum sum(const Terms& terms, std::span<const Quantity> x, double bias = 0) const;
  /// stored(x + stored(y)).
  Quantity residual(const Quantity& x, const Quantity& y) const;

 private:
  Arithmetic arithmetic_;
  Real unit_ = 0, least_ = 0;
};

/// Numbers of which only the largest and a common power of two are kept.
struct Span {
  Real top = 0;
  int grid = 1 << 20;  ///< all are multiples of 2^grid; very negative: unknown
  static constexpr int kUnknown = -(1 << 20);

  static Span of(const Range& x) {
    return {x.size(), x.is_point() ? low_exponent(x.lo) : kUnknown};
  }
  void join(const Span& other) {
    top = std::max(top, other.top);
    grid = std::min(grid, other.grid);
  }
  /// Of sums to which such products are added.
  void add(const Span& x, const Span& y) {
    if (x.top == 0 || y.top == 0) return;
    top += x.top * y.top;
    grid = std::min(grid, std::max(x.grid, kUnknown) + std::max(y.grid, kUnknown));
  }
  /// float32 loses nothing in such a sum, whatever the order.
  bool exact() const { return top == 0 || (grid > -126 && top <= std::ldexp(1.0L, grid + 24)); }
};

}  // namespace separatrix::relayer
