#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "separatrix/base/parallel.h"
#include "separatrix/proofs/layered/recheck_machine.h"
#include "separatrix/proofs/layered/recheck_shares.h"

namespace separatrix::relayer {
namespace {

using Flags = std::vector<bool>;

void mark(Flags& flags, const std::vector<Terms>& columns) {
  for (const Terms& terms : columns)
    for (const Term& term : terms) flags[std::size_t(term.at)] = true;
}

/// Which entries of the stream hold what.
struct Ledger {
  Flags symbols, written, mixed, used;
  explicit Ledger(const Machine& m) {
    const auto D = std::size_t(m.D);
    symbols = written = mixed = used = Flags(D, false);
    for (std::size_t i = 0; i < m.tokens.size(); ++i)
      if (m.tokens[i] != 0) symbols[i % D] = true;
    const auto write = [&](const std::vector<Terms>& columns) {
      for (std::size_t d = 0; d < D; ++d)
        if (!columns[d].empty()) written[d] = true;
    };
    if (m.first) write(m.first->o);
    for (const Mlp& mlp : m.middle) {
      write(mlp.out);
      for (std::size_t d = 0; d < D; ++d)
        if (mlp.out_bias[d] != 0) written[d] = true;
      mark(mixed, mlp.in);
    }
    mark(mixed, m.last.v);
    used = mixed;
    mark(used, m.last.q);
    mark(used, m.last.k);
    mark(used, m.head);
    for (const Mlp& mlp : m.top) mark(used, mlp.in);
  }
  bool still(std::size_t d) const { return !symbols[d] && !written[d] && !mixed[d]; }
};

void group(const Machine& m, const Picture& p, const Ledger& ledger, Stream& s) {
  std::map<std::vector<double>, Index> seen;
  for (Index t = 0; t < m.T; ++t) {
    std::vector<double> key{double(p.role[std::size_t(t)])};
    for (Index d = 0; d < m.D; ++d)
      if (ledger.used[std::size_t(d)] && !ledger.still(std::size_t(d)))
        key.push_back(m.position(t, d));
    const auto [at, fresh] = seen.emplace(std::move(key), Index(s.member.size()));
    if (fresh) {
      s.member.push_back(t);
      s.role.push_back(p.role[std::size_t(t)]);
    }
    s.group_of.push_back(at->second);
  }
}

/// The values of the first attention: of each token, and the range of all.
struct TokenValues {
  std::vector<std::vector<Range>> of;  ///< [V][heads dv]
  std::vector<Range> any;
  std::vector<Real> absolute;

