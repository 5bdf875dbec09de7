#pragma once

#include <string>

#include "separatrix/proofs/certificate.h"

namespace separatrix {

/// Verifies a proved certificate of the method "layered" by other code than made it
/// (recheck_layered.cpp). Empty = valid.
std::string recheck_layered(const Certificate& certificate, const Subject& subject);

}  // namespace separatrix
