#pragma once

#include <string>
#include <vector>

#include "separatrix/bounds/bound.h"
#include "separatrix/bounds/recurrent/residual_diagram.h"

namespace separatrix {

/// Pairwise distinguishable classes at every cut 0 .. n_tokens.
std::vector<CutCount> count_cuts(const ResidualDiagram& diagram);

/// The bound at the (first) cut with the most classes, with its witness.
Bound diagram_bound(const BoundRequest& request, const std::string& method,
                    const ResidualDiagram& diagram);

}  // namespace separatrix