  TokenValues(const Machine& m, const Rounding& rounding) {
    const std::size_t n = m.first->v.size();
    absolute.assign(n, 0);
    for (Token v = 0; v < Token(m.V); ++v) {
      std::vector<Quantity> x;
      for (Index d = 0; d < m.D; ++d) x.push_back(Quantity::point(m.token(v, d)));
      auto& values = of.emplace_back();
      for (std::size_t i = 0; i < n; ++i) {
        const auto sum = rounding.sum(m.first->v[i], x);
        values.push_back(rounding.stored(sum.value.range));
        absolute[i] = std::max({absolute[i], sum.absolute, values.back().size()});
      }
      if (v == 0) any = values;
      for (std::size_t i = 0; i < n; ++i) any[i].join(values[i]);
    }
  }
};

/// The heads' averages where a position looks so, each an unknown of its own.
std::vector<Quantity> averages(const Machine& m, const Rounding& rounding,
                               const TokenValues& values, const GroupShares& shares,
                               const Look& look) {
  const Attention& a = *m.first;
  std::vector<Quantity> context(a.v.size());
  for (std::size_t i = 0; i < context.size(); ++i) {
    const GroupShares::Head& head = shares.heads[i / std::size_t(a.dv)];
    // In two ways: a share of at least `low` each and the remainder anywhere; or a share between
    // both ends each, and at most `rest` elsewhere.
    Range anywhere = values.any[i], least, between{0, 0};
    Real low = 0;
    for (std::size_t w = 0; w < look.size(); ++w) {
      const Range& v = values.of[std::size_t(look[w])][i];
      least = least + Range{head.share[w].lo, head.share[w].lo} * v;
      between = between + head.share[w] * v;
      low += head.share[w].lo;
    }
    const Real remainder = std::max(0.0L, 1 - low) + 0x1p-60L;
    least = least + Range{remainder, remainder} * anywhere;
    between = between + Range{0, head.rest} * anywhere;
    Range both{std::max(least.lo, between.lo), std::min(least.hi, between.hi)};
    const Real loss = head.error * values.absolute[i] +
                      (rounding.real() ? 0 : Real(m.T) * 0x1p-80L * (1 + values.absolute[i]));
    context[i] = Quantity::between(rounding.stored(Range{both.lo - loss, both.hi + loss}));
    if (context[i].spread > 0) {
      context[i].linear.assign(context.size(), 0);
      context[i].linear[i] = context[i].spread;
      context[i].spread = 0;
    }
  }
  return context;
}

}  // namespace

std::string make_stream(const Machine& m, const Picture& p, const Rounding& rounding, int threads,
                        Stream& s) {
  const Ledger ledger(m);
  group(m, p, ledger, s);
  for (Index d = 0; d < m.D; ++d) s.still.push_back(ledger.still(std::size_t(d)));
  std::vector<GroupShares> shares(s.member.size());
  std::optional<TokenValues> values;
  if (m.first) {
    Flags scored(std::size_t(m.D), false), valued = scored;
    mark(scored, m.first->q);
    mark(scored, m.first->k);
    mark(valued, m.first->v);
    for (Index d = 0; d < m.D; ++d) {
      if (scored[std::size_t(d)] && ledger.symbols[std::size_t(d)])
        return "symbols take part in the first attention's scores";
      for (Index t = 0; t < m.T && valued[std::size_t(d)]; ++t)
        if (m.position(t, d) != 0) return "positions have values in the first attention";
    }
    if (auto wrong = shares_of_groups(m, p, s.group_of, rounding, shares); !wrong.empty())
      return wrong;
    for (const GroupShares& of : shares)
      for (const auto& head : of.heads) s.leak = std::max(s.leak, head.rest);
    values.emplace(m, rounding);
  }
  constexpr double kMaxEntries = 3e8;
  double entries = 0;
  for (const int role : s.role)
    entries += double(p.options[std::size_t(role)].size()) * double(m.D);
  if (entries > kMaxEntries) return "too many rows";
  for (std::size_t g = 0; g < s.member.size(); ++g) {
    const auto& options = p.options[std::size_t(s.role[g])];
    auto& rows = s.row.emplace_back(options.size());
    parallel_for(threads, Index(options.size()), [&](std::size_t /*worker*/, Index o) {
      const Look& look = options[std::size_t(o)];
      std::vector<Quantity> x;
      for (Index d = 0; d < m.D; ++d) {
        const Quantity parts[] = {Quantity::point(m.token(look.front(), d)),
                                  Quantity::point(m.position(s.member[g], d))};
        x.push_back(s.still[std::size_t(d)]
                        ? Quantity::point(0)
                        : rounding.stored(rounding.sum({{0, 1}, {1, 1}}, parts).value));
      }
      if (m.first) {
        const auto context = averages(m, rounding, *values, shares[g], look);
        for (std::size_t d = 0; d < x.size(); ++d)
          if (!m.first->o[d].empty())
            x[d] = rounding.residual(x[d], rounding.sum(m.first->o[d], context).value);
      }
      for (const Mlp& mlp : m.middle) pass(mlp, rounding, x);
      rows[std::size_t(o)] = std::move(x);
    });
  }
  return {};
}

}  // namespace separatrix::relayer
