#pragma once

#include "separatrix/proofs/run.h"

namespace separatrix {

/// The half of method position-only whose work is linear in the number of positions, and the one
/// that knows 16-bit formats: the keys are different points of a grid, so that a product bounds
/// what all other positions weigh. `begun`: the certificate so far; undecided with the reason where
/// it does not apply. docs/certificates.md, "position-only".
Certificate certify_by_grid(Certificate begun, const Claim& claim, const Subject& subject);

/// Recheck of a proved one by other code (position_grid_recheck.cpp). Empty = valid.
std::string recheck_by_grid(const Certificate& certificate, const Subject& subject);

}  // namespace separatrix
