#pragma once

#include <string>

#include "separatrix/lab/store.h"

namespace separatrix {

/// What merging a store brought.
struct Merged {
  Index trials = 0;    ///< that `into` did not have
  Index finished = 0;  ///< done or diverged there and not in `into`: their results were taken over
};

/// Takes over what the store `from` holds: experiments with their trials, the results, curves and
/// weights of those that ended, and findings that `into` lacks. What `into` has already stays.
/// Shards of one experiment, each run into a store of its own, come together so. Repeating it
/// changes nothing. Throws Error(io).
Merged merge_store(const Store& from, Store& into);

}  // namespace separatrix
