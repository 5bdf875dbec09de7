#pragma once

#include "separatrix/proofs/layered/recheck_picture.h"

namespace separatrix::relayer {

/// Of sparse-features: feature r is worked out at position r mod hosts, for each number of hosts
/// that a certificate may mean.
std::vector<Picture> feature_pictures(const Claim& claim);

}  // namespace separatrix::relayer
