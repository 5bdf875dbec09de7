#pragma once

#include <string>

#include "separatrix/nn/model.h"
#include "separatrix/proofs/certificate.h"

namespace separatrix {

/// Recheck of a proved position-only certificate, from the weights alone
/// (position_only_recheck.cpp). Empty = valid.
std::string recheck_position_only(const Certificate& certificate, const Task& task,
                                  const Weights& weights);

}  // namespace separatrix
