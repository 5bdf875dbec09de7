#pragma once

#include <optional>
#include <string>
#include <vector>

#include "separatrix/cli/session.h"
#include "separatrix/lab/experiment.h"
#include "separatrix/lab/mpi_queue.h"
#include "separatrix/lab/summary.h"

namespace separatrix {

/// What `run` and `recipe` share.
struct ExperimentOptions {
  std::string store = "separatrix.db", shard;
  std::string rerun = {};  ///< what runs the experiment again, for its report
  Threads threads = {};
  const MpiJob* job = nullptr;
  void add(Command& command);
};

/// The trials by setting, what they cost at most on this machine, and what the store holds.
void print_plan(const Experiment& experiment, const ExperimentOptions& options,
                const Session& session);

/// Trains what the store does not hold yet and returns every trial of the experiment as the store
/// has it then. Sets the session's exit code to 1 when a trial failed. Throws Error(usage, io).
std::vector<StoredTrial> run_experiment(const Experiment& experiment,
                                        const ExperimentOptions& options, Session& session);

/// The same for an experiment that is a threshold search: what was found for each of its models.
/// Empty when it was interrupted.
std::vector<LearnedAt> run_threshold_search(const Experiment& experiment,
                                            const ExperimentOptions& options, Session& session);
/// What every process but the first does when mpirun has started several: it trains what rank 0
/// hands out.
void serve_rank_zero(const MpiJob& job, const ExperimentOptions& options, const Session& session);

/// One line for each model of a search.
std::string learned_lines(const std::vector<LearnedAt>& learned);

/// "12 done, 3 pending": how many of them ended how, and the same as JSON.
std::string count_words(const std::vector<StoredTrial>& trials);
Json count_json(const std::vector<StoredTrial>& trials);

/// One line for each cell: its best learning rate, accuracy, solved seeds, steps.
std::string results_text(const std::vector<Cell>& cells);

/// An array job of `shards` tasks for the SLURM scheduler, each running one shard of the file.
std::string slurm_script(const std::string& file, const std::string& budget,
                         const ExperimentOptions& options, Index shards);

}  // namespace separatrix
