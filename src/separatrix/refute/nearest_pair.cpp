#include "separatrix/refute/pair_search.h"

namespace separatrix {
namespace {

/// For recurrent models whose states do not contract: K prefixes in an m-dimensional ball of radius
/// R have a pair nearer than about R K^(-2/m); edits bring it nearer still. What the model then
/// answers differs by at most its Lipschitz constant times the distance.
class NearestPair final : public Attack {
 public:
  using Config = PairSearchConfig;
  explicit NearestPair(const Config& config) : config_(config) {}

  AttackResult run(const Target& target, const AttackOptions& options) const override {
    if (const std::string why = why_not_recurrent(target); !why.empty()) return not_applicable(why);
    Attempt attempt("nearest-pair", target, options);
    const std::vector<Index> cuts = choose_cuts(target, options.seed);
    std::vector<RecurrentState> states = recurrent_states(target, options.threads);
    std::vector<PrefixState*> workers;
    for (RecurrentState& state : states) workers.push_back(&state);
    std::optional<Refutation> found;
    for (std::size_t round = 0; !found && !attempt.effort.spent(); ++round) {
      const Prefixes prefixes(target, options.seed, cuts[round % cuts.size()]);
      const Suffixes suffixes(target, prefixes.cut());
      found = search_pairs(attempt, {.prefixes = prefixes,
                                     .suffixes = suffixes,
                                     .states = workers,
                                     .first_sample = round * std::uint64_t(config_.samples),
                                     .samples = config_.samples,
                                     .pairs = config_.pairs});
    }
    return attempt.result(std::move(found));
  }

 private:
  Config config_;
};

}  // namespace

void register_nearest_pair(Registry<Attack>& attacks) {
  attacks.add<NearestPair>("nearest-pair",
                           "recurrent: prefixes with near states, brought nearer by edits");
}

}  // namespace separatrix
