#include <algorithm>
#include <cmath>
#include <limits>

#include "separatrix/proofs/layered/recheck_reading.h"

// An asked row, its scores, and the sums over positions.

namespace separatrix::relayer {
namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();

/// sum of e^x for ever more x, as a pair (largest, sum of e^(x - largest)).
class Exponentials {
 public:
  void add(Real x) {
    if (sum_ == 0 || x > top_) {
      sum_ = (sum_ == 0 ? 0 : sum_ * std::exp(top_ - x)) + 1;
      top_ = x;
    } else if (x > top_ - 90) {
      sum_ += std::exp(x - top_);
    } else {
      ++small_;  // less than e^-90 of the largest each
    }
  }
  /// log of the sum over e^reference, from above.
  double log_over(Real reference, Index n) const {
    if (sum_ == 0) return kNothing;
    const Real slack = Real(n + 8) * 0x1p-60L + (std::fabs(top_) + std::fabs(reference)) * 0x1p-60L;
    const Real log = top_ - reference + std::log(sum_ + Real(small_) * 0x1p-129L) + slack;
    return double(log + (std::fabs(log) + 1) * 0x1p-50L);
  }

 private:
  Real top_ = 0, sum_ = 0;
  Index small_ = 0;
};

}  // namespace

Asker::Asker(const Memory& memory, Index position, std::size_t asker)
    : m_(memory), position_(position) {
  const Attention& a = m_.m.last;
  n_ = a.causal ? position + 1 : m_.m.T;  // not causal: the last position alone is asked
  const auto g = std::size_t(m_.s.group_of[std::size_t(position)]);
  const std::vector<Quantity>& row = m_.s.asker[g][asker];
  for (std::size_t d = 0; d < row.size(); ++d) {
    if (!row[d].range.finite()) wrong_ = "an asked row is not finite";
    const Real here = m_.s.still[d] ? m_.m.position(position, Index(d)) : 0;
    row_.push_back(m_.s.still[d] ? Quantity::point(here) : Quantity::between(row[d].range));
  }
  for (Index h = 0; h < a.heads && wrong_.empty(); ++h) heads_.push_back(head_of(h));
  for (std::size_t i = 0; i < a.v.size() && wrong_.empty() && m_.p.weight; ++i)
    exact_.push_back(exact_count(heads_[i / std::size_t(a.dv)], i));
}

/// One slack for all terms: this is where most of the time goes.
Range Asker::score_of(const std::vector<Range>& q, std::span<const Range> key) const {
  Real lo = 0, hi = 0, size = 0;
  for (std::size_t i = 0; i < q.size(); ++i) {
    const Range &a = q[i], &b = key[i];
    if ((a.lo == 0 && a.hi == 0) || (b.lo == 0 && b.hi == 0)) continue;
    if (a.is_point() && b.is_point()) {
      const Real product = a.lo * b.lo;
      lo += product;
      hi += product;
      size += std::fabs(product);
    } else {
      const Range product = a * b;
      lo += product.lo;
      hi += product.hi;
      size += product.size();
    }
  }
  const Real slack = size * Real(q.size() + 2) * 0x1p-63L;
  return Range{lo - slack, hi + slack} * m_.m.last.scale;
}

Asker::Head Asker::head_of(Index h) {
  const Attention& a = m_.m.last;
  const Rounding plain(Arithmetic::real);
  const Rounding& how = m_.rounding.emulated() ? m_.rounding : plain;
  std::vector<Range> q;
  std::vector<Real> terms;
  for (Index i = h * a.dk; i < (h + 1) * a.dk; ++i) {
    const auto sum = how.sum(a.q[std::size_t(i)], row_);
    q.push_back(m_.rounding.emulated() ? how.stored(sum.value.range) : sum.value.range);
    terms.push_back(sum.absolute);
    if (!q.back().finite()) wrong_ = "a query is not finite";
  }
  Head out;
  Real size = 0;
  const Real error = score_error(h, q, terms, size);
  if (!(error < 1) || !(size < 0x1p60L)) wrong_ = "the last attention's scores are too inexact";
  out.exact = error == 0 && !m_.rounding.real();
  out.error = average_error(m_.rounding, Real(m_.m.T), Real(m_.m.D + a.dv), error, size);
  const auto first = std::size_t(h * a.dk);
  std::vector<Range> score;
  for (const auto& key : m_.key)
    score.push_back(score_of(q, std::span(key).subspan(first, q.size())));
  for (const auto& group : m_.key_of) {
    auto& scores = out.score.emplace_back();
    for (const std::size_t key : group) scores.push_back(score[key]);
  }
  out.sweep = sweep(h, q);
  if (!out.sweep) wrong_ = "too many groups of positions";
  return out;
}

