#pragma once

#include "separatrix/bounds/bound.h"

namespace separatrix::one_layer {

/// Carries out the rule of a "rule" witness with Task::label and Task::legal_next alone: on all
/// pairs of the classes it names when they are few, on drawn pairs and nearest ones otherwise.
/// `asked` and `last` have been read and are in range; the rest of the witness has not.
WitnessCheck check_one_layer_rule(const BoundRequest& request, const Bound& bound, Index asked,
                                  Token last);

}  // namespace separatrix::one_layer
