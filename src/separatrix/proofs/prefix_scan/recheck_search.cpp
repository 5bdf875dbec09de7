#include "separatrix/proofs/prefix_scan/recheck_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace separatrix::prefix_scan_recheck {
namespace {

using Real = long double;
constexpr Real kUnit = 0x1p-24L;

}  // namespace

long double exp_above(Real x) { return std::exp(x) * (1 + 0x1p-45L) + 0x1p-1000L; }
long double exp_below(Real x) {
  return std::max<Real>(0, std::exp(x) * (1 - 0x1p-45L) - 0x1p-1000L);
}

AttentionError::AttentionError(const Machine& m, const Layer& a, Real n, const Balls& rows,
                               bool whole) {
  average.assign(std::size_t(a.v.cols), 0);
  if (!m.rounds()) return;
  const Real terms = Real(std::max({a.q.most_terms(), a.k.most_terms(), a.v.most_terms()}));
  Real magnitude = 0;
  for (Index i = 0; i < a.q.cols; ++i)
    magnitude += m.absolute(a.q, i, rows) * m.absolute(a.k, i, rows) * std::abs(a.scale);
  if (whole && a.scale == 1 && magnitude <= 0x1p24L) magnitude = 0;
  const Real score = (2 * terms + Real(a.q.cols) + 12) * kUnit * 1.01L * magnitude;
  // Two scores, two rounded differences of up to twice the magnitude, two exponentials.
  factor = exp_above(2 * score + 4 * magnitude * kUnit * 1.01L) * (1 + 0x1p-19L);
  for (Index i = 0; i < a.v.cols; ++i)
    average[std::size_t(i)] = m.absolute(a.v, i, rows) * (2 * n + terms + 50) * kUnit *
                                  std::exp((2 * n + terms + 50) * kUnit) +
                              n * 0x1p-110L;
}

bool is_whole(const Layer& a, const Balls& row) {
  for (const Affine* map : {&a.q, &a.k})
    for (Index j = 0; j < map->cols; ++j)
      for (const Index i : map->nonzeros[std::size_t(j)]) {
        const Real w = Real(map->w[std::size_t(i * map->cols + j)]), x = row[std::size_t(i)].mid;
        if (row[std::size_t(i)].rad != 0 || std::fmod(w, 1) != 0 || std::fmod(x, 1) != 0)
          return false;
      }
  return true;
}

Ball OneAmongMany::score(const Balls& row) const {
  const Balls key = m_.apply(a_.k, row);
  Ball s;
  for (std::size_t i = 0; i < key.size(); ++i) s = sum(s, product(query_[i], key[i]));
  return product(s, {a_.scale, 0});
}

Ball OneAmongMany::value(const Balls& row, Index at, bool negated) const {
  const Ball v = m_.apply(a_.v, row)[std::size_t(at)];
  return negated ? Ball{-v.mid, v.rad} : v;
}

bool OneAmongMany::harmless(const Balls& row, const Trial& trial, int depth) const {
  const Real low = value(row, trial.at, trial.negated).low();
  if (low >= trial.x) return true;
  const Real weight = exp_above(score(row).high() + trial.shift);
  if ((trial.x - low) * (1 + 0x1p-40L) * weight <= trial.allowed) return true;
  if (depth == 0) return false;
  std::size_t widest = row.size();
  Real width = 0;
  for (const Affine* map : {&a_.k, &a_.v})
    for (const auto& terms : map->nonzeros)
      for (const Index d : terms)
        if (row[std::size_t(d)].rad > width) {
          width = row[std::size_t(d)].rad;
          widest = std::size_t(d);
        }
  if (widest == row.size() || !(width < 0x1p40L)) return false;
  Balls half(row);
  const Ball whole = row[widest];
  half[widest] = between(whole.low(), whole.mid);
  if (!harmless(half, trial, depth - 1)) return false;
  half[widest] = between(whole.mid, whole.high());
  return harmless(half, trial, depth - 1);
}

long double OneAmongMany::least(const Balls& wrong, const std::vector<Balls>& others, Index at,
                                bool negated, Real factor) const {
  constexpr int kDepth = 20;
  Real low = value(wrong, at, negated).low();
  const Real high = low;
  for (const Balls& row : others) low = std::min(low, value(row, at, negated).low());
  const Ball s = score(wrong);
  Real reached = low, step = (high - low) / 2;
  for (int i = 0; i < 24 && step > 0; ++i, step /= 2) {
    const Real x = reached + step;
    // e^{s_wrong - s_top} (v_wrong - x), shared among the n - 1 others.
    const Real allowed =
        (high - x) * exp_below(s.low() - s.high()) / (n_ - 1) * (1 - 0x1p-40L) / factor;
    bool holds = allowed > 0;
    for (const Balls& row : others)
      holds = holds && harmless(row, {at, negated, x, -s.high(), allowed}, kDepth);
    if (holds) reached = x;
  }
  return reached;
}

Balls OneAmongMany::average(const Balls& wrong, const std::vector<Balls>& others,
                            const AttentionError& error) const {
  Balls out;
  for (Index i = 0; i < a_.v.cols; ++i) {
    Ball mean = between(least(wrong, others, i, false, error.factor),
                        -least(wrong, others, i, true, error.factor));
    mean.rad += error.average[std::size_t(i)];
    out.push_back(m_.stored(mean));
  }
  return out;
}

}  // namespace separatrix::prefix_scan_recheck
