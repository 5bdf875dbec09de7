#include "separatrix/bounds/one_layer/evidence.h"

#include <algorithm>

#include "separatrix/base/error.h"

namespace separatrix::one_layer {

Index one_layer_tokens(const BoundRequest& request) {
  return request.task.info(request.length).n_tokens - 1;
}

Index one_layer_answer_bits(const BoundRequest& request) {
  const Index classes = request.task.info(request.length).n_classes;
  Index bits = 1;
  while ((Index{1} << bits) < classes) ++bits;
  return bits;
}

std::vector<Evidence> one_layer_evidence(const BoundRequest& request, Measure measure) {
  std::vector<Evidence> out = closed_one_layer(request, measure);
  return out;
}

}  // namespace separatrix::one_layer
