#include <algorithm>

#include "separatrix/refute/attempt.h"
#include "separatrix/base/parallel.h"

namespace separatrix {
namespace {

struct ForgettingConfig {
  Index samples = 32;  ///< prefixes per round
  Index pairs = 24;    ///< run through the model per round
};
template <class V>
void visit(V& v, ForgettingConfig& c) {
  v("samples", c.samples, "prefixes per round, each with one symbol changed at every position");
  v("pairs", c.pairs, "pairs of least distance that are run through the model per round");
}

/// For models whose state contracts: a symbol read early is forgotten by the cut. Changes each
/// symbol of a prefix in turn and compares the states at the cut; bit-identical ones first, among
/// them the earliest changes.
class Forgetting final : public Attack {
 public:
  using Config = ForgettingConfig;
  explicit Forgetting(const Config& config) : config_(config) {}

  AttackResult run(const Target& target, const AttackOptions& options) const override {
    if (const std::string why = why_not_recurrent(target); !why.empty()) return not_applicable(why);
    Attempt attempt("forgetting", target, options);
    const std::vector<Index> cuts = choose_cuts(target, options.seed);
    std::vector<RecurrentState> states = recurrent_states(target, options.threads);
    std::optional<Refutation> found;
    for (std::size_t round = 0; !found && !attempt.effort.spent(); ++round) {
      const Prefixes prefixes(target, options.seed, cuts[round % cuts.size()]);
      const std::vector<PrefixPair> pairs = forgotten(attempt, prefixes, states, round);
      found = judge_pairs(attempt.method, Suffixes(target, prefixes.cut()), pairs, attempt.judge,
                          options, attempt.effort);
    }
    return attempt.result(std::move(found));
  }

 private:
  /// The closest pairs among the changes of this round's samples.
  std::vector<PrefixPair> forgotten(Attempt& attempt, const Prefixes& prefixes,
                                    std::vector<RecurrentState>& states, std::size_t round) const {
    std::vector<std::vector<PrefixPair>> of_sample(std::size_t(config_.samples));
    std::vector<std::vector<Index>> changed(of_sample.size());
    parallel_for(attempt.options.threads, config_.samples, [&](std::size_t worker, Index i) {
      if (attempt.effort.spent()) return;
      const auto at = std::size_t(i);
      const std::uint64_t index = round * std::uint64_t(config_.samples) + std::uint64_t(i);
      changes_of(prefixes, index, states[worker], of_sample[at], changed[at]);
    });
    struct Place {
      std::size_t sample, pair;
    };
    std::vector<Place> order;
    Index n = 0;
    for (std::size_t s = 0; s < of_sample.size(); ++s)
      for (std::size_t p = 0; p < of_sample[s].size(); ++p, ++n) order.push_back({s, p});
    attempt.effort.count("changed prefixes", n);
    std::stable_sort(order.begin(), order.end(), [&](const Place& a, const Place& b) {
      const double da = of_sample[a.sample][a.pair].distance;
      const double db = of_sample[b.sample][b.pair].distance;
      return da != db ? da < db : changed[a.sample][a.pair] < changed[b.sample][b.pair];
    });
    order.resize(std::min(order.size(), std::size_t(config_.pairs)));
    std::vector<PrefixPair> closest;
    for (const Place& place : order)
      closest.push_back(std::move(of_sample[place.sample][place.pair]));
    return closest;
  }

  /// One change per position that leads into another class.
  static void changes_of(const Prefixes& prefixes, std::uint64_t index, RecurrentState& states,
                         std::vector<PrefixPair>& pairs, std::vector<Index>& changed) {
    Rng rng(index, RngUse::search, 1);
    const Tokens instance = prefixes.instance(index);
    const Index cut = prefixes.cut();
    const Tokens u(instance.begin(), instance.begin() + cut);
    const Tokens suffix(instance.begin() + cut, instance.end());
    const std::uint64_t own_class = prefixes.class_of(u);
    std::vector<Edit> edits;
    std::vector<char> tried(std::size_t(cut), 0);
    for (const Edit& edit : prefixes.edits(u, cut, std::size_t(16 * cut), rng)) {
      char& done = tried[std::size_t(edit.position)];
      Tokens v = u;
      v[std::size_t(edit.position)] = edit.token;
      if (done || prefixes.class_of(v) == own_class) continue;
      done = 1;
      edits.push_back(edit);
      changed.push_back(edit.position);
      pairs.push_back({u, std::move(v), {suffix}, 0});
    }
    const auto n = std::size_t(states.size());
    std::vector<float> own(n), others(n * edits.size());
    states.after(u, own.data());
    states.after_edits(u, edits, others.data());
    for (std::size_t e = 0; e < edits.size(); ++e)
      pairs[e].distance = distance(own, std::span(others).subspan(e * n, n));
  }

  Config config_;
};

}  // namespace

void register_forgetting(Registry<Attack>& attacks) {
  attacks.add<Forgetting>("forgetting",
                          "recurrent: prefixes that differ in one symbol that the state forgets");
}

}  // namespace separatrix
