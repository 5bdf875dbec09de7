#include "separatrix/proofs/layered/recheck_quantity.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>

namespace separatrix::relayer {
namespace {

constexpr Real kHalfUnit = 0x1p-63L;  // of a long double with 64 significant bits
static_assert(std::numeric_limits<Real>::digits >= 64);
constexpr Real kTiny = 0x1p-16000L;

}  // namespace

Range operator*(const Range& x, const Range& y) {
  const Real products[] = {x.lo * y.lo, x.lo * y.hi, x.hi * y.lo, x.hi * y.hi};
  const auto [least, most] = std::minmax_element(std::begin(products), std::end(products));
  // Products of numbers of up to 32 bits each are exact: weights, signs and what is stored.
  if (x.is_point() && y.is_point() && (double(float(x.lo)) == x.lo) &&
      (double(float(y.lo)) == y.lo))
    return {*least, *most};
  const Real slack = 2 * kHalfUnit * std::max(std::fabs(*least), std::fabs(*most)) + kTiny;
  return {*least - slack, *most + slack};
}

Quantity Quantity::between(Range x) {
  const Real centre = x.lo / 2 + x.hi / 2;
  const Real spread = x.is_point() ? 0 : (x.hi / 2 - x.lo / 2) + x.size() * 4 * kHalfUnit;
  return {x, centre, spread, {}};
}

Quantity Quantity::unknown(const Range& x, std::size_t at, std::size_t n) {
  Quantity out = between(x);
  if (out.spread == 0) return out;
  out.linear.assign(n, 0);
  out.linear[at] = out.spread;
  out.spread = 0;
  return out;
}

void Quantity::tighten() {
  Real reach = spread;
  for (const Real c : linear) reach += std::fabs(c);
  if (reach == 0) return;
  reach += (std::fabs(centre) + reach) * Real(linear.size() + 4) * kHalfUnit;
  if (centre - reach > range.lo) range.lo = centre - reach;
  if (centre + reach < range.hi) range.hi = centre + reach;
}

int low_exponent(Real x) {
  if (x == 0) return 1 << 19;
  if (!std::isfinite(x)) return Span::kUnknown;
  int exponent = 0;
  const Real fraction = std::frexp(std::fabs(x), &exponent);
  return exponent - 64 + std::countr_zero(std::uint64_t(std::ldexp(fraction, 64)));
}

Rounding::Rounding(Arithmetic arithmetic) : arithmetic_(arithmetic) {
  if (real()) return;
  const NumberFormat format = number_format(arithmetic);
  unit_ = format.unit();
  least_ = std::ldexp(1.0L, format.least_exponent);
}

Range Rounding::stored(const Range& x) const {
  if (real()) return x;
  // What is rounded is a float32 number itself, so rounding the ends to doubles first is monotone,
  // too.
  return {Real(round_to(arithmetic_, double(x.lo))), Real(round_to(arithmetic_, double(x.hi)))};
}

Quantity Rounding::stored(Quantity x) const {
  if (real()) return x;
  const Range kept = stored(x.range);
  if (kept.is_point()) return Quantity::point(kept.lo);
  x.spread += store_loss(std::max(x.range.size(), kept.size()));
  x.range = kept;
  return x;
}

Rounding::Sum Rounding::sum(const Terms& terms, std::span<const Quantity> x, double bias) const {
  Sum out{Quantity::point(bias), std::fabs(Real(bias)), 0};
  Quantity& value = out.value;
  bool known = true;
  int grid = low_exponent(bias);
  for (const Term& term : terms) {
    const Quantity& in = x[std::size_t(term.at)];
    const Real w = term.weight;
    value.centre += w * in.centre;
    value.spread += std::fabs(w) * in.spread;
    if (!in.linear.empty()) {
      value.linear.resize(in.linear.size(), 0);
      for (std::size_t k = 0; k < in.linear.size(); ++k) value.linear[k] += w * in.linear[k];
    }
    value.range.lo += w * (w > 0 ? in.range.lo : in.range.hi);
    value.range.hi += w * (w > 0 ? in.range.hi : in.range.lo);
    out.absolute += in.range.size() * std::fabs(w);
    known = known && in.is_point();
    if (known) grid = std::min(grid, low_exponent(in.range.lo) + low_exponent(w));
  }
  const Real n = Real(terms.size());
  const bool exact_here = known && out.absolute <= std::ldexp(1.0L, std::min(grid, 8000) + 63);
  if (!exact_here) {
    // Each coefficient of the form is a sum, too.
    const Real slack = 4 * (n + 2) * kHalfUnit * out.absolute + kTiny;
    value.range.lo -= slack;
    value.range.hi += slack;
    value.spread += slack * Real(2 + value.linear.size());
  }
  out.absolute *= 1 + 2 * (n + 2) * kHalfUnit;
  const bool exact = known && exact_here && Span{out.absolute, grid}.exact();
  if (!real() && !exact) {
    out.error = chain(n + 1) * out.absolute * (1 + 0x1p-50L) + 0x1p-140L * n;
    value.range.lo -= out.error;
    value.range.hi += out.error;
    value.spread += out.error;
  }
  value.tighten();
  if (value.is_point()) value = Quantity::point(value.range.lo);
  return out;
}

Quantity Rounding::residual(const Quantity& x, const Quantity& y) const {
  const Quantity parts[] = {x, stored(y)};
  // One float32 addition of the ends: monotone, like what is stored of it.
  const auto added = [&](Real a, Real b, Real outward) {
    const Real sum = a + b, back = sum - a;
    const bool exact = (a - (sum - back)) + (b - back) == 0;
    const Real end = exact ? sum : sum + outward * std::fabs(sum) * 2 * kHalfUnit;
    if (real()) return end;
    double number = double(end);
    if (Real(number) != end) number = std::nextafter(number, double(outward) * HUGE_VAL);
    return Real(round_to(Arithmetic::float32, number));
  };
  const Range range{added(x.range.lo, parts[1].range.lo, -1),
                    added(x.range.hi, parts[1].range.hi, +1)};
  Quantity both = sum({{0, 1}, {1, 1}}, parts).value;
  if (range.lo > both.range.lo) both.range.lo = range.lo;
  if (range.hi < both.range.hi) both.range.hi = range.hi;
  return stored(std::move(both));
}

}  // namespace separatrix::relayer
