#include "separatrix/bounds/one_layer/method.h"
#include "separatrix/bounds/one_layer/witness.h"

namespace separatrix {
namespace one_layer {
namespace {

struct StreamingConfig {};
template <class V>
void visit(V&, StreamingConfig&) {}

/// Attention as kernels compute it, token after token: what they carry past a prefix must tell its
/// rows apart, bit for bit, in any number format.
class Streaming final : public BoundMethod {
 public:
  using Config = StreamingConfig;
  explicit Streaming(const Config&) {}

  std::vector<Bound> compute(const BoundRequest& request) const override {
    return one_layer_bounds(
        request, {"one-layer-streaming", Measure::prefix_rows, OneLayerArithmetic::streaming});
  }
  WitnessCheck check(const BoundRequest& request, const Bound& bound) const override {
    return check_prefix(request, bound);
  }
};

}  // namespace
}  // namespace one_layer

void register_one_layer_streaming(Registry<BoundMethod>& bounds) {
  bounds.add<one_layer::Streaming>(
      "one-layer-streaming", "one transformer layer with online softmax, Alice holds a prefix");
}

}  // namespace separatrix
