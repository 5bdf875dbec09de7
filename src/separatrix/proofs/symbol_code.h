#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>

#include "separatrix/base/fields.h"

namespace separatrix {

/// ceil(log2 n), at least 1: binary digits that tell n things apart.
inline Index code_bits(Index n) {
  return std::max<Index>(1, Index(std::bit_width(std::uint64_t(n - 1))));
}
/// Digit i of n as -1 or +1.
inline float code_sign(Index n, Index i) { return (n >> i & 1) != 0 ? 1.0F : -1.0F; }

}  // namespace separatrix
