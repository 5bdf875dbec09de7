#pragma once

#include <string>

#include "separatrix/proofs/certificate.h"

namespace separatrix {

/// Empty text if the certificate is right: bounds of the same quantities by balls in long double
/// and a geometric series. Shares no code with certify().
std::string recheck_prefix_scan(const Certificate& certificate, const Subject& subject);

}  // namespace separatrix
