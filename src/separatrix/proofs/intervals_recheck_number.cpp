#include "separatrix/proofs/intervals_recheck_number.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace separatrix::intervals_recheck {
namespace {

constexpr Real kInfinity = std::numeric_limits<Real>::infinity();
constexpr Real kGreatest = std::numeric_limits<Real>::max();
static_assert(std::numeric_limits<Real>::digits >= 64);

/// What one rounded operation may lose of its result, twice over; the least that it may lose where
/// it underflows; and what the C library's functions may lose: 32 units in the last place.
constexpr Real kLoss = 0x1p-62L, kLeast = 0x1p-16300L, kLibrary = 0x1p-58L;
/// Slopes below that are none: so no derivative underflows.
constexpr Real kFlat = 0x1p-8000L;

Real below(Real x, Real loss = kLoss) {
  if (x == kInfinity) return kGreatest;
  return x - (std::fabs(x) * loss + kLeast);
}
Real above(Real x, Real loss = kLoss) { return -below(-x, loss); }

/// Whether x + y was computed without rounding [knuth1969].
bool exact_sum(Real x, Real y, Real sum) {
  const Real back = sum - x;
  return (x - (sum - back)) + (y - back) == 0;
}
/// At most 32 significant bits [dekker1971]: a product of two such numbers is exact.
bool is_short(Real x) {
  const Real spread = x * (0x1p32L + 1);
  return spread - (spread - x) == x && (x == 0 || std::fabs(x) > 0x1p-8000L);
}

Real sum_below(Real x, Real y) {
  const Real sum = x + y;
  return exact_sum(x, y, sum) ? sum : below(sum);
}

/// The bounds that a form has without looking at it token by token.
Real size_of(const Number& x, const Layout& layout) {
  Real size = std::fabs(x.centre) + x.spread;
  if (x.effect.empty()) return size;
  for (const auto& free : layout.free) {
    Real most = 0;
    for (std::size_t i = 0; i < free.size; ++i)
      most = std::max(most, std::fabs(x.effect[free.begin + i]));
    size += most;
  }
  return size;
}

/// An increasing function on the ends; `least` and `most` bound it everywhere. At 0 all of them are
/// computed exactly.
template <class F>
Range increasing(F f, Range x, Real least, Real most) {
  return Range::of(x.lo == 0 ? f(x.lo) : std::max(least, below(f(x.lo), kLibrary)),
                   x.hi == 0 ? f(x.hi) : std::min(most, above(f(x.hi), kLibrary)));
}

Real sigmoid_of(Real x) {
  const Real e = std::exp(-std::fabs(x));
  return x < 0 ? e / (1 + e) : 1 / (1 + e);
}
Range sqrt_of(Range x) {
  if (x.hi < 0) return Range::everything();
  return increasing([](Real a) { return std::sqrt(a); }, {std::max(x.lo, 0.0L), x.hi}, 0,
                    kInfinity);
}

struct Derivatives {
  static Real tanh(Real x) { return 1 / (std::cosh(x) * std::cosh(x)); }
  static Real erf(Real x) { return 1.1283791670955L * std::exp(-x * x); }
  static Real sigmoid(Real x) {
    const Real e = std::exp(-std::fabs(x));
    return e / ((1 + e) * (1 + e));
  }
};

}  // namespace

Range Range::everything() { return {-kInfinity, kInfinity}; }
Range Range::of(Real lo, Real hi) { return lo <= hi ? Range{lo, hi} : everything(); }
Real Range::reach() const {
  const Real m = middle();
  return is_point() ? 0 : above(std::max(hi - m, m - lo) + std::fabs(m) * kLoss, 8 * kLoss);
}

Range operator+(Range x, Range y) {
  return Range::of(sum_below(x.lo, y.lo), -sum_below(-x.hi, -y.hi));
}

