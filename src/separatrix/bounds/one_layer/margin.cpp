#include "separatrix/bounds/one_layer/method.h"
#include "separatrix/bounds/one_layer/witness.h"

namespace separatrix {
namespace one_layer {
namespace {

struct MarginConfig {};
template <class V>
void visit(V&, MarginConfig&) {}

/// Attention over the real numbers whose answers have a margin: Alice may round what she says.
class Margin final : public BoundMethod {
 public:
  using Config = MarginConfig;
  explicit Margin(const Config&) {}

  std::vector<Bound> compute(const BoundRequest& request) const override {
    std::vector<Bound> bounds = one_layer_bounds(
        request, {"one-layer-margin", Measure::rows, OneLayerArithmetic::margin});
    for (Bound& bound : bounds) bound.scope = "machines with these V, S, Lambda and mu";
    return bounds;
  }
  WitnessCheck check(const BoundRequest& request, const Bound& bound) const override {
    return check_witness(request, bound);
  }
};

}  // namespace
}  // namespace one_layer

void register_one_layer_margin(Registry<BoundMethod>& bounds) {
  bounds.add<one_layer::Margin>("one-layer-margin",
                                "one transformer layer over the reals that answers with a margin");
}

}  // namespace separatrix
