#pragma once

#include "separatrix/bounds/one_layer/evidence.h"
#include "separatrix/bounds/one_layer/inequality.h"

namespace separatrix::one_layer {

struct OneLayerMethod {
  std::string name;
  Measure measure{};
  OneLayerArithmetic arithmetic{};
};

/// Every evidence for the measure as a bound with the arithmetic's inequality.
std::vector<Bound> one_layer_bounds(const BoundRequest& request, const OneLayerMethod& method);

}  // namespace separatrix::one_layer
