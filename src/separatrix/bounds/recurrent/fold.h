#pragma once

#include <optional>

#include "separatrix/bounds/bound.h"
#include "separatrix/bounds/recurrent/residual_diagram.h"

namespace separatrix {

/// Folds the tree of all instances from its leaves; on request.threads threads, with one result for
/// any number. nullopt when some target depends on tokens after it. Throws Error(spec) naming the
/// size when there are more than 2^28 instances or 2^33 tokens of instances, or when the classes
/// take more than 1.5 GiB.
std::optional<ResidualDiagram> fold(const BoundRequest& request);

}  // namespace separatrix
