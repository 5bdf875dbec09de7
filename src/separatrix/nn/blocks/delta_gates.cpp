#include "separatrix/nn/blocks/delta_gates.h"

#include <algorithm>
#include <cmath>

#include "separatrix/base/rng.h"
#include "separatrix/nn/blocks/matrix_state.h"

namespace separatrix {

void DeltaGates::forward(Index steps, Index D, const float* x, const Values& out) const {
  project(steps, D, x, b, H, out.beta);
  for (Index i = 0; i < steps * H; ++i) out.beta[i] = most_beta / (1 + std::exp(-out.beta[i]));
  if (!gated) return;
  project(steps, D, x, a, H, out.softplus_input);
  for (Index i = 0; i < steps * H; ++i) {
    const float z = out.softplus_input[i] += dt_bias[i % H];
    const float softplus = std::max(z, 0.0F) + std::log1p(std::exp(-std::fabs(z)));
    out.log_decay[i] = -std::exp(A_log[i % H]) * softplus;
    out.decay[i] = std::exp(out.log_decay[i]);
  }
}

void DeltaGates::backward(Index steps, Index D, const float* x, const Values& values,
                          const Differentials& in, const Gradients& out) const {
  for (Index i = 0; i < steps * H; ++i) in.beta_dbeta[i] *= 1 - values.beta[i] / most_beta;
  project_backward(steps, D, x, b, H, in.beta_dbeta, out.b, out.dx);
  if (!gated) return;
  for (Index i = 0; i < steps * H; ++i) {
    const float d = in.dlog_decay[i], z = values.softplus_input[i];
    out.A_log[i % H] += d * values.log_decay[i];
    in.dlog_decay[i] = -d * std::exp(A_log[i % H]) / (1 + std::exp(-z));
    out.dt_bias[i % H] += in.dlog_decay[i];
  }
  project_backward(steps, D, x, a, H, in.dlog_decay, out.a, out.dx);
}

void draw_a_log(LayerPlace /*place*/, Rng& rng, std::span<float> values) {
  for (float& v : values) v = float(std::log(16 * (1 - rng.uniform())));
}

}  // namespace separatrix
