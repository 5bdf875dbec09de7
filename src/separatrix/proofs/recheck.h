#pragma once

#include <string>

#include "separatrix/nn/model.h"
#include "separatrix/proofs/certificate.h"

namespace separatrix {

/// Shared by the rechecking sides only. Empty text if the counterexample is an instance of the
/// task on which the model, run plainly (reference_logits) and by its kernels, breaks the claim.
std::string recheck_counterexample(const Certificate& certificate, const Task& task,
                                   const Weights& weights, const Registry<Block>& blocks);

}  // namespace separatrix
