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
/// per thread. An exception inside a trial is stored as failed with its text; the others go on. But
/// Error(io) (a full disk, a store that is gone) would fail every other trial as well: it gives the
/// trial back, ends the run and is thrown here, and running again resumes. A trial that is stopped
/// leaves its checkpoint in Store::folder and is pending again; a finished one leaves
/// model.safetensors there. on_progress is called from worker threads, one at a time: at every
/// point of a curve, a few times a second in between (then only step and train_loss are set), and
/// when a trial has ended.
struct RunOptions {
  int threads = 1;
  const std::atomic<bool>* stop = nullptr;
  std::function<void(const RunProgress&)> on_progress = {};
  StoreOptions store = {};
};
void run_pending(const std::string& store_path, const std::string& experiment,
                 const Catalogue& catalogue, const RunOptions& options);

}  // namespace separatrix