Real Asker::score_error(Index h, const std::vector<Range>& q, const std::vector<Real>& terms,
                        Real& size) const {
  const Attention& a = m_.m.last;
  const auto first = std::size_t(h * a.dk);
  const Span scale = Span::of({a.scale.lo, a.scale.lo});
  bool exact = a.scale.is_point();
  Span score, folded_score;
  std::vector<Span> folded(static_cast<std::size_t>(m_.m.D));
  size = 0;
  for (std::size_t i = 0; i < q.size(); ++i) {
    Span own = Span::of(q[i]), key = m_.key_span[first + i];
    if (m_.rounding.emulated()) {
      size += q[i].size() * key.top;
    } else {
      // Both ways: projections of the row and of what was seen, or the row folded into the keys.
      own = key = Span{};
      for (const Term& t : a.q[first + i])
        own.add(Span::of(row_[std::size_t(t.at)].range), Span::of({t.weight, t.weight}));
      for (const Term& t : a.k[first + i]) {
        key.add(m_.seen[std::size_t(t.at)], Span::of({t.weight, t.weight}));
        folded[std::size_t(t.at)].add(own, Span::of({t.weight, t.weight}));
      }
      size += terms[i] * m_.key_terms[first + i];
      if (own.top > 0 && key.top > 0) exact = exact && own.exact() && key.exact();
    }
    score.add(own, key);
  }
  for (std::size_t d = 0; d < folded.size() && !m_.rounding.emulated(); ++d) {
    folded_score.add(folded[d], m_.seen[d]);
    exact = exact && (m_.seen[d].top == 0 || folded[d].exact());
  }
  for (const Span& s : {score, folded_score}) {
    Span scaled;
    scaled.add(s, scale);
    exact = exact && Span{2 * s.top, s.grid}.exact() && Span{2 * scaled.top, scaled.grid}.exact();
  }
  size *= a.scale.hi;
  if (exact || m_.rounding.real()) return 0;
  return m_.rounding.chain(Real((m_.rounding.emulated() ? 0 : 2 * m_.m.D) + a.dk + 8)) * size;
}

std::shared_ptr<const Sweep> Asker::sweep(Index h, const std::vector<Range>& q) const {
  const auto first = std::size_t(h * m_.m.last.dk), width = m_.has_still.size();
  std::vector<Real> name{Real(h), Real(n_)};
  for (std::size_t i = 0; i < q.size(); ++i)
    if (m_.has_still[first + i]) name.insert(name.end(), {q[i].lo, q[i].hi});
  if (auto found = m_.known(name)) return found;
  auto made = std::make_shared<Sweep>();
  made->flat = true;
  for (Index t = 0; t < n_; ++t) {
    const std::span<const Range> keys(m_.still_key.data() + std::size_t(t) * width + first,
                                      q.size());
    const Range here = score_of(q, keys);
    made->position.push_back(here);
    made->flat =
        made->flat && here.lo == made->position.front().lo && here.hi == made->position.front().hi;
  }
  // Where all are alike, counts are enough unless what is before differs from what is after.
  constexpr double kMaxSums = 1e8, kFew = 1e5;
  const double sums = double(n_) * double(m_.places.size());
  if (!made->flat && sums > kMaxSums) return nullptr;
  if (!made->flat || sums <= kFew) fill(*made);
  m_.keep(name, made);
  return made;
}

void Asker::fill(Sweep& s) const {
  const std::size_t G = m_.places.size(), n = std::size_t(n_);
  const auto one_way = [&](bool forward, auto& sums, auto& most) {
    sums.assign(G, std::vector<double>(n, kNothing));
    most.assign(G, std::vector<double>(G, kNothing));
    std::vector<Exponentials> running(G);
    for (std::size_t step = 0; step < n; ++step) {
      const std::size_t i = forward ? step : n - 1 - step;
      const auto own = std::size_t(m_.s.group_of[i]);
      for (std::size_t g = 0; g < G; ++g) {
        sums[g][i] = running[g].log_over(s.position[i].lo, n_);
        most[g][own] = std::max(most[g][own], sums[g][i]);
      }
      running[own].add(s.position[i].hi);
    }
  };
  one_way(true, s.before, s.most_before);
  one_way(false, s.after, s.most_after);
}

}  // namespace separatrix::relayer
