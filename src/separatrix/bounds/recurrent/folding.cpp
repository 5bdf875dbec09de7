#include "separatrix/bounds/recurrent/folding.h"

#include "separatrix/bounds/recurrent/diagram_bound.h"
#include "separatrix/bounds/recurrent/fold.h"
#include "separatrix/bounds/recurrent/prefixes_and_suffixes.h"

namespace separatrix {
namespace {

struct FoldingConfig {};
template <class V>
void visit(V&, FoldingConfig&) {}

/// Any task, through Task::label alone.
class Folding final : public BoundMethod {
 public:
  using Config = FoldingConfig;
  explicit Folding(const Config&) {}

  std::vector<Bound> compute(const BoundRequest& request) const override {
    const auto diagram = fold(request);
    if (!diagram) return {};
    return {diagram_bound(request, "folding", *diagram)};
  }
  WitnessCheck check(const BoundRequest& request, const Bound& bound) const override {
    return check_prefixes_and_suffixes(request, bound);
  }
};

}  // namespace

std::vector<CutCount> classes_per_cut(const Task& task, Index length) {
  const auto diagram = fold({.task = task, .task_name = "", .length = length});
  return diagram ? count_cuts(*diagram) : std::vector<CutCount>{};
}

void register_folding(Registry<BoundMethod>& bounds) {
  bounds.add<Folding>("folding", "exact number of recurrent states from the tree of all inputs");
}

}  // namespace separatrix
