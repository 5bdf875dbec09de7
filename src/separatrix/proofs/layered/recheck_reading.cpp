#include "separatrix/proofs/layered/recheck_reading.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "separatrix/base/parallel.h"

// The last attention's averages over all inputs of a question, and what is decided with them.

namespace separatrix::relayer {
namespace {

using Shape = Question::Shape;
constexpr double kNothing = -std::numeric_limits<double>::infinity();
constexpr double kNever = std::numeric_limits<double>::infinity();

/// At least x, as a double.
double above(Real x) { return double(x + std::fabs(x) * 0x1p-52L + 0x1p-1060L); }
double below(Real x) { return -above(-x); }
/// At least e^x.
Real exp_above(double x) { return x == kNothing ? 0 : std::exp(Real(x)) * (1 + 0x1p-60L); }

/// Of values, with at least the weight 1 / (1 + lost) there.
Range mixture(const Range& there, const Range& others, Real lost) {
  const Real share = 1 / (1 + lost) * (1 - 0x1p-60L);
  const Real slack = (there.size() + others.size()) * 0x1p-60L;
  return {std::min(there.lo, there.lo * share + others.lo * (1 - share)) - slack,
          std::max(there.hi, there.hi * share + others.hi * (1 - share)) + slack};
}

/// As it is stored, each an unknown of its own.
std::vector<Quantity> unknowns(const Rounding& rounding, const std::vector<Range>& averages,
                               const std::vector<Real>& loss) {
  std::vector<Quantity> out;
  for (std::size_t i = 0; i < averages.size(); ++i) {
    const Range v{averages[i].lo - loss[i], averages[i].hi + loss[i]};
    out.push_back(Quantity::unknown(rounding.stored(v), i, averages.size()));
  }
  return out;
}

}  // namespace

Range Asker::values(const Flags& flags, unsigned bits, std::size_t at) const {
  Range out{1, -1};
  for (std::size_t g = 0; g < m_.value.size(); ++g) {
    if (!visible(g)) continue;
    const auto& allowed = flags[std::size_t(m_.s.role[g])];
    for (std::size_t o = 0; o < allowed.size(); ++o)
      if ((allowed[o] & bits) != 0) {
        const Range& v = m_.value[g][o][at];
        if (out.lo > out.hi) out = v;
        out.join(v);
      }
  }
  return out;  // {1, -1}: none
}

/// What the one position brings.
Range Asker::found(const Question& q, const Flags& flags, std::size_t at) const {
  return q.kept ? m_.kept.at(q.answer)[at] : values(flags, 2, at);
}

/// side = 0: the largest scores. side = +-1: the largest of score + log(theta - +-value).
Asker::Worst Asker::worst(const Flags& flags, const Head& head, std::size_t at, int side,
                          Real theta) const {
  const std::size_t G = m_.places.size();
  Worst out{std::vector<double>(G, kNothing), std::vector<double>(G, kNothing),
            std::vector<double>(G, kNever)};
  for (std::size_t g = 0; g < G; ++g) {
    if (!visible(g)) continue;
    const auto& allowed = flags[std::size_t(m_.s.role[g])];
    for (std::size_t o = 0; o < allowed.size(); ++o) {
      if (allowed[o] == 0) continue;
      const Range& score = head.score[g][o];
      if ((allowed[o] & 2U) != 0) out.there[g] = std::min(out.there[g], below(score.lo));
      Real weight = score.hi;
      if (side != 0) {
        const Range& v = m_.value[g][o][at];
        const Real loss = theta - (side > 0 ? v.lo : -v.hi);
        if (loss <= 0) continue;  // takes nothing away
        weight += std::log(loss) + 0x1p-55L;
      }
      if ((allowed[o] & 1U) != 0) out.before[g] = std::max(out.before[g], above(weight));
      if ((allowed[o] & 4U) != 0) out.after[g] = std::max(out.after[g], above(weight));
    }
  }
  return out;
}

/// The weight of all other positions over that of the one, at most, wherever it stands.
Real Asker::leak(const Question& q, const Head& head, const Worst& w, bool fully) const {
  const std::size_t G = m_.places.size();
  const Sweep& s = *head.sweep;
  const auto only = q.at >= 0 ? std::size_t(m_.s.group_of[std::size_t(q.at)]) : G;
  if (q.at >= n_) return 0;  // does not happen
  Real most = 0;
  if (s.flat && !(fully && !s.before.empty())) {
    const Real spread = s.position.front().hi - s.position.front().lo;
    std::vector<Real> each(G, 0), count(G, 0), up_to(G + 1, 0);
    for (std::size_t g = 0; g < G; ++g) {
      const auto& at = m_.places[g];
      count[g] = Real(std::lower_bound(at.begin(), at.end(), n_) - at.begin());
      // Relative to the least weight of a place; most questions have few such groups.
      each[g] = std::max(w.before[g], w.after[g]);
    }
    for (std::size_t c = 0; c < G; ++c) {
      if (w.there[c] == kNever || (only != G && only != c)) continue;
      Real sum = 0;
      for (std::size_t g = 0; g < G; ++g) {
        const Real n = count[g] - (g == c ? 1 : 0);
        if (n > 0 && each[g] > kNothing) sum += n * exp_above(above(each[g] - w.there[c] + spread));
      }
      most = std::max(most, sum * (1 + Real(G + 4) * 0x1p-62L));
    }
    return most;
  }
  const auto total = [&](std::size_t c, const auto& before, const auto& after) {
    Real sum = 0;
    for (std::size_t g = 0; g < G; ++g) {
      const double x = w.before[g] + before(g) - w.there[c], y = w.after[g] + after(g) - w.there[c];
      // Three doubles were added.
      const auto term = [&](double sum_of, double a, double b) {
        return sum_of < -200 ? Real(0x1p-280L)
                             : exp_above(sum_of + (std::fabs(a) + std::fabs(b)) * 0x1p-50);
      };
      if (w.before[g] > kNothing && before(g) > kNothing) sum += term(x, w.before[g], before(g));
      if (w.after[g] > kNothing && after(g) > kNothing) sum += term(y, w.after[g], after(g));
    }
    return sum * (1 + Real(2 * G + 4) * 0x1p-62L) * (1 + 0x1p-48L * (1 + std::fabs(w.there[c])));
  };
  for (std::size_t c = 0; c < G; ++c) {
    if (w.there[c] == kNever || (only != G && only != c)) continue;
    const auto at_place = [&](std::size_t i) {
      most = std::max(most, total(
                                c, [&](std::size_t g) { return s.before[g][i]; },
                                [&](std::size_t g) { return s.after[g][i]; }));
    };
    if (q.at >= 0)
      at_place(std::size_t(q.at));
    else if (!fully)
      most = std::max(most, total(
                                c, [&](std::size_t g) { return s.most_before[g][c]; },
                                [&](std::size_t g) { return s.most_after[g][c]; }));
    else
      for (const Index i : m_.places[c])
        if (i < n_) at_place(std::size_t(i));
  }
  return most;
}

/// The least average of side times the values: the largest theta with
///     e_there (v_there - theta) >= sum_j max over looks of e_j (theta - v_j).
/// The difference of the two sides is concave in theta: chords stay below it, so where a chord
/// meets 0 the inequality holds; this is looked at again all the same.
Real Asker::refined(const Question& q, const Flags& flags, const Head& head, std::size_t at,
                    int side, bool fully) const {
  const auto least = [&](const Range& v) { return side > 0 ? v.lo : -v.hi; };
  const Real top = least(found(q, flags, at));
  Real low = std::min(top, least(values(flags, 1 | 2 | 4, at))), high = top;
  const auto surplus = [&](Real theta) {
    return (top - theta) - leak(q, head, worst(flags, head, at, side, theta), fully);
  };
  Real at_low = top - low, at_high = surplus(high);
  if (at_high >= 0 || low >= high) return at_high >= 0 ? high : low;
  constexpr int kRounds = 14;
  for (int round = 0; round < kRounds && high - low > 1e-12L * (1 + std::fabs(low)); ++round)
    for (const bool chord : {true, false}) {
      // A little to the left, so that rounding does not turn the sign.
      constexpr Real kInward = 1 - 1e-9L;
      const Real theta = chord && std::isfinite(at_high)
                             ? low + (high - low) * (at_low / (at_low - at_high)) * kInward
                             : low / 2 + high / 2;
      if (!(theta > low && theta < high)) continue;
      const Real here = surplus(theta);
      (here >= 0 ? low : high) = theta;
      (here >= 0 ? at_low : at_high) = here;
    }
  return low;
}

Range Asker::average(const Question& q, const Flags& flags, Index h, std::size_t at,
                     int effort) const {
  const Head& head = heads_[std::size_t(h)];
  if (q.shape == Shape::count) return counted(q, head, at);
  const Range others = values(flags, 1 | 4, at);
  if (q.shape == Shape::all) return others;
  const Range there = found(q, flags, at);
  if (effort > 0)
    return {refined(q, flags, head, at, +1, effort > 1),
            -refined(q, flags, head, at, -1, effort > 1)};
  if (others.lo > others.hi) return there;
  return mixture(there, others, leak(q, head, worst(flags, head, at, 0, 0), false));
}

/// n positions have the largest score of their position and so about 1/n of the weight each. With
/// any price lambda of a unit of the count, the sum of their values is at least
///     lambda count + sum over these positions of min over looks of (value - lambda weight).
Range Asker::counted(const Question& q, const Head& head, std::size_t at) const {
  const Range nowhere{-kNever, kNever};
  const Sweep& s = *head.sweep;
  Range part{kNever, -kNever}, looks{kNever, -kNever};
  Real top = -kNever, lost = 0, largest = 0;
  for (const Range& x : s.position) top = std::max(top, x.lo);
  for (const auto& group : head.score)
    for (const Range& x : group) looks.join(x);
  std::vector<Real> hosts(m_.places.size(), 0);
  Real n = 0;
  for (std::size_t t = 0; t < s.position.size(); ++t) {
    const Range& x = s.position[t];
    const auto g = std::size_t(m_.s.group_of[t]);
    if (x.hi >= top - 1e-6L) {
      part.join(x);
      hosts[g] += 1;
      n += 1;
      continue;
    }
    lost += std::exp(x.hi - top + (looks.hi - looks.lo) + 1e-17L);
    for (const Look& look : m_.p.options[std::size_t(m_.s.role[g])])
      if (m_.p.weight(m_.s.role[g], look) != 0) return nowhere;
  }
  const auto for_looks = [&](const auto& visit) {
    for (std::size_t g = 0; g < hosts.size(); ++g) {
      const int role = m_.s.role[g];
      for (std::size_t o = 0; o < m_.value[g].size(); ++o) {
        largest = std::max(largest, m_.value[g][o][at].size());
        if (hosts[g] > 0)
          visit(g, m_.value[g][o][at], Real(m_.p.weight(role, m_.p.options[std::size_t(role)][o])));
      }
    }
  };
  Real base = 0, price = 0;
  for_looks([&](std::size_t, const Range& v, Real weight) {
    if (weight == 0) base = (v.lo + v.hi) / 2;
  });
  for_looks([&](std::size_t, const Range& v, Real weight) {
    if (weight != 0) price = ((v.lo + v.hi) / 2 - base) / weight;
  });
  std::vector<Range> left(hosts.size(), Range{kNever, -kNever});
  for_looks([&](std::size_t g, const Range& v, Real weight) {
    left[g].join({v.lo - price * weight, v.hi - price * weight});
  });
  Range sum{price * Real(q.count), price * Real(q.count)};
  Real absolute = std::fabs(sum.lo);
  for (std::size_t g = 0; g < hosts.size(); ++g)
    if (hosts[g] > 0) {
      sum.lo += hosts[g] * left[g].lo;
      sum.hi += hosts[g] * left[g].hi;
      absolute += hosts[g] * (left[g].size() + 2 * std::fabs(price));
    }
  const Real width = (part.hi - part.lo) + (looks.hi - looks.lo);
  const Real uneven = std::expm1(width) * (1 + 0x1p-60L);
  const Real slack = absolute / n * 0x1p-54L + (uneven + 2 * lost) * largest * (1 + 0x1p-50L);
  return {sum.lo / n - slack, sum.hi / n + slack};
}

/// False if no look of the asked position goes with the question: it has no inputs.
bool Asker::possible(const Question& q, const Flags& flags) const {
  if (q.shape == Shape::count) return true;
  const auto role = std::size_t(m_.p.role[std::size_t(position_)]);
  const unsigned bits = q.shape == Shape::all ? 1U : 2U | 4U;
  for (std::size_t o = 0; o < flags[role].size(); ++o)
    if ((flags[role][o] & bits) != 0 && overlap(m_.p.askers[q.asker], m_.p.options[role][o]))
      return true;
  return false;
}

/// |computed - exact average|.
Real Asker::loss(Index h, std::size_t at) const {
  const Real terms = m_.value_terms[at];
  return heads_[std::size_t(h)].error * terms +
         (m_.rounding.real() ? 0 : Real(m_.m.T) * 0x1p-80L * (1 + terms));
}

bool Asker::keeps(const Question& q, const Flags& flags, Real margin) const {
  if (!possible(q, flags)) return true;
  const Attention& a = m_.m.last;
  const int most = q.shape == Shape::one ? 2 : 0;
  for (int effort = 0; effort <= most; ++effort) {
    std::vector<Range> averages;
    std::vector<Real> lost;
    for (std::size_t i = 0; i < a.v.size(); ++i) {
      Real known = 0;
      if (q.shape == Shape::count && exact_[i] && exact_[i]->average(q.count, known)) {
        averages.push_back({known, known});
        lost.push_back(0);
        continue;
      }
      averages.push_back(average(q, flags, Index(i) / a.dv, i, effort));
      lost.push_back(loss(Index(i) / a.dv, i));
    }
    const auto row = m_.logits.row(row_, unknowns(m_.rounding, averages, lost));
    if (!row.empty() && m_.logits.keep(row, m_.logits.losses(row), q.answer, margin)) return true;
  }
  return false;
}

Pool Asker::pool(const Question& q, const Flags& flags, bool fully) const {
  Pool out;
  if (!possible(q, flags)) return out;
  for (const Quantity& entry : row_) out.row.push_back(entry.range);
  for (const Head& head : heads_)
    out.lost.push_back(leak(q, head, worst(flags, head, 0, 0, 0), fully));
  for (std::size_t i = 0; i < m_.m.last.v.size(); ++i)
    out.loss.push_back(loss(Index(i) / m_.m.last.dv, i));
  return out;
}

void Pool::join(const Pool& other) {
  if (other.row.empty()) return;
  if (row.empty()) *this = other;
  for (std::size_t d = 0; d < row.size(); ++d) row[d].join(other.row[d]);
  for (std::size_t h = 0; h < lost.size(); ++h) lost[h] = std::max(lost[h], other.lost[h]);
  for (std::size_t i = 0; i < loss.size(); ++i) loss[i] = std::max(loss[i], other.loss[i]);
}

bool Pool::keeps(const Memory& memory, Real margin, int threads) const {
  std::vector<Quantity> asked;
  asked.reserve(row.size());
  for (const Range& range : row) asked.push_back(Quantity::between(range));
  std::vector<Token> answers;
  std::vector<std::vector<Quantity>> rows;
  std::vector<Range> any;
  for (const auto& [answer, values] : memory.kept) {
    std::vector<Range> averages;
    for (std::size_t i = 0; i < values.size(); ++i)
      averages.push_back(
          mixture(values[i], memory.any_value[i], lost[i / std::size_t(memory.m.last.dv)]));
    rows.push_back(memory.logits.row(asked, unknowns(memory.rounding, averages, loss)));
    answers.push_back(answer);
    if (rows.back().empty()) return false;
    for (std::size_t d = 0; d < asked.size(); ++d) {
      if (rows.size() == 1) any.push_back(rows.back()[d].range);
      any[d].join(rows.back()[d].range);
    }
  }
  std::vector<Quantity> all;
  all.reserve(any.size());
  for (const Range& range : any) all.push_back(Quantity::between(range));
  const std::vector<Real> losses = memory.logits.losses(all);
  std::atomic<bool> kept = true;
  parallel_for(threads, Index(answers.size()), [&](std::size_t /*worker*/, Index i) {
    const auto at = std::size_t(i);
    if (kept && !memory.logits.keep(rows[at], losses, answers[at], margin)) kept = false;
  });
  return kept;
}

}  // namespace separatrix::relayer
