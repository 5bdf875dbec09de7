#pragma once

#include <functional>
#include <string>

#include "separatrix/lab/runner.h"

namespace separatrix {

/// run_pending for a queue that grows: `refill` is called before the first claim and after each
/// trial that ended, one call at a time, and may enqueue more. A worker without a trial waits while
/// others work, since what they find may add to the queue. Returns when nothing is left
/// to claim and no worker of this call is at work, or when stop is set. Throws
/// what refill or the store threw, after every worker has given its trial back.
void run_queue(const std::string& store_path, const std::string& experiment,
               const Catalogue& catalogue, const RunOptions& options,
               const std::function<void(Store&)>& refill);

}  // namespace separatrix
