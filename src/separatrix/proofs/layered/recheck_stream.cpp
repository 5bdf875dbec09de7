#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

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

void join(std::vector<Range>& ranges, const std::vector<Range>& more) {
  for (std::size_t i = 0; i < ranges.size(); ++i) ranges[i].join(more[i]);
}

/// What symbols are in the stream and as values of the first attention.
class Symbols {
 public:
  struct Both {
    std::vector<Range> stream = {}, value = {};  ///< [D], [heads dv]
  };
  Symbols(const Machine& m, const Rounding& rounding) {
    absolute.assign(m.first ? m.first->v.size() : 0, 0);
    for (Token v = 0; v < Token(m.V); ++v) {
      std::vector<Quantity> x;
      Both& both = single_.emplace_back();
      for (Index d = 0; d < m.D; ++d) {
        x.push_back(Quantity::point(m.token(v, d)));
        both.stream.push_back(x.back().range);
      }
      for (std::size_t i = 0; i < absolute.size(); ++i) {
        const auto sum = rounding.sum(m.first->v[i], x);
        both.value.push_back(rounding.stored(sum.value.range));
        absolute[i] = std::max({absolute[i], sum.absolute, both.value.back().size()});
      }
    }
  }
  /// The ranges over all tokens of the symbol.
  const Both& of(const Symbol& symbol) {
    if (symbol.least == symbol.most) return single_[std::size_t(symbol.least)];
    const auto [at, fresh] = several_.try_emplace({symbol.least, symbol.most});
    if (fresh) {
      at->second = single_[std::size_t(symbol.least)];
      for (Token v = symbol.least; v <= symbol.most; ++v) {
        join(at->second.stream, single_[std::size_t(v)].stream);
        join(at->second.value, single_[std::size_t(v)].value);
      }
    }
    return at->second;
  }
  const std::vector<Range>& any_value() { return of({0, Token(single_.size()) - 1}).value; }
  std::vector<Real> absolute;  ///< of the terms of a value, at most

 private:
  std::vector<Both> single_;
  std::map<std::pair<Token, Token>, Both> several_;
};

/// The heads' averages where a position looks so: the first of the row's unknowns.
std::vector<Quantity> averages(const Machine& m, const Rounding& rounding, Symbols& symbols,
                               const GroupShares& shares, const Look& look,
                               std::size_t n_unknowns) {
  const Attention& a = *m.first;
  std::vector<Quantity> context(a.v.size());
  for (std::size_t i = 0; i < context.size(); ++i) {
    const GroupShares::Head& head = shares.heads[i / std::size_t(a.dv)];
    // In two ways: a share of at least `low` each and the remainder anywhere; or a share between
    // both ends each, and at most `rest` elsewhere.
    Range anywhere = symbols.any_value()[i], least, between{0, 0};
    Real low = 0;
    for (std::size_t w = 0; w < look.size(); ++w) {
      const Range& v = symbols.of(look[w]).value[i];
      least = least + Range{head.share[w].lo, head.share[w].lo} * v;
      between = between + head.share[w] * v;
      low += head.share[w].lo;
    }
    const Real remainder = std::max(0.0L, 1 - low) + 0x1p-60L;
    least = least + Range{remainder, remainder} * anywhere;
    between = between + Range{0, head.rest} * anywhere;
    Range both{std::max(least.lo, between.lo), std::min(least.hi, between.hi)};
    const Real loss = head.error * symbols.absolute[i] +
                      (rounding.real() ? 0 : Real(m.T) * 0x1p-80L * (1 + symbols.absolute[i]));
    context[i] =
        Quantity::unknown(rounding.stored(Range{both.lo - loss, both.hi + loss}), i, n_unknowns);
  }
  return context;
}

}  // namespace

std::string make_stream(const Machine& m, const Picture& p, const Rounding& rounding, Stream& s) {
  const Ledger ledger(m);
  group(m, p, ledger, s);
  for (Index d = 0; d < m.D; ++d) s.still.push_back(ledger.still(std::size_t(d)));
  std::vector<GroupShares> shares(s.member.size());
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
  }
  constexpr double kMaxEntries = 3e8;
  double entries = 0;
  for (const int role : s.role)
    entries += double(p.options[std::size_t(role)].size() + p.kept.size()) * double(m.D);
  if (entries > kMaxEntries) return "too many rows";
  std::vector<bool> asks(s.member.size(), false);
  for (const Index t : p.asked) asks[std::size_t(s.group_of[std::size_t(t)])] = true;
  Symbols symbols(m, rounding);
  const std::size_t n_averages = m.first ? m.first->v.size() : 0;
  for (std::size_t g = 0; g < s.member.size(); ++g) {
    const auto row = [&](const Look& look) {
      const bool known = look.front().least == look.front().most;
      const std::size_t n_unknowns = n_averages + (known ? 0 : std::size_t(m.D));
      std::vector<Quantity> x;
      for (Index d = 0; d < m.D; ++d) {
        const Quantity parts[] = {Quantity::unknown(symbols.of(look.front()).stream[std::size_t(d)],
                                                    n_averages + std::size_t(d), n_unknowns),
                                  Quantity::point(m.position(s.member[g], d))};
        x.push_back(s.still[std::size_t(d)]
                        ? Quantity::point(0)
                        : rounding.stored(rounding.sum({{0, 1}, {1, 1}}, parts).value));
      }
      if (m.first) {
        const auto context = averages(m, rounding, symbols, shares[g], look, n_unknowns);
        for (std::size_t d = 0; d < x.size(); ++d)
          if (!m.first->o[d].empty())
            x[d] = rounding.residual(x[d], rounding.sum(m.first->o[d], context).value);
      }
      for (const Mlp& mlp : m.middle) pass(mlp, rounding, x);
      return x;
    };
    auto &rows = s.row.emplace_back(), &askers = s.asker.emplace_back(),
         &kept = s.kept.emplace_back();
    for (const Look& look : p.options[std::size_t(s.role[g])]) rows.push_back(row(look));
    if (asks[g])
      for (const Look& look : p.askers) askers.push_back(row(look));
    for (const Kept& k : p.kept)
      kept.push_back(k.role == s.role[g] ? row(k.look) : std::vector<Quantity>());
  }
  return {};
}

}  // namespace separatrix::relayer
