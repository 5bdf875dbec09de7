#pragma once

#include <vector>

#include "separatrix/lab/summary.h"

namespace separatrix {

/// Fills in task_label and model_label, so that two settings of different cells differ in task
/// label, length, model label or width. What is the same throughout is not named: a sweep over
/// heads has "transformer, n_heads 1" and "transformer, n_heads 4", one without has "transformer".
void label(std::vector<Setting>& settings);

}  // namespace separatrix
