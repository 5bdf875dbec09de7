#pragma once

#include "separatrix/bounds/bound.h"

namespace separatrix::one_layer {

/// What is counted of the matrix (Alice's part, Bob's part) -> answer.
enum class Measure {
  rows,         ///< distinct rows, any partition
  prefix_rows,  ///< distinct rows, Alice holds a prefix
  leaves,       ///< monochromatic rectangles of any division of the matrix
};

/// A count with its proof, before any arithmetic is talked about.
struct Evidence {
  mpz_class count = 1;
  bool exact = false;
  Index split = 0;  ///< tokens that Alice holds
  std::string partition = {}, formula = {}, theorem = {};
  Json witness = {};
};

/// From theorems, for any length. Empty when none covers the task. Throws Error(spec) when the
/// count would have more than 2^25 bits.
std::vector<Evidence> closed_one_layer(const BoundRequest& request, Measure measure);

/// From the task's labels: all partitions, or the best that hill-climbing finds. Throws Error(spec)
/// naming the size when one evaluation would not fit.
std::vector<Evidence> search_one_layer(const BoundRequest& request, Measure measure);

/// About how many inputs there are: the product of the choices on the way to a sampled one.
double estimated_instances(const BoundRequest& request);

/// Both, the larger count first; of the search only what another partition or a larger count adds.
std::vector<Evidence> one_layer_evidence(const BoundRequest& request, Measure measure);

/// Tokens besides the one that is asked, and ceil(log2 answers).
Index one_layer_tokens(const BoundRequest& request);
Index one_layer_answer_bits(const BoundRequest& request);

}  // namespace separatrix::one_layer
