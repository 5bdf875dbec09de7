#include "separatrix/bounds/recurrent/enumeration.h"

#include <algorithm>

#include "separatrix/bounds/recurrent/enumeration_witness.h"
#include "separatrix/bounds/recurrent/residuals.h"

namespace separatrix {
namespace {

constexpr Index kMaxInstances = Index{1} << 22;

struct MyhillNerodeConfig {};
template <class V>
void visit(V&, MyhillNerodeConfig&) {}

std::vector<CutCount> count_cuts(const Residuals& residuals) {
  std::vector<CutCount> cuts;
  for (Index t = 0; t < Index(residuals.levels.size()); ++t)
    cuts.push_back({t, mpz_class(long(distinguishable_classes(residuals, t).size())),
                    bool(residuals.total[std::size_t(t)])});
  return cuts;
}

/// At most kWitnessPrefixes representatives, evenly spread over the classes, and enough suffixes
/// to tell every two of them apart.
Json find_witness(const Residuals& residuals, Index split) {
  const std::vector<Index> all = distinguishable_classes(residuals, split);
  std::vector<Index> chosen;
  const Index kept = std::min<Index>(kWitnessPrefixes, Index(all.size()));
  for (Index i = 0; i < kept; ++i) chosen.push_back(all[std::size_t(i * Index(all.size()) / kept)]);

  Distinguisher distinguisher(residuals);
  Json prefixes = Json::array(), pairs = Json::array();
  std::vector<std::vector<Token>> suffixes;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    prefixes.push_back(residuals.levels[std::size_t(split)][std::size_t(chosen[i])].representative);
    for (std::size_t j = 0; j < i; ++j) {
      const auto suffix = distinguisher.suffix(split, chosen[j], chosen[i]);
      if (suffix) suffixes.push_back(*suffix);
    }
  }
  std::sort(suffixes.begin(), suffixes.end());
  suffixes.erase(std::unique(suffixes.begin(), suffixes.end()), suffixes.end());
  return {{"kind", kWitnessKind}, {"prefixes", prefixes}, {"suffixes", suffixes}};
}

/// Folds the tree of all instances; the bound is the cut with the most classes.
class MyhillNerode final : public BoundMethod {
 public:
  using Config = MyhillNerodeConfig;
  explicit MyhillNerode(const Config&) {}

  std::vector<Bound> compute(const BoundRequest& request) const override {
    const Residuals residuals = fold_residuals(request.task, request.length, kMaxInstances);
    if (!residuals.causal) return {};
    const std::vector<CutCount> cuts = count_cuts(residuals);
    const auto worst =
        std::max_element(cuts.begin(), cuts.end(),
                         [](const CutCount& a, const CutCount& b) { return a.count < b.count; });
    const bool exact = std::all_of(cuts.begin(), cuts.end(), [](CutCount c) { return c.exact; });
    return {{.method = "myhill-nerode",
             .theorem = "nerode1958 thm 2, per length (docs/theory.md, Recurrent state)",
             .resource = Resource::recurrent_state_bits,
             .length = request.length,
             .split = worst->split,
             .count = worst->count,
             .exact = exact,
             .cuts = cuts,
             .witness = find_witness(residuals, worst->split)}};
  }
  WitnessCheck check(const BoundRequest& request, const Bound& bound) const override {
    return check_enumeration(request.task, bound);
  }
};

}  // namespace

std::vector<CutCount> classes_per_cut(const Task& task, Index length) {
  const Residuals residuals = fold_residuals(task, length, kMaxInstances);
  return residuals.causal ? count_cuts(residuals) : std::vector<CutCount>{};
}

void register_enumeration(Registry<BoundMethod>& bounds) {
  bounds.add<MyhillNerode>("myhill-nerode",
                           "exact number of recurrent states by enumerating all inputs");
}

}  // namespace separatrix
