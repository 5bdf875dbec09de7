#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "separatrix/model/arithmetic.h"

namespace separatrix {

/// What Interval (model/interval.h) is, in plain doubles: about 30 times faster, and looser by at
/// most a unit or two in the last place of each end. Sums that doubles hold exactly keep their
/// ends, and so do products of two numbers of at most 26 significant bits; all other ends move
/// outward. An operation that is undefined or overflows gives the whole line. Assumes rounding to
/// nearest, and an exponential and logarithm within 4 units in the last place.
struct FastInterval {
  double lo = 0, hi = 0;

  FastInterval() = default;
  explicit FastInterval(double x) : FastInterval(x, x) {}
  /// Expects low <= high; anything else (NaN) becomes the whole line.
  FastInterval(double low, double high) : lo(low), hi(high) {
    if (!(low <= high)) *this = whole();
  }
  static FastInterval whole() {
    FastInterval x;
    x.hi = std::numeric_limits<double>::infinity();
    x.lo = -x.hi;
    return x;
  }

  bool is_point() const { return lo == hi; }
  bool bounded() const { return hi - lo < std::numeric_limits<double>::infinity(); }
  bool contains(double x) const { return lo <= x && x <= hi; }
  bool contains(FastInterval x) const { return lo <= x.lo && x.hi <= hi; }
  /// Largest |x|.
  double magnitude() const { return std::max(std::abs(lo), std::abs(hi)); }
};

/// Numbers known to lie strictly beyond x, by one or two units in the last place.
inline double next_above(double x) { return x + (std::abs(x) * 0x1p-52 + 0x1p-1074); }
inline double next_below(double x) { return x - (std::abs(x) * 0x1p-52 + 0x1p-1074); }

namespace fast {

/// What the rounded sum s = fl(a + b) lacks: exactly a + b - s (Knuth's TwoSum). NaN on overflow.
inline double missing(double a, double b, double s) {
  const double t = s - a;
  return (a - (s - t)) + (b - t);
}
inline double sum_up(double a, double b) {
  const double s = a + b;
  return missing(a, b, s) <= 0 ? s : next_above(s);
}
inline double sum_down(double a, double b) {
  const double s = a + b;
  return missing(a, b, s) >= 0 ? s : next_below(s);
}
/// At most 26 significant bits, and far from the ends of the range: a product of two such is exact.
inline bool is_short(double x) {
  const double big = x * 0x1.0000002p27;  // 2^27 + 1: Veltkamp splits off 26 bits
  return x - (big - (big - x)) == 0 && std::abs(x) < 0x1p500 && (x == 0 || std::abs(x) > 0x1p-500);
}

}  // namespace fast

inline FastInterval operator-(FastInterval x) { return {-x.hi, -x.lo}; }
inline FastInterval operator+(FastInterval x, FastInterval y) {
  return {fast::sum_down(x.lo, y.lo), fast::sum_up(x.hi, y.hi)};
}
inline FastInterval operator-(FastInterval x, FastInterval y) { return x + -y; }
/// Moves both ends outward: for results of an operation rounded to nearest.
inline FastInterval outward(double low, double high) {
  if (!(low <= high)) return FastInterval::whole();
  return {next_below(low), next_above(high)};
}
inline FastInterval operator*(FastInterval x, double w) {
  if (w == 0) return FastInterval();  // the bounds of a real number, so not 0 times infinity
  const double a = x.lo * w, b = x.hi * w;
  if (fast::is_short(w) && fast::is_short(x.lo) && fast::is_short(x.hi))
    return {std::min(a, b), std::max(a, b)};
  return outward(std::min(a, b), std::max(a, b));
}
inline FastInterval operator*(FastInterval x, FastInterval y) {
  if (y.is_point()) return x * y.lo;
  if (x.is_point()) return y * x.lo;
  if (!x.bounded() || !y.bounded()) return FastInterval::whole();
  const double a = x.lo * y.lo, b = x.lo * y.hi, c = x.hi * y.lo, d = x.hi * y.hi;
  return outward(std::min({a, b, c, d}), std::max({a, b, c, d}));
}
/// The whole line when y contains 0.
inline FastInterval operator/(FastInterval x, FastInterval y) {
  if ((y.lo <= 0 && y.hi >= 0) || !x.bounded() || !y.bounded()) return FastInterval::whole();
  const double a = x.lo / y.lo, b = x.lo / y.hi, c = x.hi / y.lo, d = x.hi / y.hi;
  return outward(std::min({a, b, c, d}), std::max({a, b, c, d}));
}
inline FastInterval& operator+=(FastInterval& x, FastInterval y) { return x = x + y; }
inline FastInterval& operator-=(FastInterval& x, FastInterval y) { return x = x - y; }

inline FastInterval relu(FastInterval x) { return {std::max(x.lo, 0.0), std::max(x.hi, 0.0)}; }
inline FastInterval min(FastInterval x, FastInterval y) {
  return {std::min(x.lo, y.lo), std::min(x.hi, y.hi)};
}
inline FastInterval max(FastInterval x, FastInterval y) {
  return {std::max(x.lo, y.lo), std::max(x.hi, y.hi)};
}
inline FastInterval hull(FastInterval x, FastInterval y) {
  return {std::min(x.lo, y.lo), std::max(x.hi, y.hi)};
}
/// At least e^x, with the library's error allowed for; never 0.
inline double exp_up(double x) { return std::exp(x) * (1 + 0x1p-49) + 0x1p-1074; }
/// At most e^x, never negative.
inline double exp_down(double x) {
  // Below the smallest normal number a relative error says nothing.
  return x < -700 ? 0 : std::min(std::exp(x), std::numeric_limits<double>::max()) * (1 - 0x1p-49);
}
inline FastInterval exp(FastInterval x) { return {exp_down(x.lo), exp_up(x.hi)}; }
/// Of the positive part: -infinity where x reaches down to 0, the whole line where nothing is left.
inline FastInterval log(FastInterval x) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (!(x.hi > 0)) return FastInterval::whole();
  const double high = std::log(x.hi), low = x.lo > 0 ? std::log(x.lo) : -kInfinity;
  const auto slack = [](double y) { return std::abs(y) * 0x1p-49 + 0x1p-1074; };
  return {low == -kInfinity ? low : low - slack(low),
          high == kInfinity ? high : high + slack(high)};
}
/// Rounding to nearest is monotone: the ends of what a tensor of that arithmetic holds.
inline FastInterval round_to(Arithmetic arithmetic, FastInterval x) {
  if (arithmetic == Arithmetic::real) return x;
  if (arithmetic == Arithmetic::float32) return {double(float(x.lo)), double(float(x.hi))};
  return {round_to(arithmetic, x.lo), round_to(arithmetic, x.hi)};
}

}  // namespace separatrix
