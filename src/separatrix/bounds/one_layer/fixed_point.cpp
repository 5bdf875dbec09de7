#include "separatrix/base/error.h"
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
    std::vector<Bound> out;
    std::optional<Error> too_large;  // of one variant; the other may fit
    for (const auto& [measure, arithmetic] :
         {std::pair(Measure::leaves, OneLayerArithmetic::fixed_shifted),
          std::pair(Measure::rows, OneLayerArithmetic::fixed_unshifted)}) {
      try {
        for (Bound& bound :
             one_layer_bounds(request, {"one-layer-fixed-point", measure, arithmetic}))
          out.push_back(std::move(bound));
      } catch (const Error& e) {
        if (e.kind() != ErrorKind::spec) throw;
        too_large = e;
      }
    }
    if (out.empty() && too_large) throw Error(*too_large);
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
