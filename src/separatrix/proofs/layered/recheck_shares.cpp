#include "separatrix/proofs/layered/recheck_shares.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace separatrix::relayer {
namespace {

constexpr Real kInfinity = std::numeric_limits<Real>::infinity();

/// One head's queries (times the scale's centre) and keys, [T, dk]; what the numbers miss.
struct Scores {
  Index dk = 0;
  std::vector<Real> q, k;
  Real size = 0;   ///< of sums of absolute terms
  Real error = 0;  ///< of a computed score
  Real at(Index t, Index j) const {
    Real sum = 0;
    for (Index i = 0; i < dk; ++i) sum += q[std::size_t(t * dk + i)] * k[std::size_t(j * dk + i)];
    return sum;
  }
};

/// Sums of one side's projections over all positions, and whether each of them is exact.
std::vector<Span> project(const Machine& m, const std::vector<Terms>& columns, Index begin, Index n,
                          std::vector<Real>& out, bool& exact) {
  std::vector<Span> spans(static_cast<std::size_t>(n));
  out.assign(std::size_t(m.T * n), 0);
  for (Index t = 0; t < m.T; ++t)
    for (Index i = 0; i < n; ++i) {
      Span sum;
      Real& total = out[std::size_t(t * n + i)];
      for (const Term& term : columns[std::size_t(begin + i)]) {
        const Real x = m.position(t, term.at), w = term.weight;
        total += x * w;
        sum.add(Span::of({x, x}), Span::of({w, w}));
      }
      exact = exact && sum.exact();
      spans[std::size_t(i)].join(sum);
    }
  return spans;
}

std::string tables(const Machine& m, Index head, const Rounding& rounding, Scores& out) {
  const Attention& a = *m.first;
  out.dk = a.dk;
  bool exact = a.scale.is_point();
  const auto qs = project(m, a.q, head * a.dk, a.dk, out.q, exact);
  const auto ks = project(m, a.k, head * a.dk, a.dk, out.k, exact);
  Span score;
  const Span scale = Span::of({a.scale.lo, a.scale.lo});
  std::vector<Span> folded(static_cast<std::size_t>(m.D)), x = folded;
  for (Index i = 0; i < a.dk; ++i) {
    score.add(qs[std::size_t(i)], ks[std::size_t(i)]);
    for (const Term& term : a.k[std::size_t(head * a.dk + i)])
      folded[std::size_t(term.at)].add(qs[std::size_t(i)],
                                       Span::of({Real(term.weight), Real(term.weight)}));
  }
  // The other path: the query folded into the keys, times the stream.
  Span other;
  for (Index d = 0; d < m.D; ++d) {
    if (folded[std::size_t(d)].top == 0) continue;
    for (Index t = 0; t < m.T; ++t) {
      const Real value = m.position(t, d);
      x[std::size_t(d)].join(Span::of({value, value}));
    }
    exact = exact && folded[std::size_t(d)].exact();
    other.add(folded[std::size_t(d)], x[std::size_t(d)]);
  }
  Span scaled;
  scaled.add(score, scale);
  // Twice, for differences of two scores.
  exact = exact && Span{2 * score.top, score.grid}.exact() &&
          Span{2 * other.top, other.grid}.exact() && Span{2 * scaled.top, scaled.grid}.exact();
  out.size = std::max(score.top, other.top) * a.scale.hi;
  if (rounding.emulated()) {
    if (!exact) return "the first attention's scores are not exact";
    for (auto* table : {&out.q, &out.k})
      for (Real& value : *table) value = rounding.stored(Range{value, value}).lo;
  }
  const Real terms = Real(2 * m.D + a.dk + 8);
  out.error = exact ? 0 : rounding.chain(terms) * out.size + out.size * (terms + 8) * 0x1p-62L;
  const Real width = a.scale.hi - a.scale.lo;
  if (width > 0) out.error += out.size / a.scale.lo * width;
  for (Real& value : out.q) value *= a.scale.lo;
  if (!(out.error < 1) || !(out.size < 0x1p20L))
    return "the first attention's scores are too large";
  return {};
}

/// log sum_j e^(score(t, j)) for every t, from above.
class Totals {
 public:
  Totals(const Scores& s, Index T, bool causal) : s_(s), T_(T) {
    if (T > kDirect) plan_corners();
    causal_ = causal && !by_corners_;
  }
  bool possible() const { return by_corners_ || T_ <= kMostDirect; }
  Real log_of(Index t) { return by_corners_ ? corner(t) : direct(t); }

 private:
  static constexpr Index kDirect = 1500, kMostDirect = 12500;
  static constexpr std::size_t kMaxOdd = 64, kMaxTables = 48;

