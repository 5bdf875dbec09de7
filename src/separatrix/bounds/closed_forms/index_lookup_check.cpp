#include <algorithm>
#include <map>

#include "separatrix/bounds/closed_forms/index_lookup_witness.h"

// Carries out the rule of a closed-form witness with Task::label and Task::legal_next alone: all
// pairs of the classes it names when they are few, drawn pairs otherwise.

namespace separatrix {
namespace {

using Tokens = std::vector<Token>;
constexpr Index kAllPairs = 4096;
constexpr Index kDrawnPairs = 1000;
constexpr Index kDrawnTokens = Index{1} << 26;  ///< labelled in all, at most

Token last_target(const Task& task, const Tokens& tokens) {
  Tokens targets(tokens.size());
  task.label(tokens, targets);
  return targets.back();
}

/// How many prefixes of N symbols there are: the product of the choices met on one path (they do
/// not depend on the path; drawn paths are compared with it).
mpz_class product(const std::map<Index, Index>& choices) {
  mpz_class out = 1;
  for (const auto& [size, times] : choices) {
    mpz_class power;
    mpz_ui_pow_ui(power.get_mpz_t(), std::uint64_t(size), std::uint64_t(times));
    out *= power;
  }
  return out;
}

class QueryLast {
 public:
  QueryLast(const Task& task, Index length) : task_(task), length_(length) {}

  WitnessCheck check(const Bound& bound) {
    if (bound.split != length_) return {false, "the cut is not before the query"};
    std::map<Index, Index> choices;
    Tokens prefix;
    const Tokens symbols = task_.legal_next({}, length_);
    for (Index t = 0; t < length_; ++t) {
      const Tokens next = task_.legal_next(prefix, length_);
      if (next != symbols) return {false, "the symbols depend on the position"};
      ++choices[Index(next.size())];
      prefix.push_back(next.back());
    }
    queries_ = task_.legal_next(prefix, length_);
    if (Index(queries_.size()) != length_) return {false, "there is not one query per position"};
    const mpz_class covered = product(choices);
    if (bound.count != covered)
      return {false, "the rule covers another number of prefixes than the count"};
    return covered * (covered - 1) / 2 <= kAllPairs ? all_pairs() : drawn_pairs();
  }

 private:
  bool told_apart(Tokens a, Tokens b) const {
    const auto at = std::mismatch(a.begin(), a.end(), b.begin()).first - a.begin();
    a.push_back(queries_[std::size_t(at)]);
    b.push_back(queries_[std::size_t(at)]);
    const Token x = last_target(task_, a), y = last_target(task_, b);
    return x != kIgnore && y != kIgnore && x != y;
  }

  WitnessCheck all_pairs() const {
    std::vector<Tokens> prefixes;
    for_each_instance(task_, length_, [&](std::span<const Token> tokens) {
      Tokens prefix(tokens.begin(), tokens.end() - 1);
      if (prefixes.empty() || prefixes.back() != prefix) prefixes.push_back(std::move(prefix));
      return true;
    });
    Index pairs = 0;
    for (std::size_t i = 0; i < prefixes.size(); ++i)
      for (std::size_t j = 0; j < i; ++j, ++pairs)
        if (!told_apart(prefixes[i], prefixes[j])) return {false, "a pair is not told apart"};
    return {true, "all " + std::to_string(pairs) + " pairs"};
  }

  /// The hardest pairs: prefixes that differ at one position only.
  WitnessCheck drawn_pairs() const {
    Rng rng(0, RngUse::search);
    const Tokens symbols = task_.legal_next({}, length_);
    const Index q = Index(symbols.size());
    const Index pairs = std::clamp<Index>(kDrawnTokens / (2 * length_), 4, kDrawnPairs);
    for (Index i = 0; i < pairs; ++i) {
      Tokens a(std::size_t(length_), 0);
      for (Token& token : a) token = symbols[std::size_t(rng.below(q))];
      Tokens b(a);
      Token& changed = b[std::size_t(rng.below(length_))];
      const Token old = changed;
      while (changed == old) changed = symbols[std::size_t(rng.below(q))];
      if (!told_apart(std::move(a), std::move(b))) return {false, "a drawn pair is not told apart"};
    }
    return {true, "rule on " + std::to_string(pairs) + " random pairs, seed 0"};
  }

  const Task& task_;
  Index length_;
  Tokens queries_;
};

/// Classes after the query and one symbol: (query 0, each symbol), (each other query, symbol 0).
class QueryFirst {
 public:
  QueryFirst(const Task& task, Index length) : task_(task), length_(length) {}

  WitnessCheck check(const Bound& bound) const {
    if (bound.split != 2) return {false, "the cut is not after the query and one symbol"};
    const Tokens queries = task_.legal_next({}, length_);
    const Tokens symbols = task_.legal_next(std::span(queries).first(1), length_);
    std::vector<std::pair<Index, Token>> classes;  // (query, first symbol)
    for (const Token s : symbols) classes.emplace_back(0, s);
    for (Index p = 1; p < Index(queries.size()); ++p) classes.emplace_back(p, symbols.front());
    const Index n = Index(classes.size());
    if (bound.count != long(n))
      return {false, "the rule covers another number of prefixes than the count"};
    const bool all = n * (n - 1) / 2 <= kAllPairs;
    const Index pairs =
        all ? n * (n - 1) / 2 : std::clamp<Index>(kDrawnTokens / (2 * length_), 4, kDrawnPairs);
    Rng rng(0, RngUse::search);
    Index i = 1, j = 0;
    for (Index done = 0; done < pairs; ++done) {
      if (!all) {
        i = rng.below(n);
        j = (i + 1 + rng.below(n - 1)) % n;
      }
      if (!told_apart(queries, symbols, classes[std::size_t(i)], classes[std::size_t(j)]))
        return {false, "a pair is not told apart"};
      if (all && ++j == i) {
        ++i;
        j = 0;
      }
    }
    const std::string what = std::to_string(pairs);
    return {true, all ? "all " + what + " pairs" : "rule on " + what + " random pairs, seed 0"};
  }

 private:
  bool told_apart(const Tokens& queries, const Tokens& symbols, std::pair<Index, Token> a,
                  std::pair<Index, Token> b) const {
    // One suffix for both: symbol 0 everywhere but where the later query looks (b looks at its own
    // position, or has seen its symbol).
    if (a.first < b.first) std::swap(a, b);
    Tokens suffix(std::size_t(length_ - 1), symbols.front());
    if (a.first > 0) {
      const Token seen = b.first > 0 ? symbols.front() : b.second;
      suffix[std::size_t(a.first - 1)] =
          *std::find_if(symbols.begin(), symbols.end(), [&](Token s) { return s != seen; });
    }
    const auto answer = [&](std::pair<Index, Token> c) {
      Tokens tokens = {queries[std::size_t(c.first)], c.second};
      tokens.insert(tokens.end(), suffix.begin(), suffix.end());
      return last_target(task_, tokens);
    };
    const Token x = answer(a), y = answer(b);
    return x != kIgnore && y != kIgnore && x != y;
  }

  const Task& task_;
  Index length_;
};

}  // namespace

WitnessCheck check_index_lookup(const Task& task, const Bound& bound) {
  const Json rule = bound.witness.is_object() ? bound.witness.value("rule", Json()) : Json();
  if (rule == kRuleQueryLast) return QueryLast(task, bound.length).check(bound);
  if (rule == kRuleQueryFirst) return QueryFirst(task, bound.length).check(bound);
  return {false, "not a witness of this method"};
}

}  // namespace separatrix
