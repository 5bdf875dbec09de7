#pragma once

#include <span>

#include "separatrix/model/weights.h"

namespace separatrix {

/// The gates of the delta rules, per position and head:
///   beta = most_beta sigmoid(x W_b);  log g = -exp(A_log) softplus(x W_a + dt_bias) if gated.
/// Derivation: docs/derivations/delta_net.md.
struct DeltaGates {
  Index H = 1;
  float most_beta = 1;
  bool gated = false;
  const float *b = nullptr, *a = nullptr, *A_log = nullptr, *dt_bias = nullptr;

  struct Values {  ///< [steps, H] each; the last three only if gated
    float *beta = nullptr, *softplus_input = nullptr, *log_decay = nullptr, *decay = nullptr;
  };
  struct Differentials {  ///< beta times its gradient, and the gradient of log g; used up
    float *beta_dbeta = nullptr, *dlog_decay = nullptr;
  };
  struct Gradients {  ///< +=
    float *b = nullptr, *a = nullptr, *A_log = nullptr, *dt_bias = nullptr, *dx = nullptr;
  };
  /// x [steps, D].
  void forward(Index steps, Index D, const float* x, const Values& out) const;
  void backward(Index steps, Index D, const float* x, const Values& values, const Differentials& in,
                const Gradients& out) const;
};

/// Starting values: A uniform up to 16.
void draw_a_log(LayerPlace place, Rng& rng, std::span<float> values);

}  // namespace separatrix
