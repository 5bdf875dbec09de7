#pragma once

#include "separatrix/bounds/bound.h"

namespace separatrix {

// The witness of an enumeration, shared by the code that writes it and the code that checks it:
//   {"kind", "prefixes": [[token]], "suffixes": [[token]]}
// Every two prefixes are told apart by one of the suffixes: both may be followed by it, and at one
// of the targets from the last token of the prefix on, both are asked and the answers differ.
inline constexpr const char* kWitnessKind = "prefixes and suffixes";
inline constexpr Index kWitnessPrefixes = 128;  ///< 8128 pairs; more classes: an even choice

/// Reads the witness, not the method: enumeration_check.cpp.
WitnessCheck check_enumeration(const Task& task, const Bound& bound);

}  // namespace separatrix
