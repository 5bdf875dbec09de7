#include "separatrix/nn/blocks/step_sizes.h"

#include <cmath>

#include "separatrix/base/rng.h"

namespace separatrix {
namespace {

double log_dt(Rng& rng) {
  const double low = std::log(1e-3), high = std::log(1e-1);
  return low + (high - low) * rng.uniform();
}

}  // namespace

void draw_log_dt(LayerPlace /*place*/, Rng& rng, std::span<float> values) {
  for (float& v : values) v = float(log_dt(rng));
}

void draw_dt_bias(LayerPlace /*place*/, Rng& rng, std::span<float> values) {
  for (float& v : values) {
    const double dt = std::exp(log_dt(rng));
    v = float(dt + std::log(-std::expm1(-dt)));
  }
}

}  // namespace separatrix
