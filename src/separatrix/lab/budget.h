#pragma once

#include <string>

#include "separatrix/lab/search.h"

namespace separatrix {

/// What a search may spend. Counted in trials and steps, never in seconds, so that the same command
/// gives the same table on every machine.
struct Budget {
  std::string name;  ///< "quick", "standard", "full"
  SearchConfig search = {};
  Index steps = 0;
  Index give_up_after = 0;     ///< TrainConfig's, 0 = off
  double give_up_below = 0.1;  ///< the same
};
Budget named_budget(const std::string& name);  ///< throws Error(usage)

/// How its trials are trained, but for the learning rate.
TrainConfig training(const Budget& budget);

}  // namespace separatrix
