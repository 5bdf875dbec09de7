#pragma once

#include <memory>

#include "separatrix/lab/desk.h"
#include "separatrix/lab/pool.h"

namespace separatrix {

/// Whether mpirun started this process beside others; it need not have been built with MPI.
bool started_by_mpirun();

/// This process's place among those that `mpirun` started: rank 0 owns the store, the others ask it
/// for trials and send it what comes of them. Alone (size 1) when there is no mpirun. One per
/// process, made and destroyed by the main thread. Throws Error(usage) when several were started
/// and this program was built without MPI, Error(io) when MPI cannot be used.
class MpiJob {
 public:
  MpiJob();
  /// On rank 0, tells the others to end. Returns when all processes have.
  ~MpiJob();
  MpiJob(const MpiJob&) = delete;
  MpiJob& operator=(const MpiJob&) = delete;

  int rank() const;
  int size() const;

  /// The connection; null when alone.
  struct Link;
  Link* link() const { return link_.get(); }

 private:
  std::unique_ptr<Link> link_;
};

/// What a rank other than 0 does: runs trials that rank 0 hands out, whatever experiment they are
/// of, until rank 0 is done. Uses threads, stop and on_progress of the options. The trials' files
/// live in a scratch folder of this machine (SEPARATRIX_SCRATCH, else the system's temporary
/// folder) until the weights have been sent. Throws Error(io) when that folder cannot be written.
void work_for_rank_zero(const MpiJob& job, const Catalogue& catalogue, const RunOptions& options);

/// Rank 0's part in one run_queue: answers the other ranks.
class MpiService {
 public:
  MpiService(const MpiJob& job, const StoreQueue& store, Desk& desk, Pool& pool);
  ~MpiService();
  /// Whether any other rank has a trial.
  bool busy() const;
  /// Answers until closed and no other rank has a trial; a rank not heard of for as long as a
  /// heartbeat lasts has none. What goes wrong with the store abandons the pool.
  void run();
  /// Hand out nothing more; from any thread.
  void close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace separatrix