  Real direct(Index t) const {
    const Index n = causal_ ? t + 1 : T_;
    const Real own = s_.at(t, t);
    Real sum = 0;
    for (Index j = 0; j < n; ++j) {
      const Real gap = s_.at(t, j) - own;
      sum += gap < -80 ? 0x1p-115L : std::exp(gap);  // e^-80 < 2^-115
    }
    return own + std::log(sum) + slack(own);
  }
  Real slack(Real top) const { return Real(T_ + 64) * 0x1p-60L + std::fabs(top) * 0x1p-58L; }

  /// Keys whose entries have the most frequent magnitudes are corners; a few may be others.
  void plan_corners() {
    const Index dk = s_.dk;
    if (dk > 24) return;
    side_.assign(std::size_t(dk), 0);
    for (Index i = 0; i < dk; ++i) {
      std::map<Real, Index> counts;
      for (Index j = 0; j < T_; ++j) ++counts[std::fabs(s_.k[std::size_t(j * dk + i)])];
      side_[std::size_t(i)] =
          std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
            return a.second < b.second;
          })->first;
    }
    count_.assign(std::size_t{1} << dk, 0);
    for (Index j = 0; j < T_; ++j) {
      std::size_t corner = 0;
      bool regular = true;
      for (Index i = 0; i < dk; ++i) {
        const Real k = s_.k[std::size_t(j * dk + i)];
        regular = regular && std::fabs(k) == side_[std::size_t(i)];
        corner |= std::size_t(k < 0) << i;
      }
      if (regular)
        count_[corner] += 1;
      else
        odd_.push_back(j);
    }
    by_corners_ = odd_.size() <= kMaxOdd;
  }
  Real corner(Index t) {
    const Index dk = s_.dk;
    std::vector<Real> lengths;
    std::size_t at = 0;
    Real top = 0;
    for (Index i = 0; i < dk; ++i) {
      const Real u = s_.q[std::size_t(t * dk + i)] * side_[std::size_t(i)];
      lengths.push_back(std::fabs(u));
      top += lengths.back();
      at |= std::size_t(u < 0) << i;
    }
    auto found = tables_.find(lengths);
    if (found == tables_.end()) {
      if (tables_.size() >= kMaxTables) return kInfinity;
      std::vector<Real> f = count_;
      for (Index i = 0; i < dk; ++i) {
        const Real lost = std::exp(-2 * lengths[std::size_t(i)]);
        const std::size_t bit = std::size_t{1} << i;
        for (std::size_t c = 0; c < f.size(); ++c)
          if ((c & bit) == 0) {
            const Real a = f[c], b = f[c | bit];
            f[c] = a + lost * b;
            f[c | bit] = b + lost * a;
          }
      }
      found = tables_.emplace(std::move(lengths), std::move(f)).first;
    }
    Real sum = found->second[at];
    for (const Index j : odd_) sum += std::exp(s_.at(t, j) - top);
    return top + std::log(sum) + slack(top);
  }

  const Scores& s_;
  Index T_;
  bool causal_ = false, by_corners_ = false;
  std::vector<Real> side_, count_;
  std::vector<Index> odd_;
  std::map<std::vector<Real>, std::vector<Real>> tables_;
};

}  // namespace

std::string shares_of_groups(const Machine& m, const Picture& p, const std::vector<Index>& group_of,
                             const Rounding& rounding, std::vector<GroupShares>& shares) {
  const Attention& a = *m.first;
  for (GroupShares& of : shares) of.heads.resize(std::size_t(a.heads));
  for (Index h = 0; h < a.heads; ++h) {
    Scores scores;
    if (auto wrong = tables(m, h, rounding, scores); !wrong.empty()) return wrong;
    Totals totals(scores, m.T, a.causal);
    if (!totals.possible()) return "too many positions for the first attention's keys";
    const Real error =
        average_error(rounding, Real(m.T), Real(m.D + a.dv), scores.error, scores.size);
    for (Index t = 0; t < m.T; ++t) {
      const auto& places = p.looks[std::size_t(t)];
      GroupShares::Head& into = shares[std::size_t(group_of[std::size_t(t)])].heads[std::size_t(h)];
      const bool fresh = into.share.empty();
      const Real total = totals.log_of(t);
      Real known = 0;
      for (std::size_t w = 0; w < places.size(); ++w) {
        if (a.causal && places[w] > t) return "a position looks at a later one";
        const Real own = scores.at(t, places[w]);
        Real others = 0;
        for (const Index place : places)
          if (place != places[w]) others += std::exp(scores.at(t, place) - own);
        const Real slack = 1 - 0x1p-55L;
        const Range share{std::min(1.0L, std::exp(own - total)) * slack,
                          std::min(1.0L, 1 / (1 + others) / slack)};
        known += share.lo;
        if (fresh)
          into.share.push_back(share);
        else
          into.share[w].join(share);
      }
      into.rest = std::max(into.rest, std::max(0.0L, 1 - known) + 0x1p-60L);
      into.error = error;
    }
  }
  return {};
}

}  // namespace separatrix::relayer
