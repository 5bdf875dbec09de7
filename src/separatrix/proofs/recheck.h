#pragma once

#include <string>

#include "separatrix/nn/model.h"
#include "separatrix/proofs/certificate.h"

namespace separatrix {

/// Shared by the rechecking sides only. Empty text if the counterexample is an instance of the
/// task on which the model, run plainly (reference_logits) and in
/// the arithmetic of the claim, breaks the claim.
std::string recheck_counterexample(const Certificate& certificate, const Subject& subject);

/// Empty, or which option of this config of a block "attention" makes it more than the plain
/// attention that the rechecks can follow.
std::string unlike_plain_attention(const Json& config);

/// Empty, or why the model is not one plain attention layer of one head without norms whose weights
/// are moderate numbers (below 2^16): what the rechecks of one-layer certificates can follow.
std::string unlike_one_layer(const Weights& weights);

}  // namespace separatrix
