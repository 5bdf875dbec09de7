#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "separatrix/lab/catalogue.h"
#include "separatrix/lab/store.h"

namespace separatrix {

struct RunProgress {
  std::string trial_id;
  const TrialSpec* spec = nullptr;
  CurvePoint point;
  bool finished = false;
};

/// claim -> train -> finish until nothing of the experiment is pending or stop is set; one trial
/// per thread. An exception inside a trial is stored as failed with its text; the others go on.
/// Weights go to Store::folder. on_progress is called from worker threads, one at a time.
struct RunOptions {
  int threads = 1;
  const std::atomic<bool>* stop = nullptr;
  std::function<void(const RunProgress&)> on_progress = {};
};
void run_pending(const std::string& store_path, const std::string& experiment,
                 const Catalogue& catalogue, const RunOptions& options);

}  // namespace separatrix
