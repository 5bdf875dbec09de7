#include "separatrix/bounds/one_layer/method.h"

namespace separatrix::one_layer {

std::vector<Bound> one_layer_bounds(const BoundRequest& request, const OneLayerMethod& method) {
  std::vector<Bound> out;
  for (Evidence& evidence : one_layer_evidence(request, method.measure)) {
    Bound bound{.method = method.name,
                .theorem = std::move(evidence.theorem),
                .resource = Resource::one_layer_transformer_bits,
                .length = request.length,
                .split = evidence.split,
                .count = std::move(evidence.count),
                .exact = evidence.exact,
                .formula = std::move(evidence.formula),
                .witness = std::move(evidence.witness)};
    bound.inequality =
        one_layer_inequality(request.one_layer, {.arithmetic = method.arithmetic,
                                                 .tokens = one_layer_tokens(request),
                                                 .answer_bits = one_layer_answer_bits(request),
                                                 .needed = bound.bits(),
                                                 .partition = std::move(evidence.partition)});
    out.push_back(std::move(bound));
  }
  return out;
}

}  // namespace separatrix::one_layer
