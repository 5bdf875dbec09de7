#pragma once

#include <optional>
#include <string>
#include <vector>

#include "separatrix/proofs/lookup_form.h"
#include "separatrix/proofs/run.h"

namespace separatrix {

/// Dense row-major doubles, so that products of float32 numbers are exact.
struct Matrix {
  Index rows = 0, cols = 0;
  std::vector<double> data;
  Matrix() = default;
  Matrix(Index r, Index c) : rows(r), cols(c), data(std::size_t(r * c), 0.0) {}
  double& operator()(Index i, Index j) { return data[std::size_t(i * cols + j)]; }
  double operator()(Index i, Index j) const { return data[std::size_t(i * cols + j)]; }
};
Matrix to_matrix(std::span<const float> values, Index rows);  ///< row-major
Matrix product(const Matrix& a, const Matrix& b);
Matrix transposed(const Matrix& a);
Matrix absolute(const Matrix& a);
double largest(const Matrix& a);  ///< magnitude of an entry

/// The model form that the position-only certificates are for: embedding + positions -> one
/// attention layer of one head, no norm, no MLP -> head.
struct OneLayer {
  Index V = 0, C = 0, D = 0;
  double scale = 1;
  bool causal = true, residual = true;
  Matrix embedding, positions;  ///< [V, D], [T, D] (zero where the model has none)
  Matrix q, k, v, o;            ///< [D, dk], [D, dk], [D, dv], [dv, D]
  Matrix head, head_bias;       ///< [D, C], [1, C]
};
/// What the attention block multiplies its scores by, rounded to float32 as there; `config` is the
/// block's, dk the width of a head's keys.
double attention_scale(const Json& config, Index dk);
/// nullopt with `why` when the model has another form.
std::optional<OneLayer> view_one_layer(const Weights& weights, const TaskInfo& info,
                                       std::string& why);

/// What the asked row (the last) sees of an input of lookup form, when the scores do not depend on
/// the symbols.
struct Scores {
  bool exact = false;    ///< float32 computes them without rounding, in every order (both paths)
  double magnitude = 0;  ///< bounds every score with absolute values everywhere
  Matrix queries;        ///< [|Q|, D]: the query folded into the keys, u = scale W_k q
  Matrix keys;           ///< [n, D]: embedding of a symbol + positions
  std::vector<double> self;  ///< [|Q|]: score of the query's own row
};
/// nullopt with `why` when the symbols take part in the scores: each term of each sum is looked at,
/// (E[s] - E[s'])_d W_k[d, i] must be zero.
std::optional<Scores> position_only_scores(const OneLayer& m, const LookupForm& form,
                                           std::string& why);

/// Contributions to the logits, [., C]: of a symbol's value, of the query's own value, and of what
/// goes round the attention (residual and bias).
struct Readout {
  Matrix symbol, query, constant;
  double magnitude = 0;  ///< largest sum of absolute terms in any logit, attention part
  double constant_magnitude = 0;
};
/// nullopt with `why` when positions have values of their own.
std::optional<Readout> read_out(const OneLayer& m, const LookupForm& form, std::string& why);

}  // namespace separatrix
