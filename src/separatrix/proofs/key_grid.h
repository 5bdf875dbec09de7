#pragma once

#include <optional>
#include <string>
#include <vector>

#include "separatrix/model/weights.h"
#include "separatrix/proofs/layered/numbers.h"
#include "separatrix/proofs/lookup_pattern.h"

namespace separatrix {

/// What the attention of one layer and one head does at the last token of a task of index lookup's
/// form, for all queries at once, when its scores ignore the symbols and its keys are different
/// points of a grid. Linear in the number of positions. docs/theory.md, "The product bound".
struct KeyGrid {
  /// For every query: the exponentials of all symbols' scores but the one asked for, added up, are
  /// at most `leak` times that one; `worst` is the query that needs the most.
  double leak = 0;
  Index worst = 0;
  FastInterval self;                       ///< hull of the query's own exponential, the same unit
  std::vector<FastInterval> self_value;    ///< [dv], hull over the queries, before rounding
  std::vector<FastInterval> stream;        ///< [D], hull of the last row's residual stream
  std::vector<std::vector<double>> value;  ///< [|S|][dv], before rounding
  std::vector<double> value_bound;         ///< [dv]: sum_d |x_d| |W_v| for every row
  std::optional<std::pair<Index, Index>> equal_keys = {};  ///< then `leak` says nothing
};

/// One attention layer of one head without norms; weights as the arithmetic keeps them.
struct LookupLayer {
  Index D = 0, dk = 0, dv = 0, C = 0;
  double scale = 1;
  bool residual = true;
  Arithmetic arithmetic = Arithmetic::real;
  std::span<const float> embedding, positions;  ///< [V, D], [T, D] or empty
  std::vector<layered::Column> q, k, v, o, head;
  std::vector<double> head_bias;
  /// Row of the stream before the layer, as it is kept.
  void row(Token token, Index t, std::vector<double>& x) const;
  /// What a tensor keeps of x.
  double kept(double x) const;
};
/// nullopt with `why` when the model has another form.
std::optional<LookupLayer> view_lookup_layer(const Weights& weights, Arithmetic arithmetic,
                                             std::string& why);

/// nullopt with `why` when symbols take part in scores or positions in values, when float32 would
/// round a score, or when the keys are on no small grid.
std::optional<KeyGrid> read_key_grid(const LookupLayer& layer, const LookupPattern& pattern,
                                     std::string& why);

}  // namespace separatrix
