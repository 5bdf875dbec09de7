#include "separatrix/bounds/one_layer/method.h"
#include "separatrix/bounds/one_layer/witness.h"

namespace separatrix {
namespace one_layer {
namespace {

struct FixedPointConfig {};
template <class V>
void visit(V&, FixedPointConfig&) {}

/// Attention in fixed point, any partition. With the maximum subtracted, both sides must speak: the
/// protocol has as many leaves as the matrix needs. Without, Alice alone speaks: as many messages
/// as there are rows.
class FixedPoint final : public BoundMethod {
 public:
  using Config = FixedPointConfig;
  explicit FixedPoint(const Config&) {}

  std::vector<Bound> compute(const BoundRequest& request) const override {
    std::vector<Bound> out = one_layer_bounds(
        request, {"one-layer-fixed-point", Measure::leaves, OneLayerArithmetic::fixed_shifted});
    std::vector<Bound> one_way = one_layer_bounds(
        request, {"one-layer-fixed-point", Measure::rows, OneLayerArithmetic::fixed_unshifted});
    out.insert(out.end(), one_way.begin(), one_way.end());
    return out;
  }
  WitnessCheck check(const BoundRequest& request, const Bound& bound) const override {
    return check_witness(request, bound);
  }
};

}  // namespace
}  // namespace one_layer

void register_one_layer_fixed_point(Registry<BoundMethod>& bounds) {
  bounds.add<one_layer::FixedPoint>("one-layer-fixed-point",
                                    "one transformer layer in fixed-point numbers, any partition");
}

}  // namespace separatrix
