#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "separatrix/lab/catalogue.h"
#include "separatrix/lab/store.h"

namespace separatrix {

class MpiJob;

/// Something that happened to a trial.
struct RunProgress {
  std::string trial_id;
  const TrialSpec* spec = nullptr;  ///< valid during the call
  CurvePoint point = {};  ///< between the points of a curve only step and train_loss are set
  bool finished = false;
  int worker = 0;                             ///< from 0; runs one trial at a time
  TrialStatus status = TrialStatus::running;  ///< how it ended, when finished
  std::string error = {};                     ///< why, when it failed
  QueueTotals queue = {};                     ///< as last read; at most a few seconds old
};

/// claim -> train -> finish until nothing of the experiment is pending or stop is set; one trial
/// per thread, the longest first. An exception inside a trial is stored as failed with its text;
/// the others go on. But Error(io) (a full disk, a store that is gone) would fail every other trial
/// as well: it gives the trial back, ends the run and is thrown here, and running again resumes. A
/// trial that is stopped leaves its checkpoint in Store::folder and is pending again; a finished
/// one leaves model.safetensors there. on_progress is called from worker threads, one at a time: at
/// every point of a curve, a few times a second in between, and when a trial has ended.
struct RunOptions {
  int threads = 1;
  const std::atomic<bool>* stop = nullptr;
  std::function<void(const RunProgress&)> on_progress = {};
  StoreOptions store = {};
  Shard shard = {};       ///< run only this part of the experiment
  const MpiJob* job = nullptr;  ///< on rank 0 of several: the others work, too (lab/mpi_queue.h)
  std::function<void(const std::string&)> on_note = {};  ///< what is no trial's: a lost rank
};
void run_pending(const std::string& store_path, const std::string& experiment,
                 const Catalogue& catalogue, const RunOptions& options);

}  // namespace separatrix
