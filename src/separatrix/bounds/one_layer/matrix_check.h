#pragma once

#include "separatrix/bounds/bound.h"

namespace separatrix::one_layer {

/// Check the witnesses that list parts of inputs: "rows", "fooling set" and "rank". `asked` and
/// `last` have been read and are in range; the rest of the witness has not.
WitnessCheck check_rows(const BoundRequest& request, const Bound& bound, Index asked, Token last);
WitnessCheck check_fooling_set(const BoundRequest& request, const Bound& bound, Index asked,
                               Token last);
WitnessCheck check_rank(const BoundRequest& request, const Bound& bound, Index asked, Token last);

}  // namespace separatrix::one_layer
