#pragma once

#include <optional>
#include <string>
#include <vector>

#include "separatrix/model/weights.h"
#include "separatrix/proofs/layered/numbers.h"
#include "separatrix/proofs/one_layer.h"

namespace separatrix::layered {

struct AttentionPart {
  Index heads = 1, dk = 0, dv = 0;
  bool causal = true;
  double scale = 1;
  std::vector<Column> q, k, v, o;  ///< [heads dk], [heads dk], [heads dv], [D]
};

/// x += out^T relu(in^T x + in_bias) + out_bias.
struct MlpPart {
  std::vector<Column> in, out;
  std::vector<double> in_bias, out_bias;
};

/// The model form that the method is for: embedding + positions -> [attention -> MLPs ->] attention
/// -> MLPs -> head; ReLU, residual throughout, no norms. Weights as the arithmetic holds them.
struct Network {
  Index V = 0, C = 0, D = 0, T = 0;
  Matrix tokens = {}, positions = {};  ///< [V, D], [T, D]
  std::optional<AttentionPart> first = {};
  std::vector<MlpPart> middle = {};
  AttentionPart last = {};
  std::vector<MlpPart> top = {};
  std::vector<Column> head = {};  ///< [C]
  std::vector<double> head_bias = {};
};
/// nullopt with `why` when the model has another form.
std::optional<Network> view_network(const Weights& weights, Index n_tokens, Arithmetic arithmetic,
                                    std::string& why);

/// Whether some column reads coordinate d: [D].
std::vector<bool> read_by(const std::vector<Column>& columns, Index D);

using Box = std::vector<FastInterval>;
/// The MLP on one row, in place. Hidden units that are certainly on are followed as the affine
/// function that they are, so that differences of them stay sharp.
void apply(const MlpPart& mlp, const Numbers& numbers, Box& x);

}  // namespace separatrix::layered
