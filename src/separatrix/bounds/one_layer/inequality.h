#pragma once

#include "separatrix/bounds/bound.h"

namespace separatrix::one_layer {

/// The machines that the inequalities of docs/theory.md ("One layer") speak about.
enum class OneLayerArithmetic {
  fixed_shifted,    ///< fixed point, weights e^(s - max): two-way, limited by leaves
  fixed_unshifted,  ///< fixed point, weights e^s: one-way, limited by rows
  streaming,        ///< any number format, token after token: one-way, Alice holds a prefix
  margin,           ///< real numbers with a margin: one-way, limited by rows
};

/// What an inequality is filled in with.
struct OneLayerClaim {
  OneLayerArithmetic arithmetic{};
  Index tokens = 0;       ///< N: tokens besides the one that is asked
  Index answer_bits = 1;  ///< ceil(log2 number of answers), at least 1
  Index needed = 0;       ///< ceil(log2 rows or leaves)
  std::string partition;
};

/// left(H, d_v) = H (per_value d_v + per_head) + fixed >= needed, in words and numbers. Throws what
/// check_numbers throws.
Inequality one_layer_inequality(const OneLayerNumbers& numbers, const OneLayerClaim& claim);

}  // namespace separatrix::one_layer
