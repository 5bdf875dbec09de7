#pragma once

#include <vector>

#include "separatrix/bounds/bound.h"

namespace separatrix {

/// One entry per cut 0 .. n_tokens, by folding all instances; the target at the last token read
/// belongs to what the state must know. Empty when a target depends on later tokens. Throws
/// Error(spec) naming the size when they do not fit (fold.h).
std::vector<CutCount> classes_per_cut(const Task& task, Index length);

}  // namespace separatrix
