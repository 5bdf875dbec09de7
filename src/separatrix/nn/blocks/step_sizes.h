#pragma once

#include <span>

#include "separatrix/model/weights.h"

// Starting values of the step sizes dt of the state space blocks and the gated delta rule, as
// published with Mamba and S4: log-uniform on [1e-3, 1e-1].

namespace separatrix {

/// log dt, for ParamSpec::draw.
void draw_log_dt(LayerPlace place, Rng& rng, std::span<float> values);
/// The v with softplus(v) = dt.
void draw_dt_bias(LayerPlace place, Rng& rng, std::span<float> values);

}  // namespace separatrix
