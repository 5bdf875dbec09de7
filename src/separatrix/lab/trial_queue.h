#pragma once

#include <memory>
#include <optional>
#include <string>

#include "separatrix/lab/store.h"

namespace separatrix {

/// Where workers get their trials and leave what comes of them: the store, or the process that owns
/// it on another machine (lab/mpi_queue.h). One object serves one thread. Every function throws
/// Error(io) when the store, or the way to it, fails.
class TrialQueue {
 public:
  virtual ~TrialQueue() = default;

  /// A trial for this worker (numbered from 0) to run, or nothing for now.
  virtual std::optional<TrialSpec> claim(int worker) = 0;
  /// After a claim that gave nothing: whether to ask again even when no worker of this process is
  /// busy, because others are, and what they find may add to the queue.
  virtual bool worth_waiting() const = 0;
  virtual void heartbeat(const std::string& trial_id, int worker) = 0;
  virtual void record(const std::string& trial_id, const CurvePoint& point) = 0;
  /// Where a trial's checkpoint and weights are written while it runs; outlives this process.
  virtual std::string folder(const std::string& trial_id) const = 0;
  /// Ends a trial as done, diverged or failed. Unless it failed, its weights lie in
  /// folder()/model.safetensors; the checkpoint, no longer needed, is removed.
  virtual void finish(const std::string& trial_id, TrialStatus status, const Json& result,
                      const std::string& error) = 0;
  virtual void release(const std::string& trial_id) = 0;
};

/// What the queue of a store on this machine needs to know.
struct StoreQueue {
  std::string path, experiment;
  StoreOptions options = {};
  Shard shard = {};
};
std::unique_ptr<TrialQueue> open_queue(const StoreQueue& store);

/// Removes a trial's checkpoint, and what writing one left behind when it was killed.
void remove_checkpoint(const std::string& folder);

}  // namespace separatrix
