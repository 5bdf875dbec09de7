#pragma once

#include "separatrix/codes/address_code.h"

namespace separatrix {

/// Numbers of a code with entries -1 and +1 (or 0 and 1) and scores that are whole numbers: s(p, p)
/// = peak for every p, and lowest <= s(p, j) <= highest otherwise. Such entries are numbers of
/// every format; sums of up to 2^24 of them are whole numbers that float32 holds.
CodeNumbers whole_number_code(Index positions, Arithmetic format, Index width, double peak,
                              double lowest, double highest);

/// The condition "coherence in (0, 1]" of codes that are made for a coherence. Throws Error(spec).
void check_coherence(double coherence, const std::string& code);

/// Sums of this many entries are exact in float32.
inline constexpr Index kExactSum = Index(1) << 24;

}  // namespace separatrix
