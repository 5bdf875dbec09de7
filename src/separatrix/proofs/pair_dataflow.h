#pragma once

#include <string>

#include "separatrix/proofs/certificate.h"

namespace separatrix {

/// The rechecking side of `pair-dataflow`, for a proved certificate. Empty text = valid.
std::string recheck_pair_dataflow(const Certificate& certificate, const Subject& subject);

}  // namespace separatrix
