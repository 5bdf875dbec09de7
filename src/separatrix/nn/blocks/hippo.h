#pragma once

#include <vector>

#include "separatrix/base/index.h"

namespace separatrix {

/// The n positive imaginary parts, ascending, of the eigenvalues of the skew-symmetric 2n x 2n
/// matrix (H - H^T) / 2 with H_ij = sqrt((2i+1)(2j+1)) for i > j, else 0 [gupta2022]; the others
/// are their negatives.
std::vector<double> skew_hippo_frequencies(Index n);

}  // namespace separatrix