Range operator*(Range x, Range y) {
  if (x.lo == 1 && x.hi == 1) return y;
  if (y.lo == 1 && y.hi == 1) return x;
  const auto is_zero = [](Range r) { return r.lo == 0 && r.hi == 0; };
  if ((is_zero(x) && y.finite()) || (is_zero(y) && x.finite())) return {};
  const Real products[] = {x.lo * y.lo, x.lo * y.hi, x.hi * y.lo, x.hi * y.hi};
  for (const Real p : products)
    if (std::isnan(p)) return Range::everything();
  const auto [least, most] = std::minmax_element(std::begin(products), std::end(products));
  if (is_short(x.lo) && is_short(x.hi) && is_short(y.lo) && is_short(y.hi)) return {*least, *most};
  return Range::of(below(*least), above(*most));
}

Range exp(Range x) {
  return increasing([](Real a) { return std::exp(a); }, x, 0, kInfinity);
}

Range reciprocal(Range x) {
  if (!(x.lo > 0)) return Range::everything();
  const auto exact = [](Real a) { return is_short(a) && is_short(1 / a) && a * (1 / a) == 1; };
  return Range::of(exact(x.hi) ? 1 / x.hi : std::max(0.0L, below(1 / x.hi)),
                   exact(x.lo) ? 1 / x.lo : above(1 / x.lo));
}

Number Number::within(Range x) {
  if (x.is_point() && x.finite()) return point(x.lo);
  return {x, x.finite() ? x.middle() : 0, x.finite() ? x.reach() : kInfinity, {}};
}

void Calculus::tighten(Number& x) const {
  if (x.range.is_point()) {
    x = Number::within(x.range);
    return;
  }
  if (!std::isfinite(x.spread) || !std::isfinite(x.centre)) {
    x = Number::within(x.range);
    return;
  }
  Real lo = x.centre - x.spread, hi = x.centre + x.spread;
  if (!x.effect.empty())
    for (const auto& free : layout_.free) {
      const auto begin = x.effect.begin() + std::ptrdiff_t(free.begin);
      const auto [least, most] = std::minmax_element(begin, begin + std::ptrdiff_t(free.size));
      lo += *least;
      hi += *most;
    }
  const Real slack = Real(layout_.free.size() + 2) * 2 * kLoss * size_of(x, layout_) + kLeast;
  if (!std::isfinite(slack) || std::isnan(lo) || std::isnan(hi)) {
    x = Number::within(x.range);
    return;
  }
  x.range = Range::of(std::max(x.range.lo, lo - slack), std::min(x.range.hi, hi + slack));
  // Where the plain range is narrower than what no token explains, it is the better form.
  if (x.range.finite() && x.range.reach() < x.spread) x = Number::within(x.range);
}

Index Calculus::most_effective(const Number& x) const {
  Real widest = 0;
  Index best = -1;
  if (x.effect.empty()) return best;
  for (const auto& free : layout_.free) {
    const auto begin = x.effect.begin() + std::ptrdiff_t(free.begin);
    const auto [least, most] = std::minmax_element(begin, begin + std::ptrdiff_t(free.size));
    if (*most - *least <= widest) continue;
    widest = *most - *least;
    best = Index(free.position);
  }
  return best;
}

Number Calculus::sum(std::span<const Term> terms, Real bias) const {
  Number out = Number::point(bias);
  Real size = std::fabs(bias), operations = 2;
  for (const auto& [w, x] : terms) {
    if (w == 0) continue;
    out.range = out.range + Range{w, w} * x->range;
    out.centre += w * x->centre;
    out.spread += std::fabs(w) * x->spread;
    size += std::fabs(w) * size_of(*x, layout_);
    operations += 2;
    if (x->effect.empty()) continue;
    out.effect.resize(layout_.size, 0);
    for (std::size_t i = 0; i < layout_.size; ++i) out.effect[i] += w * x->effect[i];
  }
  // Every number of the form is a sum of products: each loses at most so much of its terms' sizes,
  // and at each position one effect counts.
  out.spread += operations * 2 * kLoss * size + operations * Real(layout_.free.size() + 2) * kLeast;
  tighten(out);
  return out;
}

