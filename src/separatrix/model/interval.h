#pragma once

#include <limits>

namespace separatrix {

/// A closed interval [lower, upper] of reals with double ends, rounded outward: whatever reals the
/// operands stand for, the exact result lies inside. The ends may be infinite (the result is not
/// bounded on that side). Wherever a real function is undefined on the whole operand (0 in a
/// divisor, the square root of a negative, infinity - infinity), the result is the whole line, so
/// no end is ever NaN and nothing can be concluded from it.
///
/// Every operation is computed by MPFR with 53 bits and directed rounding, so an expression in +,
/// -,
/// *, / and sqrt also contains what the same expression gives in doubles; for exp, tanh and the
/// like the C library's double may stick out by its own error of a unit or two in the last place.
class Interval {
 public:
  Interval() = default;  ///< [0, 0]
  /// [x, x]; NaN becomes the whole line.
  explicit Interval(double x) : Interval(x, x) {}
  /// Expects lower <= upper; anything else (NaN) becomes the whole line.
  Interval(double lower, double upper) : lower_(lower), upper_(upper) {
    if (!(lower <= upper)) *this = whole();
  }
  static Interval whole() {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    return {-kInfinity, kInfinity};
  }

  double lower() const { return lower_; }
  double upper() const { return upper_; }
  double width() const { return upper_ - lower_; }
  bool contains(double x) const { return lower_ <= x && x <= upper_; }
  bool contains(Interval x) const { return lower_ <= x.lower_ && x.upper_ <= upper_; }
  /// Neither end infinite.
  bool bounded() const { return upper_ - upper_ == 0 && lower_ - lower_ == 0; }

  Interval& operator+=(Interval y);
  Interval& operator-=(Interval y);
  Interval& operator*=(Interval y);
  Interval& operator/=(Interval y);
  Interval& operator+=(double y) { return *this += Interval(y); }
  Interval& operator-=(double y) { return *this -= Interval(y); }
  Interval& operator*=(double y) { return *this *= Interval(y); }
  Interval& operator/=(double y) { return *this /= Interval(y); }

 private:
  double lower_ = 0, upper_ = 0;
};

inline Interval operator-(Interval x) { return {-x.upper(), -x.lower()}; }

inline Interval operator+(Interval x, Interval y) { return x += y; }
inline Interval operator-(Interval x, Interval y) { return x -= y; }
inline Interval operator*(Interval x, Interval y) { return x *= y; }
inline Interval operator/(Interval x, Interval y) { return x /= y; }
inline Interval operator+(Interval x, double y) { return x += y; }
inline Interval operator-(Interval x, double y) { return x -= y; }
inline Interval operator*(Interval x, double y) { return x *= y; }
inline Interval operator/(Interval x, double y) { return x /= y; }
inline Interval operator+(double x, Interval y) { return Interval(x) += y; }
inline Interval operator-(double x, Interval y) { return Interval(x) -= y; }
inline Interval operator*(double x, Interval y) { return Interval(x) *= y; }
inline Interval operator/(double x, Interval y) { return Interval(x) /= y; }

// The functions of scalar.h. log and sqrt take the part of the operand where they are defined (a
// variance whose lower end was rounded below 0 still has a root).
Interval exp(Interval x);
Interval log(Interval x);
Interval log1p(Interval x);
Interval sqrt(Interval x);
Interval tanh(Interval x);
Interval erf(Interval x);
Interval sigmoid(Interval x);   ///< 1 / (1 + exp(-x))
Interval sin(Interval x);       ///< sharp for points; [-1, 1] where x is 1 or more wide
Interval cos(Interval x);       ///< as sin
Interval softplus(Interval x);  ///< log(1 + exp(x))
Interval square(Interval x);    ///< tighter than x * x where x contains 0
Interval abs(Interval x);
Interval relu(Interval x);  ///< max(x, 0)
Interval max(Interval x, Interval y);
Interval min(Interval x, Interval y);
inline double lower(Interval x) { return x.lower(); }
inline double upper(Interval x) { return x.upper(); }

/// What a tensor keeps of a finished element: over the reals, all of it (rounded.h).
inline Interval stored(Interval x) { return x; }
/// The smallest interval around both.
Interval hull(Interval x, Interval y);
/// True only if every real in x is below every real in y.
inline bool certainly_less(Interval x, Interval y) { return x.upper() < y.lower(); }

}  // namespace separatrix
