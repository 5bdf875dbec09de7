#pragma once

#include <string>

#include "separatrix/bounds/bound.h"

namespace separatrix {

// The witness is {"kind": "ceiling", "accuracy": a, "bits": x}: the claim that mean accuracy a
// needs x bits. The check evaluates the inequality another way.
inline constexpr const char* kCeilingKind = "ceiling";
std::string ceiling_scope(double accuracy);  ///< "mean accuracy at least 0.9 over the task's ..."

WitnessCheck check_ceiling(const BoundRequest& request, const Bound& bound);

}  // namespace separatrix
