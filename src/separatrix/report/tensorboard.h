#pragma once

#include <string>

#include "separatrix/lab/store.h"

namespace separatrix {

/// The trial's learning curve as TensorBoard's event file: scalars train_loss, token_accuracy,
/// sequence_accuracy and lr over steps. The clock of its points was not recorded; their wall time
/// is the trial's seconds shared out evenly over its steps, from 1970 on.
std::string tensorboard_events(const StoredTrial& trial);

/// "index-lookup-20-lstm-1x16-lr1e-3-seed0-0123456789ab": what the curves choose among; letters,
/// digits and -_.+ only, the last part begins the trial's id.
std::string tensorboard_run_name(const StoredTrial& trial);

}  // namespace separatrix
