#pragma once

#include <cmath>
#include <span>
#include <vector>

#include "separatrix/base/index.h"

// The numbers of recheck_intervals: what a number of the network is for all inputs of a box at
// once. Long doubles; independent of the certifying side (model/interval.h, Block::reference).

namespace separatrix::intervals_recheck {

using Real = long double;

/// All reals from lo to hi, rounded outward unless the operation was exact. Whatever is undefined
/// is everything; no end is ever NaN.
struct Range {
  Real lo = 0, hi = 0;

  static Range of(Real lo, Real hi);  ///< NaN or lo > hi: everything
  static Range everything();
  bool is_point() const { return lo == hi; }
  bool finite() const { return std::isfinite(lo) && std::isfinite(hi); }
  bool contains(Real x) const { return lo <= x && x <= hi; }
  Real middle() const { return lo / 2 + hi / 2; }
  /// No real of the range is further from middle().
  Real reach() const;
};
Range operator+(Range x, Range y);
Range operator*(Range x, Range y);
inline Range operator-(Range x) { return {-x.hi, -x.lo}; }
inline Range operator-(Range x, Range y) { return x + -y; }
Range exp(Range x);
Range reciprocal(Range x);  ///< everything unless the range is positive

/// The tokens that are not known in a box, laid out as one row of numbers: a block for each
/// position with more than one token, a number for each of its tokens.
struct Layout {
  struct Free {
    std::size_t position = 0;  ///< among the tokens of the input
    std::size_t begin = 0, size = 0;
  };
  std::vector<Free> free;
  std::size_t size = 0;
};

/// A number that lies in `range` and is also
///     centre + sum over free positions of effect[the token there] + something within `spread`:
/// a function of the tokens, so that what two numbers owe to the same token is not forgotten
/// [figueiredo2004]. docs/certificates.md, "intervals".
struct Number {
  Range range;
  Real centre = 0, spread = 0;    ///< spread infinite: the form says nothing
  std::vector<Real> effect = {};  ///< [Layout::size], or empty: all zero

  static Number point(Real x) { return {{x, x}, x, 0, {}}; }
  static Number within(Range x);
};

struct Term {
  Real weight = 0;
  const Number* x = nullptr;
};

enum class Function { exp, reciprocal, sqrt, tanh, sigmoid, erf, relu, to_bit };

/// Operations on the numbers of one box.
class Calculus {
 public:
  explicit Calculus(const Layout& layout) : layout_(layout) {}

  /// bias + sum weight x; terms of weight 0 are left out, whatever their number is.
  Number sum(std::span<const Term> terms, Real bias = 0) const;
  Number product(const Number& x, const Number& y) const;
  Number square(const Number& x) const;
  /// x to within [0, 1] for to_bit: 1 from 1/2 up, else 0.
  Number apply(Function f, const Number& x) const;
  /// sum_j a_j v_j for unknown a_j >= 0 with sum_j a_j = 1.
  Number average(std::span<const Number> a, std::span<const Number> v) const;

  /// Cuts the range to what the form says, too.
  void tighten(Number& x) const;
  /// The free position whose token matters most to the form; negative: none does.
  Index most_effective(const Number& x) const;

 private:
  Number follow(const Number& x, Range range, Real slope) const;
  const Layout& layout_;
};

}  // namespace separatrix::intervals_recheck
