#pragma once

#include <string>

#include "separatrix/lab/explain.h"

namespace separatrix {

/// An explanation for a terminal: for each layer what its heads look at and the slots it writes,
/// then the answers.
std::string explanation_text(const Explanation& explanation, const Task& task);

}  // namespace separatrix
