#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "separatrix/lab/runner.h"

namespace separatrix {

/// The callbacks of one run_queue, called from all its threads, one at a time.
class Desk {
 public:
  Desk(const std::string& store_path, const std::string& experiment, const RunOptions& options,
       const std::function<void(Store&)>& refill);

  void progress(RunProgress event);
  /// A trial has ended: what it found may add to the queue.
  void ended();
  /// Reads anew how much is done; other processes are at it, too.
  void refresh();
  void note(const std::string& line);

 private:
  std::mutex mutex_;
  Store store_;
  const std::string& experiment_;
  const RunOptions& options_;
  const std::function<void(Store&)>& refill_;
  QueueTotals totals_;
};

}  // namespace separatrix
