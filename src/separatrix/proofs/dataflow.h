#pragma once

#include <optional>
#include <span>
#include <string>

#include "separatrix/proofs/certificate.h"

namespace separatrix {

/// The model form that the dataflow certificate is for: embedding -> one Elman layer (ReLU, state
/// rounded to bits, no residual, no norm, no positions) -> head.
struct BitRnn {
  Index V = 0, C = 0, D = 0;
  std::span<const float> embedding, w_x, w_h, bias, head, head_bias;
};
/// nullopt with `why` when the model has another form.
std::optional<BitRnn> view_bit_rnn(const Weights& weights, std::string& why);

/// Recheck of a proved certificate by interval propagation (dataflow_recheck.cpp). Empty = valid.
std::string recheck_bit_rnn(const Certificate& certificate, const Task& task, const BitRnn& model);

}  // namespace separatrix