Number Calculus::product(const Number& x, const Number& y) const {
  const Range range = x.range * y.range;
  if (range.is_point() || !x.range.finite() || !y.range.finite()) return Number::within(range);
  const Term scaled[] = {x.range.is_point() ? Term{x.range.lo, &y} : Term{y.range.lo, &x}};
  if (x.range.is_point() || y.range.is_point()) return sum(scaled);
  // x y = m_x y + m_y x - m_x m_y + (x - m_x)(y - m_y).
  const Real mx = x.range.middle(), my = y.range.middle();
  const Term parts[] = {{mx, &y}, {my, &x}};
  Number out = sum(parts, 0);
  const Range around = Range{mx, mx} * Range{my, my};
  const Real rest = above(x.range.reach() * y.range.reach(), 4 * kLoss) + kLeast;
  const Number offset =
      Number::within(Range::of(below(-around.hi - rest), above(rest - around.lo)));
  const Term both[] = {{1, &out}, {1, &offset}};
  out = sum(both, 0);
  out.range = Range::of(std::max(out.range.lo, range.lo), std::min(out.range.hi, range.hi));
  tighten(out);
  return out;
}

Number Calculus::square(const Number& x) const {
  Number out = product(x, x);
  const Real least =
      x.range.contains(0) ? 0 : std::min(std::fabs(x.range.lo), std::fabs(x.range.hi));
  const Real most = std::max(std::fabs(x.range.lo), std::fabs(x.range.hi));
  const Range range = Range{least, least} * Range{least, least},
              upper = Range{most, most} * Range{most, most};
  out.range = Range::of(std::max({out.range.lo, range.lo, 0.0L}), std::min(out.range.hi, upper.hi));
  tighten(out);
  return out;
}

/// f is increasing and f(x) - slope x, too (slope: at most every derivative), or both decreasing
/// (slope: at least every derivative, negative). `range` is of f. Then f(x) - slope x lies between
/// its values at the ends.
Number Calculus::follow(const Number& x, Range range, Real slope) const {
  Number out = Number::within(range);
  if (!range.finite() || !x.range.finite() || !(std::fabs(slope) > kFlat) || std::isinf(slope))
    return out;
  const Range s{slope, slope};
  const bool rising = slope > 0;
  const Range first = Range{range.lo, range.lo} -
                      s * Range{rising ? x.range.lo : x.range.hi, rising ? x.range.lo : x.range.hi};
  const Range last = Range{range.hi, range.hi} -
                     s * Range{rising ? x.range.hi : x.range.lo, rising ? x.range.hi : x.range.lo};
  // The first is the least if f - slope x rises with x, and also if it falls (x falls, then).
  const Number rest =
      Number::within(Range::of(std::min(first.lo, last.lo), std::max(first.hi, last.hi)));
  const Term terms[] = {{slope, &x}, {1, &rest}};
  Number form = sum(terms, 0);
  form.range = Range::of(std::max(form.range.lo, range.lo), std::min(form.range.hi, range.hi));
  tighten(form);
  return form;
}

