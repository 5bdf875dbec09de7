#include <algorithm>

#include <fmt/format.h>

#include "separatrix/cli/experiment_run.h"
#include "separatrix/lab/compare.h"
#include "separatrix/lab/recipes.h"
#include "separatrix/report/report.h"

namespace separatrix {
namespace {

std::string percent(double fraction) { return fmt::format("{:.1f} %", 100 * fraction); }

/// "99.8 % (99.5 to 100.0, 2/2 seeds solved, lr 0.001)"
std::string ours_text(const ComparedSetting& c) {
  if (c.ours.n == 0) return "not run";
  const Setting& best = c.cell->best();
  const std::string range =
      c.ours.n > 1 ? fmt::format("{} to {}, ", percent(c.ours.min), percent(c.ours.max)) : "";
  return fmt::format("{} ({}{}/{} seeds solved, lr {:g})", percent(c.ours.mean), range, best.solved,
                     best.seeds, best.lr);
}

std::string settings_text(const std::vector<ComparedSetting>& compared) {
  std::size_t label_width = 0, ours_width = 0;
  for (const ComparedSetting& c : compared) {
    label_width = std::max(label_width, label(*c.cell).size());
    ours_width = std::max(ours_width, ours_text(c).size());
  }
  std::string text;
  for (const ComparedSetting& c : compared) {
    const auto& chance = c.cell->best().lengths.front().chance;
    std::string line =
        fmt::format("{:<{}}  {:<{}}", label(*c.cell), label_width, ours_text(c), ours_width);
    if (c.length != c.cell->best().length) line += fmt::format("  at N = {}", c.length);
    if (c.metric != "token_accuracy")
      line += "  " + c.metric;
    else if (chance)
      line += fmt::format("  chance {}", percent(*chance));
    if (!c.published.empty()) line += "  published: " + c.published;
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string ordering_text(const CheckedOrdering& ordering) {
  std::string text = fmt::format("{}: {}\n", ordering.text,
                                 ordering.at.empty() ? "not measured"
                                 : ordering.holds()  ? "seen"
                                                     : "not seen");
  for (const OrderingAt& at : ordering.at)
    text += fmt::format("  N = {}: {} {} {} {} {}\n", at.length, at.ahead, percent(at.ahead_value),
                        verdict_words(at), at.behind, percent(at.behind_value));
  return text;
}

}  // namespace

/// `separatrix recipe NAME --budget quick`
void add_recipe(Command command, Session& session) {
  struct Options {
    std::string name, budget = "quick", output = "separatrix-report";
    ExperimentOptions how;
    bool dry_run = false;
  };
  auto o = std::make_shared<Options>();
  command.argument("NAME", o->name, "one of `separatrix list recipes`");
  command.option("budget", o->budget,
                 "quick: minutes on two cores; standard: an evening; full: as published");
  o->how.add(command);
  command.flag("dry-run", o->dry_run, "print the trials, their cost and what the store holds");
  command.output(o->output, "folder of the report");
  command.run([o, &session] {
    const MpiJob job;
    o->how.job = &job;
    if (job.rank() > 0) return serve_rank_zero(job, o->how, session);
    const Experiment experiment =
        read_experiment(find_recipe(o->name), o->budget, session.catalogue);
    if (o->dry_run) return print_plan(experiment, o->how, session);
    o->how.rerun = "separatrix recipe " + o->name + " --budget " + o->budget;
    const std::vector<StoredTrial> trials = run_experiment(experiment, o->how, session);
    const std::vector<Cell> cells = cells_of(trials, session.catalogue);
    const auto compared = compare(experiment.published, cells);
    const auto orderings = check_orderings(experiment.orderings, cells);
    const ReportFiles report = write_report(Store(o->how.store), experiment.name, o->output);

    Json json = Json::array();
    std::string text = fmt::format("{} ({})\n{}, budget {}: {} trials, {}\n\n", experiment.title,
                                   experiment.source, experiment.name, o->budget, trials.size(),
                                   count_words(trials));
    text += settings_text(compared) + "\n";
    for (const ComparedSetting& c : compared) json.push_back(to_json(c, experiment.source));
    for (const CheckedOrdering& ordering : orderings) {
      json.push_back(to_json(ordering, experiment.source));
      text += ordering_text(ordering);
    }
    session.print(json, text + "report: " + report.html + "\n");
  });
}

}  // namespace separatrix
