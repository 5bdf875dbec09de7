#include <algorithm>

#include "separatrix/proofs/layered/recheck_reading.h"

namespace separatrix::relayer {

Logits::Logits(const Machine& machine, const Rounding& rounding)
    : m_(machine), rounding_(rounding) {
  std::vector<Index> column(std::size_t(m_.D), -1);
  for (const Terms& terms : m_.head)
    for (const Term& t : terms) column[std::size_t(t.at)] = 0;
  for (Index d = 0; d < m_.D; ++d)
    if (column[std::size_t(d)] == 0) {
      column[std::size_t(d)] = Index(used_.size());
      used_.push_back(d);
    }
  weight_.assign(m_.head.size() * used_.size(), 0);
  for (std::size_t c = 0; c < m_.head.size(); ++c)
    for (const Term& t : m_.head[c])
      weight_[c * used_.size() + std::size_t(column[std::size_t(t.at)])] = t.weight;
}

std::vector<Quantity> Logits::row(const std::vector<Quantity>& asked,
                                  const std::vector<Quantity>& context) const {
  std::vector<Quantity> x = asked;
  for (std::size_t d = 0; d < x.size(); ++d)
    if (!m_.last.o[d].empty())
      x[d] = rounding_.residual(asked[d], rounding_.sum(m_.last.o[d], context).value);
  for (const Mlp& mlp : m_.top) pass(mlp, rounding_, x);
  const bool finite =
      std::all_of(x.begin(), x.end(), [](const Quantity& entry) { return entry.range.finite(); });
  return finite ? x : std::vector<Quantity>();
}

std::vector<Real> Logits::losses(const std::vector<Quantity>& row) const {
  std::vector<Real> out;
  for (std::size_t c = 0; c < m_.head.size(); ++c) {
    const auto sum = rounding_.sum(m_.head[c], row, m_.head_bias[c]);
    out.push_back(sum.error + sum.absolute * 0x1p-52L);
    if (rounding_.emulated()) out.back() += rounding_.store_loss(sum.value.range.size());
  }
  return out;
}

bool Logits::keep(const std::vector<Quantity>& row, const std::vector<Real>& losses, Token answer,
                  Real margin) const {
  const Rounding plain(Arithmetic::real);
  const std::size_t n = used_.size(), y = std::size_t(answer);
  for (std::size_t c = 0; c < m_.head.size(); ++c) {
    if (c == y) continue;
    const Real needed = margin + losses[y] + losses[c];
    // Most are far ahead: what the ranges say is enough, and takes no forms.
    Real gap = Real(m_.head_bias[y]) - m_.head_bias[c], size = std::fabs(gap);
    for (std::size_t i = 0; i < n; ++i) {
      const Real weight = Real(weight_[y * n + i]) - weight_[c * n + i];
      if (weight == 0) continue;
      const Range& x = row[std::size_t(used_[i])].range;
      gap += weight * (weight > 0 ? x.lo : x.hi);
      size += std::fabs(weight) * x.size();
    }
    if (gap - size * Real(n + 4) * 0x1p-62L >= needed) continue;
    Terms terms;
    for (std::size_t i = 0; i < n; ++i)
      terms.push_back({used_[i], weight_[y * n + i] - weight_[c * n + i]});
    const auto sum = plain.sum(terms, row, m_.head_bias[y] - m_.head_bias[c]);
    if (!(sum.value.range.lo - size * 0x1p-52L >= needed)) return false;  // weights' differences
  }
  return true;
}

}  // namespace separatrix::relayer
