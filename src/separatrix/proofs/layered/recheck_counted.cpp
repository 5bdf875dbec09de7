#include <algorithm>
#include <cmath>
#include <limits>

#include "separatrix/proofs/layered/recheck_reading.h"

// Averages over a power of two of positions, which computers form without any error.

namespace separatrix::relayer {
namespace {

bool is_power_of_two(Real x) {
  int exponent = 0;
  return x > 0 && std::frexp(x, &exponent) == 0.5L;
}

/// Numbers that are all multiples of 2^low and at most `top`.
struct Digits {
  int low = 1 << 20;
  Real top = 0;
  void add(Real x) {
    if (x == 0) return;
    low = std::min(low, low_exponent(x));
    top = std::max(top, std::fabs(x));
  }
  /// n of them, times 2^shift, add up in float32 without error in any order.
  bool add_up(Real n, int shift) const {
    return top == 0 || (low + shift > -120 && std::ldexp(n * top, shift) < 0x1p120L &&
                        n * top <= std::ldexp(1.0L, low + 24));
  }
};

}  // namespace

/// Known if 2^k positions have the same score, itself known exactly, and all others one at least
/// 120 less, so that the weights are 2^-k and 0, and if the values are whole multiples of one unit,
/// affine in the look's weight. Then the average of a count is one number, which is what is
/// computed.
std::optional<Asker::ExactCount> Asker::exact_count(const Head& head, std::size_t at) const {
  const Terms& column = m_.m.last.v[at];
  if (!head.exact || column.size() != 1 || !is_power_of_two(std::fabs(Real(column[0].weight))))
    return std::nullopt;
  const Sweep& s = *head.sweep;
  const Range own = head.score.front().front();
  for (const auto& group : head.score)
    for (const Range& score : group)
      if (score.lo != own.lo || score.hi != own.hi) return std::nullopt;
  const auto position = [&](Index t) { return s.position[s.flat ? 0 : std::size_t(t)]; };
  // Exact scores have 24 bits and these ranges a width of some 2^-60 of them: equal ranges, equal
  // scores.
  Range top = position(0);
  Real n = 0;
  for (Index t = 0; t < n_; ++t)
    if (position(t).lo > top.lo) top = position(t);
  std::vector<char> hosts(m_.places.size(), 0);
  const Real slack = own.hi - own.lo + top.size() * 0x1p-50L;
  for (Index t = 0; t < n_; ++t) {
    const auto g = std::size_t(m_.s.group_of[std::size_t(t)]);
    const int role = m_.s.role[g];
    if (position(t).lo == top.lo && position(t).hi == top.hi) {
      hosts[g] = 1;
      n += 1;
      continue;
    }
    if (!(position(t).hi + slack <= top.lo - 120)) return std::nullopt;
    for (const Look& look : m_.p.options[std::size_t(role)])
      if (m_.p.weight(role, look) != 0) return std::nullopt;
  }
  const Real share = 1 / n;
  if (!is_power_of_two(n) || n > 0x1p24L) return std::nullopt;
  const Range kept = m_.rounding.stored(Range{share, share});
  if (kept.lo != share || kept.hi != share) return std::nullopt;

  std::vector<std::pair<Real, Real>> points;  // (weight, value) of the hosts' looks
  Digits digits;
  for (std::size_t g = 0; g < hosts.size(); ++g)
    for (std::size_t o = 0; o < m_.value[g].size() && hosts[g] != 0; ++o) {
      const Range& v = m_.value[g][o][at];
      if (v.lo != v.hi) return std::nullopt;
      const auto& look = m_.p.options[std::size_t(m_.s.role[g])][o];
      points.emplace_back(Real(m_.p.weight(m_.s.role[g], look)), v.lo);
      digits.add(v.lo);
    }
  std::sort(points.begin(), points.end());
  const auto [w0, v0] = points.front();
  const auto [w1, v1] = points.back();
  const Real step = w1 > w0 ? (v1 - v0) / (w1 - w0) : 0;
  for (const auto& [weight, v] : points)
    if (v != v0 + step * (weight - w0)) return std::nullopt;
  const int k = std::ilogb(n), scale = std::ilogb(std::fabs(Real(column[0].weight)));
  if (!digits.add_up(n, 0) || !digits.add_up(n, -k) || !digits.add_up(n, -k - scale))
    return std::nullopt;
  return ExactCount{v0 - step * w0, step, n, digits.low};
}

bool Asker::ExactCount::average(Index count, Real& out) const {
  const Real sum = step * Real(count) + base * n;
  if (std::fabs(sum) > 0x1p53L || (sum != 0 && low_exponent(sum) < low)) return false;
  out = sum / n;
  return true;
}

}  // namespace separatrix::relayer
