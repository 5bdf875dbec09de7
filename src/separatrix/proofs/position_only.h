#pragma once

#include <string>

#include "separatrix/nn/model.h"
#include "separatrix/proofs/certificate.h"

namespace separatrix {

/// Up to so many positions method position-only looks at every pair of them, which is exact; the
/// claims of index lookup know that it does not beyond.
inline constexpr Index kLookupExactUpTo = 4096;

/// Recheck of a proved position-only certificate, from the weights alone
/// (position_only_recheck.cpp). Empty = valid.
std::string recheck_position_only(const Certificate& certificate, const Task& task,
                                  const Weights& weights);

}  // namespace separatrix
