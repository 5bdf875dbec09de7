#include <fmt/format.h>

#include "separatrix/base/yaml.h"
#include "separatrix/cli/experiment_run.h"

namespace separatrix {
namespace {

std::string budget_flag(const std::string& budget) {
  return budget.empty() ? budget : " --budget " + budget;
}

void search_threshold(const Experiment& experiment, const ExperimentOptions& how,
                      Session& session) {
  const std::vector<LearnedAt> learned = run_threshold_search(experiment, how, session);
  Json models = Json::array();
  for (const LearnedAt& each : learned) models.push_back(to_json(each));
  session.print({{"experiment", experiment.name}, {"learned", models}}, learned_lines(learned));
}

}  // namespace

/// `separatrix run EXPERIMENT.yaml --store FILE`
void add_run(Command command, Session& session) {
  struct Options {
    std::string file, budget;
    ExperimentOptions how;
    Index slurm = 0;
    bool dry_run = false;
  };
  auto o = std::make_shared<Options>();
  command.argument("EXPERIMENT", o->file, "an experiment file (docs/experiments.md)");
  command.option("budget", o->budget, "one of the file's budgets; without: the file as it is");
  o->how.add(command);
  command.flag("dry-run", o->dry_run, "print the trials, their cost and what the store holds");
  command.option("slurm", o->slurm, "print a SLURM array script of so many shards; run nothing");
  command.run([o, &session] {
    const MpiJob job;
    o->how.job = &job;
    if (job.rank() > 0) return serve_rank_zero(job, o->how, session);
    const Experiment experiment = read_experiment(load_yaml(o->file), o->budget, session.catalogue);
    if (o->dry_run) return print_plan(experiment, o->how, session);
    if (o->slurm != 0) {
      const std::string script = slurm_script(o->file, o->budget, o->how, o->slurm);
      return session.print({{"script", script}}, script);
    }
    o->how.rerun = "separatrix run " + o->file + budget_flag(o->budget);
    if (experiment.search) return search_threshold(experiment, o->how, session);
    const std::vector<StoredTrial> trials = run_experiment(experiment, o->how, session);
    Json json = count_json(trials);
    json["experiment"] = experiment.name;
    json["trials"] = trials.size();
    session.print(json, results_text(cells_of(trials, session.catalogue)) +
                            fmt::format("{}: {} trials, {}\n", experiment.name, trials.size(),
                                        count_words(trials)));
  });
}

}  // namespace separatrix
