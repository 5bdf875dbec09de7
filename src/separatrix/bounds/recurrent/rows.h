#pragma once

#include <optional>

#include "separatrix/bounds/bound.h"

namespace separatrix {

/// The matrix (prefix of `split` tokens, suffix) -> targets from the cut on, written out.
struct Rows {
  Index different = 0;
  bool total = true;  ///< all rows have the same suffixes and are asked at the same places
};
/// nullopt when there are more than 2^24 instances, or 2^30 tokens of them.
std::optional<Rows> count_rows(const BoundRequest& request, Index split);

}  // namespace separatrix
