#include "separatrix/cli/experiment_run.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>

#include <fmt/format.h>

#include "separatrix/cli/board.h"
#include "separatrix/cli/progress.h"
#include "separatrix/lab/cost.h"
#include "separatrix/lab/machine.h"
#include "separatrix/lab/runner.h"
#include "separatrix/report/table.h"

namespace separatrix {
namespace {

constexpr double kTimingSeconds = 20;  ///< spent at most on timing steps for --dry-run

/// The experiment's trials as an existing store has them; pending where it has none.
std::vector<StoredTrial> planned_trials(const Experiment& experiment, const std::string& store) {
  std::vector<StoredTrial> trials;
  std::optional<Store> existing;
  if (std::filesystem::exists(store)) existing.emplace(store);
  for (const TrialSpec& spec : experiment.trials) {
    std::optional<StoredTrial> held;
    if (existing) held = existing->trial(spec.id());
    if (!held) {
      held.emplace();
      held->id = spec.id();
      held->spec = spec;
    }
    trials.push_back(*std::move(held));
  }
  return trials;
}

/// "2/5"; empty: everything.
Shard read_shard(const std::string& text) {
  if (text.empty()) return {};
  Shard shard;
  char slash = 0;
  std::istringstream in(text);
  if (!(in >> shard.index >> slash >> shard.count) || slash != '/' || !in.eof())
    throw Error(ErrorKind::usage, "'" + text + "' is no shard", "--shard", "write --shard 2/5");
  return shard;
}

bool ended(const StoredTrial& trial) {
  return trial.status == TrialStatus::done || trial.status == TrialStatus::diverged;
}

/// What one line of the plan says.
struct PlanLine {
  std::string label;
  Index trials = 0, held = 0;
  double operations = 0, seconds = 0;  ///< of those not held
};

std::vector<PlanLine> plan_lines(const std::vector<StoredTrial>& trials, CostEstimate& cost,
                                 const Catalogue& catalogue) {
  std::vector<PlanLine> lines;
  for (const Cell& cell : cells_of(trials, catalogue)) {
    const Setting& best = cell.best();
    PlanLine line{fmt::format("{}  N = {}  {}  width {}", best.task_label, best.length,
                              best.model_label, best.width)};
    for (const Setting& setting : cell.settings)
      for (const std::size_t i : setting.trials) {
        ++line.trials;
        if (ended(trials[i])) {
          ++line.held;
          continue;
        }
        line.operations += cost.operations(trials[i].spec);
        line.seconds += cost.seconds(trials[i].spec);
      }
    lines.push_back(std::move(line));
  }
  return lines;
}

constexpr const char* kInterrupted = "interrupted; the same command goes on where it stopped";

void announce(const Experiment& experiment, const std::string& command, Store& store) {
  Json json = to_json(experiment);
  json["command"] = command;
  store.put(experiment.name, "experiment", "experiment", json);
  store.put(experiment.name, "machine", "machine", describe_machine());
}

RunOptions run_options(const ExperimentOptions& options, Session& session, Board& board) {
  return {.threads = options.threads.checked(),
          .stop = &session.stop,
          .on_progress = [&board](const RunProgress& event) { board.on_progress(event); },
          .job = options.job,
          .on_note = [&board](const std::string& line) { board.note(line); }};
}

void print_search_plan(const Experiment& experiment, const ExperimentOptions& options,
                       const Session& session) {
  CostEstimate estimate(session.catalogue, kTimingSeconds);
  const SearchCost cost = most_cost(*experiment.search, estimate);
  const int threads = options.threads.checked();
  std::string text;
  Json models = Json::array();
  for (const SearchModel& model : experiment.search->models) {
    text += model.label + "\n";
    models.push_back(model.label);
  }
  text += fmt::format(
      "{}: a threshold search, at most {} trials of {:.2e} operations, {} on {} cores of this "
      "machine\n",
      experiment.name, cost.trials, cost.operations, spell_seconds(cost.seconds / threads),
      threads);
  session.print({{"experiment", experiment.name},
                 {"models", models},
                 {"trials", cost.trials},
                 {"operations", cost.operations},
                 {"core_seconds", cost.seconds},
                 {"threads", threads}},
                text);
}

}  // namespace

void ExperimentOptions::add(Command& command) {
  command.option("store", store, "SQLite file; created if absent; what it holds is not run again");
  if (started_by_mpirun()) threads.count = 1;  // mpirun starts a process for every core
  command.option("threads", threads.count, "trials trained at once; changes no bit");
  command.option("shard", shard, "run only part I of N, as in 2/5");
}

void print_plan(const Experiment& experiment, const ExperimentOptions& options,
                const Session& session) {
  if (experiment.search) return print_search_plan(experiment, options, session);
  const std::vector<StoredTrial> trials = planned_trials(experiment, options.store);
  CostEstimate cost(session.catalogue, kTimingSeconds);
  const std::vector<PlanLine> lines = plan_lines(trials, cost, session.catalogue);
  PlanLine total{"in all"};
  Json settings = Json::array();
  std::string text =
      fmt::format("{:>7} {:>8} {:>11} {:>13}\n", "trials", "in store", "operations", "core time");
  const auto show = [](const PlanLine& line) {
    return fmt::format("{:>7} {:>8} {:>11.2e} {:>13}  {}\n", line.trials, line.held,
                       line.operations, spell_seconds(line.seconds), line.label);
  };
  for (const PlanLine& line : lines) {
    total.trials += line.trials;
    total.held += line.held;
    total.operations += line.operations;
    total.seconds += line.seconds;
    text += show(line);
    settings.push_back({{"setting", line.label},
                        {"trials", line.trials},
                        {"held", line.held},
                        {"operations", line.operations},
                        {"core_seconds", line.seconds}});
  }
  const int threads = options.threads.checked();
  text += show(total);
  text += fmt::format(
      "{}: at most {} on {} cores of this machine, if no trial is solved before its last step\n",
      experiment.name, spell_seconds(total.seconds / threads), threads);
  session.print({{"experiment", experiment.name},
                 {"trials", total.trials},
                 {"held", total.held},
                 {"operations", total.operations},
                 {"core_seconds", total.seconds},
                 {"threads", threads},
                 {"settings", settings}},
                text);
}

std::vector<StoredTrial> run_experiment(const Experiment& experiment,
                                        const ExperimentOptions& options, Session& session) {
  const Shard shard = read_shard(options.shard);
  {
    CostEstimate cost(session.catalogue, 0);
    std::vector<double> costs;
    for (const TrialSpec& spec : experiment.trials) costs.push_back(cost.operations(spec));
    Store store(options.store);
    announce(experiment, options.rerun, store);
    store.enqueue(experiment.name, experiment.trials, costs);
    store.retry_failed(experiment.name);
  }
  Board board(session.quiet);
  RunOptions run = run_options(options, session, board);
  run.shard = shard;
  run_pending(options.store, experiment.name, session.catalogue, run);
  const Store store(options.store);
  std::vector<StoredTrial> trials = store.trials(experiment.name);
  if (std::any_of(trials.begin(), trials.end(),
                  [](const StoredTrial& trial) { return trial.status == TrialStatus::failed; }))
    session.exit_code = 1;
  if (session.stop) board.note(kInterrupted);
  return trials;
}

std::vector<LearnedAt> run_threshold_search(const Experiment& experiment,
                                            const ExperimentOptions& options, Session& session) {
  if (!options.shard.empty())
    throw Error(ErrorKind::usage, "a search cannot be divided beforehand", "--shard",
                "start several processes on one store, or mpirun");
  ThresholdSearch search(*experiment.search, session.catalogue, experiment.name);
  {
    Store store(options.store);
    announce(experiment, options.rerun, store);
    store.retry_failed(experiment.name);
  }
  Board board(session.quiet);
  run_search(search, options.store, session.catalogue, run_options(options, session, board),
             [&](const std::string& line) { board.note(line); });
  if (!search.finished()) {
    board.note(kInterrupted);
    return {};
  }
  Store store(options.store);
  for (const LearnedAt& learned : search.learned())
    store.put(experiment.name, "search", learned.model, to_json(learned));
  return search.learned();
}

void serve_rank_zero(const MpiJob& job, const ExperimentOptions& options, const Session& session) {
  work_for_rank_zero(job, session.catalogue,
                     {.threads = options.threads.checked(), .stop = &session.stop});
}

std::string learned_lines(const std::vector<LearnedAt>& learned) {
  std::string text;
  for (const LearnedAt& each : learned)
    text += fmt::format("{}: {}\n", each.model, learned_text(each));
  if (!learned.empty()) text += "budget: " + learned.front().budget + "\n";
  return text;
}

std::string count_words(const std::vector<StoredTrial>& trials) {
  std::string words;
  const Json counts = count_json(trials);
  for (const auto& [name, count] : counts.items())
    if (count != 0) words += (words.empty() ? "" : ", ") + count.dump() + " " + name;
  return words;
}

Json count_json(const std::vector<StoredTrial>& trials) {
  Json json = {{"done", 0}, {"diverged", 0}, {"failed", 0}, {"pending", 0}, {"running", 0}};
  for (const StoredTrial& trial : trials) {
    Json& count = json[to_string(trial.status)];
    count = count.get<Index>() + 1;
  }
  return json;
}

std::string results_text(const std::vector<Cell>& cells) {
  std::string text =
      fmt::format("{:>8} {:>8} {:>7} {:>9} {:>8}\n", "accuracy", "chance", "solved", "steps", "lr");
  for (const Cell& cell : cells) {
    const Setting& best = cell.best();
    const Spread& accuracy = best.final("token_accuracy");
    const auto& chance = best.lengths.front().chance;
    text += fmt::format("{:>8} {:>8} {:>7} {:>9} {:>8g}  {}, width {}, {}N = {}\n",
                        accuracy.n > 0 ? fmt::format("{:.1f} %", 100 * accuracy.mean) : "-",
                        chance ? fmt::format("{:.1f} %", 100 * *chance) : "-",
                        fmt::format("{}/{}", best.solved, best.seeds),
                        best.median_steps ? fmt::format("{:.0f}", *best.median_steps) : "-",
                        best.lr, best.model_label, best.width,
                        best.task_label == best.task ? "" : best.task_label + ", ", best.length);
  }
  return text;
}

std::string slurm_script(const std::string& file, const std::string& budget,
                         const ExperimentOptions& options, Index shards) {
  if (shards < 1)
    throw Error(ErrorKind::usage, "needs at least one shard", "--slurm", "write --slurm 8");
  std::string command = fmt::format("separatrix run '{}' --store '{}-'$SLURM_ARRAY_TASK_ID.db",
                                    file, std::filesystem::path(options.store).stem().string());
  if (!budget.empty()) command += " --budget " + budget;
  return fmt::format(
      "#!/bin/bash\n"
      "#SBATCH --job-name=separatrix\n"
      "#SBATCH --array=1-{0}\n"
      "#SBATCH --cpus-per-task={1}\n"
      "#SBATCH --requeue\n"
      "{2} --shard $SLURM_ARRAY_TASK_ID/{0} --threads $SLURM_CPUS_PER_TASK --quiet\n",
      shards, options.threads.checked(), command);
}

}  // namespace separatrix
