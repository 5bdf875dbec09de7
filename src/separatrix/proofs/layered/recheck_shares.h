#pragma once

#include "separatrix/proofs/layered/recheck_machine.h"

namespace separatrix::relayer {

/// How the first attention's weight is divided, whatever the symbols: hulls over a group.
struct GroupShares {
  struct Head {
    std::vector<Range> share = {};  ///< of each place that is looked at
    Real rest = 0;                  ///< of all others, at most
    Real error = 0;                 ///< relative, of what is computed with them
  };
  std::vector<Head> heads = {};
};
/// Empty text, or why not. The sum of all weights of a query is formed directly, or, for keys that
/// are corners of a box, for all queries at once by a transform of the counted corners:
///     F(s) = sum_keys prod_i e^(-2 a_i [k_i != s_i]),
/// one bit after the other.
std::string shares_of_groups(const Machine& machine, const Picture& picture,
                             const std::vector<Index>& group_of, const Rounding& rounding,
                             std::vector<GroupShares>& shares);

}  // namespace separatrix::relayer
