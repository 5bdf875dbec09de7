#pragma once

#include <cstdint>

namespace separatrix {

/// Sizes, positions and loop counters: 64-bit and signed, so that B*T*D never wraps.
using Index = std::int64_t;

}  // namespace separatrix
