#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "separatrix/lab/runner.h"
#include "separatrix/lab/trial_queue.h"

namespace separatrix {

/// What the workers of one pool need.
struct PoolConfig {
  std::function<std::unique_ptr<TrialQueue>()> open_queue;  ///< called once by every thread
  int threads = 1;
  const std::atomic<bool>* stop = nullptr;
  std::function<void(const RunProgress&)> progress;  ///< from any thread, also two at once
  std::function<void()> ended;  ///< after each trial that ended; its worker counts as busy in it
  std::function<void()> pulse;  ///< every few seconds, from a thread of its own
};

/// Threads that claim, train and finish trials of a queue.
class Pool {
 public:
  Pool(const Catalogue& catalogue, PoolConfig config)
      : catalogue_(catalogue), config_(std::move(config)) {}

  /// Returns when nothing is left to claim, or when halted; throws what ended it (RunOptions).
  void run();

  /// Ends the run with this error (the first one counts); from any thread.
  void abandon(const std::exception_ptr& error);
  /// Ends the run without one.
  void halt();
  /// Whether the run is ending early: halt, abandon, or the caller's stop.
  bool halted();
  bool busy() const;                 ///< whether any worker has a trial
  std::exception_ptr error() const;  ///< what ended the run, if anything did

 private:
  template <class Body>
  void guarded(const Body& body);
  void work(int worker);
  void run_trial(TrialQueue& queue, const TrialSpec& spec, int worker);
  TrialResult train_one(TrialQueue& queue, const RunProgress& progress,
                        std::exception_ptr& outside);
  TrialStatus save(TrialQueue& queue, const TrialSpec& spec, const std::string& id,
                   const TrialResult& result);
  void give_back(TrialQueue& queue, const std::string& id, const std::exception_ptr& outside);
  void keep_beating();

  const Catalogue& catalogue_;
  const PoolConfig config_;
  std::atomic<bool> halt_ = false;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_:
  int busy_ = 0;
  bool all_done_ = false;
  std::set<std::pair<std::string, int>> held_;  ///< trial, worker
  std::exception_ptr error_;
};

/// run_pending for a queue that grows: `refill` is called before the first claim and after each
/// trial that ended, one call at a time, and may enqueue more. A worker without a trial waits while
/// others work, since what they find may add to the queue. Returns when nothing is left to claim
/// and no worker of this call (with RunOptions::job: of any rank) is at work, or when stop is set.
/// Throws what refill or the store threw, after every worker has given its trial back.
void run_queue(const std::string& store_path, const std::string& experiment,
               const Catalogue& catalogue, const RunOptions& options,
               const std::function<void(Store&)>& refill);

}  // namespace separatrix
