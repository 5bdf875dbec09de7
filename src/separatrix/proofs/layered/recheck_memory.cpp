#include <algorithm>

#include "separatrix/proofs/layered/recheck_reading.h"

namespace separatrix::relayer {

Memory::Memory(const Machine& machine, const Picture& picture, const Stream& stream,
               const Rounding& round, std::string& wrong)
    : m(machine), p(picture), s(stream), rounding(round), logits(machine, round) {
  const Attention& a = m.last;
  key_terms.assign(a.k.size(), 0);
  key_span.assign(a.k.size(), Span{});
  value_terms.assign(a.v.size(), 0);
  places.resize(s.member.size());
  for (Index t = 0; t < m.T; ++t) places[std::size_t(s.group_of[std::size_t(t)])].push_back(t);
  wrong = still_keys();
  if (!wrong.empty()) return;
  const Rounding plain(Arithmetic::real);
  std::map<std::vector<Real>, std::size_t> numbers;
  for (const auto& group : s.row) {
    auto& keys = key_of.emplace_back();
    auto& values = value.emplace_back();
    for (const std::vector<Quantity>& x : group) {
      std::vector<Range> k;
      std::vector<Real> name;
      for (std::size_t i = 0; i < a.k.size(); ++i) {
        // float32 may never form keys; its errors are counted with the scores.
        const auto sum = (rounding.emulated() ? rounding : plain).sum(a.k[i], x);
        k.push_back(rounding.emulated() ? rounding.stored(sum.value.range) : sum.value.range);
        key_terms[i] = std::max(key_terms[i], sum.absolute);
        key_span[i].join(Span::of(k.back()));
        if (!k.back().finite()) wrong = "a key is not finite";
        name.insert(name.end(), {k.back().lo, k.back().hi});
      }
      const auto [at, fresh] = numbers.try_emplace(std::move(name), key.size());
      if (fresh) key.push_back(std::move(k));
      keys.push_back(at->second);
      const auto& v = values.emplace_back(values_of(x, wrong));
      if (any_value.empty()) any_value = v;
      for (std::size_t i = 0; i < v.size(); ++i) any_value[i].join(v[i]);
      for (std::size_t d = 0; d < x.size(); ++d) seen[d].join(Span::of(x[d].range));
    }
  }
  for (const auto& group : s.kept)
    for (std::size_t k = 0; k < group.size(); ++k) {
      if (group[k].empty()) continue;
      const std::vector<Range> v = values_of(group[k], wrong);
      auto& known = kept.try_emplace(p.kept[k].answer, v).first->second;
      for (std::size_t i = 0; i < v.size(); ++i) known[i].join(v[i]);
    }
}

std::vector<Range> Memory::values_of(const std::vector<Quantity>& x, std::string& wrong) {
  const Rounding plain(Arithmetic::real);
  std::vector<Range> out;
  for (std::size_t i = 0; i < m.last.v.size(); ++i) {
    const auto sum = (rounding.emulated() ? rounding : plain).sum(m.last.v[i], x);
    out.push_back(rounding.emulated() ? rounding.stored(sum.value.range) : sum.value.range);
    value_terms[i] = std::max({value_terms[i], sum.absolute, out.back().size()});
    if (!out.back().finite()) wrong = "a value is not finite";
  }
  return out;
}

std::string Memory::still_keys() {
  const Attention& a = m.last;
  seen.assign(std::size_t(m.D), Span{});
  still_key.assign(std::size_t(m.T) * a.k.size(), Range{});
  has_still.assign(a.k.size(), false);
  std::vector<Terms> terms = a.k;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const std::size_t all = terms[i].size();
    std::erase_if(terms[i], [&](const Term& t) { return !s.still[std::size_t(t.at)]; });
    has_still[i] = !terms[i].empty();
    if (has_still[i] && terms[i].size() < all && rounding.emulated())
      return "a stored key is made of symbols and positions";
  }
  const Rounding plain(Arithmetic::real);
  std::vector<Quantity> x(std::size_t(m.D), Quantity::point(0));
  std::vector<Real> most(a.k.size(), 0);
  for (Index t = 0; t < m.T; ++t) {
    for (Index d = 0; d < m.D; ++d)
      if (s.still[std::size_t(d)]) {
        x[std::size_t(d)] = Quantity::point(m.position(t, d));
        seen[std::size_t(d)].join(Span::of(x[std::size_t(d)].range));
      }
    for (std::size_t i = 0; i < terms.size(); ++i) {
      if (!has_still[i]) continue;
      const auto sum = (rounding.emulated() ? rounding : plain).sum(terms[i], x);
      most[i] = std::max(most[i], sum.absolute);
      Range& k = still_key[std::size_t(t) * terms.size() + i];
      k = rounding.emulated() ? rounding.stored(sum.value.range) : sum.value.range;
      key_span[i].join(Span::of(k));
      if (!k.finite()) return "a key is not finite";
    }
  }
  // An upper bound for both parts together.
  for (std::size_t i = 0; i < most.size(); ++i) key_terms[i] += most[i];
  return {};
}

std::shared_ptr<const Sweep> Memory::known(const std::vector<Real>& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = sweeps_.find(name);
  return found == sweeps_.end() ? nullptr : found->second;
}

void Memory::keep(const std::vector<Real>& name, std::shared_ptr<const Sweep> sweep) const {
  constexpr std::size_t kMost = 64;
  const std::lock_guard lock(mutex_);
  if (sweeps_.size() < kMost) sweeps_.emplace(name, std::move(sweep));
}

}  // namespace separatrix::relayer
