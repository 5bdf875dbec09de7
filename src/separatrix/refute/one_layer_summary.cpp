#include <algorithm>

#include "separatrix/refute/one_layer_state.h"
#include "separatrix/refute/pair_search.h"

namespace separatrix {
namespace {

/// nearest-pair for transformers with one attention layer: what the last token's heads sum up of
/// the prefix takes the state's place.
class OneLayerSummary final : public Attack {
 public:
  using Config = PairSearchConfig;
  explicit OneLayerSummary(const Config& config) : config_(config) {}

  AttackResult run(const Target& target, const AttackOptions& options) const override {
    if (const std::string why = OneLayerState::why_not(target); !why.empty())
      return not_applicable(why);
    Attempt attempt("one-layer-summary", target, options);
    const std::vector<Index> cuts = choose_cuts(target, options.seed);
    std::optional<Refutation> found;
    for (std::size_t round = 0; !found && !attempt.effort.spent(); ++round) {
      const Prefixes prefixes(target, options.seed, cuts[round % cuts.size()]);
      const std::uint64_t first = round * std::uint64_t(config_.samples);
      const Token last = prefixes.instance(first).back();
      const OneLayerState state(target, prefixes.cut(), last);
      std::vector<OneLayerState> states(std::size_t(std::max(options.threads, 1)), state);
      std::vector<PrefixState*> workers;
      for (OneLayerState& worker : states) workers.push_back(&worker);
      const Suffixes suffixes(target, prefixes.cut(), last);
      found = search_pairs(attempt, {.prefixes = prefixes,
                                     .suffixes = suffixes,
                                     .states = workers,
                                     .first_sample = first,
                                     .samples = config_.samples,
                                     .pairs = config_.pairs});
    }
    return attempt.result(std::move(found));
  }

 private:
  Config config_;
};

}  // namespace

void register_one_layer_summary(Registry<Attack>& attacks) {
  attacks.add<OneLayerSummary>(
      "one-layer-summary",
      "one attention layer: prefixes of which its heads sum up nearly the same");
}

}  // namespace separatrix
