#include "separatrix/model/interval.h"

#include <algorithm>
#include <cmath>

#include <mpfr.h>

namespace separatrix {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// An MPFR number as wide as a double, its digits on the stack: no allocation per operation. Its
/// exponents reach further than a double's; get() rounds overflow and underflow in its direction.
class Number {
 public:
  Number() {
    mpfr_custom_init(limbs_, kBits);
    mpfr_custom_init_set(value_, MPFR_ZERO_KIND, 0, kBits, limbs_);
  }
  explicit Number(double x) : Number() { mpfr_set_d(value_, x, MPFR_RNDN); }  // exact
  Number(const Number&) = delete;
  Number& operator=(const Number&) = delete;
  mpfr_ptr get() { return value_; }
  double rounded(mpfr_rnd_t direction) const { return mpfr_get_d(value_, direction); }

 private:
  static constexpr mpfr_prec_t kBits = 53;
  mp_limb_t limbs_[1] = {0};
  mpfr_t value_;
};
static_assert(sizeof(mp_limb_t) == 8, "a double's digits fit one limb");

using Unary = int (*)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t);
using Binary = int (*)(mpfr_ptr, mpfr_srcptr, mpfr_srcptr, mpfr_rnd_t);

double apply(Unary f, double x, mpfr_rnd_t direction) {
  Number a(x), result;
  f(result.get(), a.get(), direction);
  return result.rounded(direction);
}

double apply(Binary f, double x, double y, mpfr_rnd_t direction) {
  Number a(x), b(y), result;
  f(result.get(), a.get(), b.get(), direction);
  return result.rounded(direction);
}

/// f non-decreasing: its ends come from the operand's ends.
Interval increasing(Unary f, Interval x) {
  return {apply(f, x.lower(), MPFR_RNDD), apply(f, x.upper(), MPFR_RNDU)};
}

double times_down(double x, double y) { return apply(mpfr_mul, x, y, MPFR_RNDD); }
double times_up(double x, double y) { return apply(mpfr_mul, x, y, MPFR_RNDU); }
double over_down(double x, double y) { return apply(mpfr_div, x, y, MPFR_RNDD); }
double over_up(double x, double y) { return apply(mpfr_div, x, y, MPFR_RNDU); }

/// Which two products of ends are the least and the greatest depends on the signs only.
Interval product(Interval x, Interval y) {
  const double a = x.lower(), b = x.upper(), c = y.lower(), d = y.upper();
  if (c >= 0) return {times_down(a, a >= 0 ? c : d), times_up(b, b >= 0 ? d : c)};
  if (d <= 0) return {times_down(b, b >= 0 ? c : d), times_up(a, a >= 0 ? d : c)};
  if (a >= 0) return {times_down(b, c), times_up(b, d)};
  if (b <= 0) return {times_down(a, d), times_up(a, c)};
  return {std::min(times_down(a, d), times_down(b, c)), std::max(times_up(a, c), times_up(b, d))};
}

}  // namespace

Interval& Interval::operator+=(Interval y) {
  return *this = Interval(apply(mpfr_add, lower_, y.lower_, MPFR_RNDD),
                          apply(mpfr_add, upper_, y.upper_, MPFR_RNDU));
}

Interval& Interval::operator-=(Interval y) { return *this += -y; }

Interval& Interval::operator*=(Interval y) {
  // 0 * unbounded is 0 for every real, but the unbounded factor may come from a division by zero,
  // whose value is no real: claim nothing.
  const bool undefined = (contains(0.0) && !y.bounded()) || (y.contains(0.0) && !bounded());
  return *this = undefined ? whole() : product(*this, y);
}

Interval& Interval::operator/=(Interval y) {
  if (y.contains(0.0)) return *this = whole();
  const bool negative = y.upper_ < 0;
  const Interval x = negative ? -*this : *this, z = negative ? -y : y;  // z > 0; both exact
  return *this = Interval(over_down(x.lower_, x.lower_ >= 0 ? z.upper_ : z.lower_),
                          over_up(x.upper_, x.upper_ >= 0 ? z.lower_ : z.upper_));
}

Interval exp(Interval x) { return increasing(mpfr_exp, x); }
Interval tanh(Interval x) { return increasing(mpfr_tanh, x); }
Interval erf(Interval x) { return increasing(mpfr_erf, x); }

Interval sqrt(Interval x) {
  if (x.upper() < 0) return Interval::whole();
  return increasing(mpfr_sqrt, {std::max(x.lower(), 0.0), x.upper()});
}

Interval log(Interval x) {
  if (x.upper() <= 0) return Interval::whole();
  return increasing(mpfr_log, {std::max(x.lower(), 0.0), x.upper()});
}

Interval log1p(Interval x) {
  if (x.upper() <= -1) return Interval::whole();
  return increasing(mpfr_log1p, {std::max(x.lower(), -1.0), x.upper()});
}

Interval sigmoid(Interval x) { return 1.0 / (1.0 + exp(-x)); }

namespace {

/// sin or cos: their slopes are at most 1, so half the width either way encloses them; points are
/// rounded outward only.
Interval turning(Unary f, Interval x) {
  if (!(x.width() < 1)) return {-1.0, 1.0};
  const double middle = x.lower() + x.width() / 2;
  const Interval at{apply(f, middle, MPFR_RNDD), apply(f, middle, MPFR_RNDU)};
  const double reach =
      std::max((Interval(x.upper()) - middle).upper(), (Interval(middle) - x.lower()).upper());
  const Interval out = at + Interval(-reach, reach);
  return {std::max(out.lower(), -1.0), std::min(out.upper(), 1.0)};
}

}  // namespace

Interval sin(Interval x) { return turning(mpfr_sin, x); }
Interval cos(Interval x) { return turning(mpfr_cos, x); }

Interval softplus(Interval x) {
  // Increasing. Each end as max(x, 0) + log1p(e^-|x|), which does not overflow.
  const auto at = [](double end) { return relu(Interval(end)) + log1p(exp(-abs(Interval(end)))); };
  return {at(x.lower()).lower(), at(x.upper()).upper()};
}

Interval square(Interval x) {
  const Interval size = abs(x);
  return {times_down(size.lower(), size.lower()), times_up(size.upper(), size.upper())};
}

Interval abs(Interval x) {
  if (x.lower() >= 0) return x;
  if (x.upper() <= 0) return -x;
  return {0.0, std::max(-x.lower(), x.upper())};
}

Interval relu(Interval x) { return {std::max(x.lower(), 0.0), std::max(x.upper(), 0.0)}; }

Interval max(Interval x, Interval y) {
  return {std::max(x.lower(), y.lower()), std::max(x.upper(), y.upper())};
}

Interval min(Interval x, Interval y) {
  return {std::min(x.lower(), y.lower()), std::min(x.upper(), y.upper())};
}

Interval hull(Interval x, Interval y) {
  return {std::min(x.lower(), y.lower()), std::max(x.upper(), y.upper())};
}

}  // namespace separatrix
