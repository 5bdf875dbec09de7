#pragma once

#include <string>

#include "separatrix/lab/catalogue.h"
#include "separatrix/train/trial.h"

namespace separatrix {

/// The resolved spec of "model" in YAML or JSON: {family: lstm, d_model: 32}, or a ModelSpec whose
/// sizes that depend on the task (vocab_size, n_classes, max_length) may be left out. Throws
/// Error(spec).
ModelSpec read_model(const Json& json, const Registry<Block>& blocks, const TaskInfo& info,
                     const std::string& where);

/// {task, task_config, length, model, train, seed, eval_lengths} as people write it, with all
/// defaults filled in. The model is made large enough for the longest of length and eval_lengths.
/// Throws Error(spec).
TrialSpec read_trial(const Json& json, const Catalogue& catalogue, const std::string& where);

}  // namespace separatrix
