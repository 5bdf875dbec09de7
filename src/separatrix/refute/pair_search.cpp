#include "separatrix/refute/pair_search.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "separatrix/base/parallel.h"

namespace separatrix {
namespace {

/// Nearer combinations of edits of which the classes and suffixes are looked at, per step.
constexpr std::size_t kCombinations = 12;
/// Candidate pairs, as a multiple of those wanted: not each has a distinguishing suffix at hand.
constexpr std::size_t kSpare = 6;

double squared_distance(const float* a, const float* b, std::size_t n) {
  float sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return double(sum);
}

/// Prefixes of samples with their states and classes.
struct Sampled {
  std::vector<Tokens> instances;
  std::vector<float> states;  ///< [instances, size]
  std::vector<std::uint64_t> classes;
  std::size_t size = 0;
  const float* state(std::size_t i) const { return states.data() + i * size; }
};

Sampled sample(const Attempt& attempt, const PairSearch& s) {
  Sampled all;
  all.size = std::size_t(s.states.front()->size());
  const auto n = std::size_t(s.samples);
  all.instances.resize(n);
  all.classes.resize(n);
  all.states.resize(n * all.size);
  parallel_for(attempt.options.threads, s.samples, [&](std::size_t worker, Index i) {
    const auto at = std::size_t(i);
    if (attempt.effort.spent()) return;
    all.instances[at] = s.prefixes.instance(s.first_sample + at);
    const auto prefix = std::span(all.instances[at]).first(std::size_t(s.prefixes.cut()));
    all.classes[at] = s.prefixes.class_of(prefix);
    s.states[worker]->after(prefix, all.states.data() + at * all.size);
  });
  return all;
}

struct Near {
  double squared = std::numeric_limits<double>::infinity();
  std::size_t a = 0, b = 0;
};

/// Each prefix's nearest later one of another class, the nearest pairs first.
std::vector<Near> nearest_pairs(const Attempt& attempt, const Sampled& all) {
  const std::size_t n = all.instances.size();
  std::vector<Near> nearest(n);
  parallel_for(attempt.options.threads, Index(n), [&](std::size_t, Index i) {
    if (attempt.effort.spent()) return;
    const auto a = std::size_t(i);
    Near& best = nearest[a];
    for (std::size_t b = a + 1; b < n; ++b) {
      const double squared = squared_distance(all.state(a), all.state(b), all.size);
      if (squared < best.squared && all.classes[a] != all.classes[b]) best = {squared, a, b};
    }
  });
  std::stable_sort(nearest.begin(), nearest.end(),
                   [](const Near& x, const Near& y) { return x.squared < y.squared; });
  while (!nearest.empty() && !(nearest.back().squared < std::numeric_limits<double>::infinity()))
    nearest.pop_back();
  return nearest;
}

/// Pairs with a suffix, which becomes their only hint.
std::vector<PrefixPair> with_suffixes(const Attempt& attempt, const PairSearch& s,
                                      const Sampled& all, std::vector<Near> nearest) {
  nearest.resize(std::min(nearest.size(), kSpare * std::size_t(s.pairs)));
  std::vector<PrefixPair> candidates(nearest.size());
  const Index cut = s.prefixes.cut();
  parallel_for(attempt.options.threads, Index(nearest.size()), [&](std::size_t, Index i) {
    if (attempt.effort.spent()) return;
    const Near& near = nearest[std::size_t(i)];
    const Tokens &a = all.instances[near.a], &b = all.instances[near.b];
    PrefixPair pair{{a.begin(), a.begin() + cut}, {b.begin(), b.begin() + cut}, {}, 0};
    pair.hints = {Tokens(a.begin() + cut, a.end()), Tokens(b.begin() + cut, b.end())};
    pair.hints = s.suffixes.find(pair, 1);
    pair.distance = distance({all.state(near.a), all.size}, {all.state(near.b), all.size});
    if (!pair.hints.empty()) candidates[std::size_t(i)] = std::move(pair);
  });
  std::vector<PrefixPair> pairs;
  for (PrefixPair& pair : candidates)
    if (!pair.hints.empty() && Index(pairs.size()) < s.pairs) pairs.push_back(std::move(pair));
  return pairs;
}

/// A prefix and its edits, with their states.
struct Neighbourhood {
  std::vector<Edit> edits;  ///< the first stands for no edit
  std::vector<float> states;