Number Calculus::apply(Function f, const Number& x) const {
  constexpr Real kSafe = 1 - 0x1p-20L;  // for the derivatives' own rounding
  const Range& r = x.range;
  const auto both = [&](Real (*derivative)(Real)) {
    return kSafe * std::min(derivative(r.lo), derivative(r.hi));  // they rise up to 0, then fall
  };
  switch (f) {
    case Function::exp:
      return follow(x, intervals_recheck::exp(r), kSafe * std::exp(r.lo));
    case Function::reciprocal:
      return follow(x, intervals_recheck::reciprocal(r), r.lo > 0 ? -kSafe / r.hi / r.hi : 0);
    case Function::sqrt:
      return follow(x, sqrt_of(r), r.lo >= 0 && r.hi > 0 ? kSafe / (2 * std::sqrt(r.hi)) : 0);
    case Function::tanh:
      return follow(x, increasing([](Real a) { return std::tanh(a); }, r, -1, 1),
                    both(Derivatives::tanh));
    case Function::sigmoid:
      return follow(x, increasing(sigmoid_of, r, 0, 1), both(Derivatives::sigmoid));
    case Function::erf:
      return follow(x, increasing([](Real a) { return std::erf(a); }, r, -1, 1),
                    both(Derivatives::erf));
    case Function::relu: {
      if (r.lo >= 0) return x;
      if (r.hi <= 0) return Number::point(0);
      const Range range{0, r.hi};
      if (!r.finite()) return Number::within(range);
      // relu(x) - a x lies between 0 and the greater of its values at the ends, for a in [0, 1].
      const Real a = std::clamp(r.hi / (r.hi - r.lo), 0.0L, 1.0L);
      const Real most = std::max((Range{a, a} * Range{-r.lo, -r.lo}).hi,
                                 (Range{r.hi, r.hi} - Range{a, a} * Range{r.hi, r.hi}).hi);
      const Number rest = Number::within({0, most});
      const Term terms[] = {{a, &x}, {1, &rest}};
      Number out = sum(terms, 0);
      out.range = Range::of(std::max(out.range.lo, 0.0L), std::min(out.range.hi, r.hi));
      tighten(out);
      return out;
    }
    case Function::to_bit:
      if (r.lo >= 0.5L) return Number::point(1);
      return r.hi < 0.5L ? Number::point(0) : Number::within({0, 1});
  }
  return Number::within(Range::everything());
}

Number Calculus::average(std::span<const Number> a, std::span<const Number> v) const {
  // sum_j a_j v_j = theta + sum_j a_j (v_j - theta), whatever theta is. As for the form, the middle
  // keeps the products small. As for the range, the least sum of a_j v_j over shares in their
  // ranges is found by giving what is left to the least values; theta is where it runs out.
  std::vector<std::size_t> order(a.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  const auto bound = [&](int sign) {
    const auto end = [&](std::size_t j) { return sign > 0 ? v[j].range.lo : -v[j].range.hi; };
    std::sort(order.begin(), order.end(),
              [&](std::size_t j, std::size_t k) { return end(j) < end(k); });
    Real left = 1;
    for (const Number& share : a) left -= share.range.lo;
    Real theta = end(order.back());
    for (const std::size_t j : order) {
      left -= a[j].range.hi - a[j].range.lo;
      if (left > 0) continue;
      theta = end(j);
      break;
    }
    if (!std::isfinite(theta)) return -kInfinity;
    Range sum{theta, theta};
    for (std::size_t j = 0; j < a.size(); ++j)
      sum = sum + a[j].range * (Range{end(j), end(j)} + Range{-theta, -theta});
    return sum.lo;
  };
  const Range range = Range::of(bound(1), -bound(-1));
  Real low = kInfinity, high = -kInfinity;
  for (const Number& value : v) {
    low = std::min(low, value.range.lo);
    high = std::max(high, value.range.hi);
  }
  Number out = Number::within(range);
  const Real theta = low / 2 + high / 2;
  if (!range.finite() || range.is_point() || !std::isfinite(theta)) return out;
  std::vector<Number> products;
  std::vector<Term> terms;
  products.reserve(a.size());
  for (std::size_t j = 0; j < a.size(); ++j) {
    const Term one[] = {{1, &v[j]}};
    products.push_back(product(a[j], sum(one, -theta)));
    terms.push_back({1, &products.back()});
  }
  out = sum(terms, theta);
  out.range = Range::of(std::max(out.range.lo, range.lo), std::min(out.range.hi, range.hi));
  tighten(out);
  return out;
}

}  // namespace separatrix::intervals_recheck
