#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <unordered_map>

#include "separatrix/refute/attempt.h"
#include "separatrix/refute/distinguished_points.h"
#include "separatrix/base/parallel.h"

namespace separatrix {
namespace {

struct StateCollisionConfig {
  Index table = Index(1) << 20;  ///< prefixes
  Index walk_bits = 96;
};
template <class V>
void visit(V& v, StateCollisionConfig& c) {
  v("table", c.table, "prefixes whose states are kept; beyond it, distinguished points");
  v("walk_bits", c.walk_bits, "most state bits for which distinguished points are walked to");
}

constexpr Index kRound = 4096;       // prefixes per round
constexpr std::size_t kTrails = 64;  // trails per round
constexpr std::size_t kPairs = 24;   // pairs run through the model at once

/// Two prefixes of different classes with bit-identical states, after which one answer must be
/// wrong. Birthday search: of b bits that behave like random ones, sqrt(pi/2 2^b) prefixes are
/// expected to be enough. First with a table of all states, then, if it is full and b is not
/// hopeless, with distinguished points.
class StateCollision final : public Attack {
 public:
  using Config = StateCollisionConfig;
  explicit StateCollision(const Config& config) : config_(config) {}

  AttackResult run(const Target& target, const AttackOptions& options) const override {
    if (const std::string why = why_not_recurrent(target); !why.empty()) return not_applicable(why);
    Attempt attempt("state-collision", target, options);
    std::vector<RecurrentState> states = recurrent_states(target, options.threads);
    const std::vector<Index> cuts = choose_cuts(target, options.seed);
    std::optional<Refutation> found;
    for (std::size_t i = 0; !found && i < cuts.size(); ++i) {
      const Prefixes prefixes(target, options.seed, cuts[i]);
      found = by_table(attempt, prefixes, states);
    }
    const Index bits = StateRunner(target.weights, target.blocks).bits();
    if (!found && !cuts.empty() && bits <= config_.walk_bits)
      found = by_trails(attempt, Prefixes(target, options.seed, cuts.front()), states, bits);
    return attempt.result(std::move(found));
  }

 private:
  std::optional<Refutation> by_table(Attempt& attempt, const Prefixes& prefixes,
                                     std::vector<RecurrentState>& states) const;
  std::optional<Refutation> by_trails(Attempt& attempt, const Prefixes& prefixes,
                                      std::vector<RecurrentState>& states, Index bits) const;
  /// Keeps the pairs that are what they should be; runs them through the model.
  static std::optional<Refutation> judge(
      Attempt& attempt, const Prefixes& prefixes, RecurrentState& state,
      const std::vector<std::pair<std::uint64_t, std::uint64_t>>& indices);

  Config config_;
};

/// Prefix of sample `index`, and the hash of the state after it.
std::uint64_t state_of(const Prefixes& prefixes, RecurrentState& states, std::uint64_t index,
                       std::uint64_t* residual_class = nullptr) {
  const Tokens instance = prefixes.instance(index);
  const auto prefix = std::span(instance).first(std::size_t(prefixes.cut()));
  std::vector<float> state(std::size_t(states.size()));
  states.after(prefix, state.data());
  if (residual_class != nullptr) *residual_class = prefixes.class_of(prefix);
  return hash_state(state);
}

std::optional<Refutation> StateCollision::by_table(Attempt& attempt, const Prefixes& prefixes,
                                                   std::vector<RecurrentState>& states) const {
  struct Kept {
    std::uint64_t index, residual_class;
  };
  std::unordered_map<std::uint64_t, Kept> table;  // by state
  for (Index begin = 0; begin < config_.table && !attempt.effort.spent(); begin += kRound) {
    const Index n = std::min(kRound, config_.table - begin);
    std::vector<std::uint64_t> keys(static_cast<std::size_t>(n)), classes(keys.size());
    parallel_for(attempt.options.threads, n, [&](std::size_t worker, Index i) {
      if (attempt.effort.spent()) return;
      keys[std::size_t(i)] =
          state_of(prefixes, states[worker], std::uint64_t(begin + i), &classes[std::size_t(i)]);
    });
    if (attempt.effort.spent()) break;
    attempt.effort.count("prefixes", n);
    std::vector<std::pair<std::uint64_t, std::uint64_t>> equal;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const Kept now{std::uint64_t(begin) + i, classes[i]};
      const auto [known, is_new] = table.emplace(keys[i], now);
      if (!is_new && known->second.residual_class != now.residual_class)
        equal.emplace_back(known->second.index, now.index);
    }
    for (std::size_t first = 0; first < equal.size(); first += kPairs) {
      const auto last = equal.begin() + Index(std::min(first + kPairs, equal.size()));
      auto found = judge(attempt, prefixes, states.front(), {equal.begin() + Index(first), last});
      if (found || attempt.effort.spent()) return found;
    }
  }
  return std::nullopt;
}

std::optional<Refutation> StateCollision::by_trails(Attempt& attempt, const Prefixes& prefixes,
                                                    std::vector<RecurrentState>& states,
                                                    Index bits) const {
  // Trails long enough that all ends of an expected search fit the table.
  const double spare = double(bits) / 2 - std::log2(double(std::max<Index>(config_.table, 1)));
  DistinguishedPoints points(
      [&](std::size_t worker, std::uint64_t x) { return state_of(prefixes, states[worker], x); },
      int(std::clamp(spare + 3, 3.0, 40.0)));
  Rng rng(attempt.options.seed, RngUse::search, ~std::uint64_t(0));
  Index counted = 0;
  while (!attempt.effort.spent()) {
    std::vector<std::uint64_t> starts(kTrails);
    for (std::uint64_t& start : starts) start = rng.bits();
    const auto collisions =
        points.walk(starts, attempt.options.threads, [&] { return attempt.effort.spent(); });
    attempt.effort.count("prefixes on trails", points.evaluations() - counted);
    counted = points.evaluations();
    if (auto found = judge(attempt, prefixes, states.front(), collisions)) return found;
  }
  return std::nullopt;
}

std::optional<Refutation> StateCollision::judge(
    Attempt& attempt, const Prefixes& prefixes, RecurrentState& state,
    const std::vector<std::pair<std::uint64_t, std::uint64_t>>& indices) {
  std::vector<PrefixPair> pairs;
  for (const auto& [a, b] : indices) {
    const Tokens first = prefixes.instance(a), second = prefixes.instance(b);
    const Index cut = prefixes.cut();
    PrefixPair pair;
    pair.u.assign(first.begin(), first.begin() + cut);
    pair.v.assign(second.begin(), second.begin() + cut);
    if (prefixes.class_of(pair.u) == prefixes.class_of(pair.v)) continue;
    pair.hints = {Tokens(first.begin() + cut, first.end()),
                  Tokens(second.begin() + cut, second.end())};
    std::vector<float> u(std::size_t(state.size())), v(u.size());
    state.after(pair.u, u.data());
    state.after(pair.v, v.data());
    pair.distance = distance(u, v);  // 0 but for a collision of the hash
    pairs.push_back(std::move(pair));
  }
  attempt.effort.count("collisions", Index(pairs.size()));
  return judge_pairs(attempt.method, Suffixes(attempt.target, prefixes.cut()), pairs, attempt.judge,
                     attempt.options, attempt.effort);
}

}  // namespace

void register_state_collision(Registry<Attack>& attacks) {
  attacks.add<StateCollision>("state-collision",
                              "recurrent: prefixes of different classes with equal state bits");
}

}  // namespace separatrix