  Neighbourhood(const PairSearch& s, PrefixState& states_of, const Tokens& prefix, Rng& rng) {
    edits = s.prefixes.edits(prefix, s.prefixes.cut(), std::size_t(s.edits), rng);
    edits.insert(edits.begin(), {0, prefix[0]});
    states.resize(edits.size() * std::size_t(states_of.size()));
    states_of.after_edits(prefix, edits, states.data());
  }
};

/// The nearest combination of at most one edit on each side that keeps the pair of two classes with
/// a distinguishing suffix; false if none is nearer than the pair itself.
bool step_nearer(const PairSearch& s, PrefixState& states, PrefixPair& pair, Rng& rng) {
  const auto size = std::size_t(states.size());
  const Neighbourhood of_u(s, states, pair.u, rng), of_v(s, states, pair.v, rng);
  std::vector<Near> nearer;
  const double now = squared_distance(of_u.states.data(), of_v.states.data(), size);
  for (std::size_t a = 0; a < of_u.edits.size(); ++a)
    for (std::size_t b = 0; b < of_v.edits.size(); ++b) {
      const double squared =
          squared_distance(of_u.states.data() + a * size, of_v.states.data() + b * size, size);
      if (squared < now) nearer.push_back({squared, a, b});
    }
  const std::size_t tries = std::min(nearer.size(), kCombinations);
  std::partial_sort(nearer.begin(), nearer.begin() + Index(tries), nearer.end(),
                    [](const Near& x, const Near& y) {
                      return std::tie(x.squared, x.a, x.b) < std::tie(y.squared, y.a, y.b);
                    });
  for (std::size_t i = 0; i < tries; ++i) {
    PrefixPair next = pair;
    const Edit &a = of_u.edits[nearer[i].a], &b = of_v.edits[nearer[i].b];
    next.u[std::size_t(a.position)] = a.token;
    next.v[std::size_t(b.position)] = b.token;
    if (s.prefixes.class_of(next.u) == s.prefixes.class_of(next.v)) continue;
    next.hints = s.suffixes.find(next, 1);
    if (next.hints.empty()) continue;
    next.distance = distance(std::span(of_u.states).subspan(nearer[i].a * size, size),
                             std::span(of_v.states).subspan(nearer[i].b * size, size));
    pair = std::move(next);
    return true;
  }
  return false;
}

}  // namespace

std::optional<Refutation> search_pairs(Attempt& attempt, const PairSearch& s) {
  const Sampled all = sample(attempt, s);
  if (attempt.effort.spent()) return std::nullopt;
  attempt.effort.count("prefixes", s.samples);
  std::vector<PrefixPair> pairs = with_suffixes(attempt, s, all, nearest_pairs(attempt, all));
  for (Index round = 0;; ++round) {
    auto found = judge_pairs(attempt.method, s.suffixes, pairs, attempt.judge, attempt.options,
                             attempt.effort);
    if (found || pairs.empty() || round == s.rounds || attempt.effort.spent()) return found;
    std::vector<Index> taken(pairs.size(), 0);
    parallel_for(attempt.options.threads, Index(pairs.size()), [&](std::size_t worker, Index i) {
      const std::uint64_t stream =
          (s.first_sample + std::uint64_t(i)) * std::uint64_t(s.rounds) + std::uint64_t(round);
      Rng rng(attempt.options.seed ^ 0x5eed, RngUse::search, stream);
      Index& steps = taken[std::size_t(i)];
      while (steps < s.steps && !attempt.effort.spent() &&
             step_nearer(s, *s.states[worker], pairs[std::size_t(i)], rng))
        ++steps;
    });
    Index steps = 0;
    for (const Index n : taken) steps += n;
    attempt.effort.count("steps nearer", steps);
    if (steps == 0) return std::nullopt;
  }
}

}  // namespace separatrix
