#include "separatrix/report/data.h"

#include <algorithm>

#include <fmt/format.h>

#include "separatrix/base/names.h"
#include "separatrix/lab/catalogue.h"
#include "separatrix/lab/summary.h"
#include "separatrix/report/text.h"

namespace separatrix {
namespace {

ReportTrial read_trial(StoredTrial stored, const Registry<Block>& blocks) {
  ReportTrial trial;
  const ModelShape shape = model_shape(stored.spec.model);
  const TrialFacts facts = trial_facts(stored);
  trial.model = shape.name;
  trial.layers = shape.layers;
  trial.width = stored.spec.model.d_model;
  trial.state_bits = trial_state_bits(stored, blocks);
  trial.outcome = facts.outcome;
  trial.last = facts.last;
  trial.seconds = facts.seconds;
  trial.stored = std::move(stored);
  return trial;
}

/// Keeps what `text` says unless it says nothing.
void take(std::string& kept, const std::string& text) {
  if (!text.empty()) kept = text;
}

void read_separation(const Json& finding, ReportExperiment& out) {
  take(out.task, text_at(finding, "task"));
  take(out.description, text_at(finding, "description"));
  out.length = Index(number_at(finding, "length", double(out.length)));
  if (const Json& config = member_at(finding, "task_config"); config.is_object())
    out.task_config = config;
  out.interrupted = member_at(finding, "interrupted") == true;
  for (const Json& row : member_at(finding, "rows")) out.rows.push_back(read_separation_row(row));
  take(out.command, text_at(finding, "command"));
}

void read_description(const Json& finding, ReportExperiment& out) {
  take(out.title, text_at(finding, "title"));
  take(out.description, text_at(finding, "description"));
  take(out.source, text_at(finding, "source"));
  take(out.budget, text_at(finding, "budget"));
  take(out.command, text_at(finding, "command"));
  out.published = member_at(finding, "published");
  out.orderings = member_at(finding, "orderings");
}

/// What the task says of itself, where the store says nothing.
void describe_task(ReportExperiment& out, const Registry<Task>& tasks) {
  if (!out.description.empty() || out.rows.empty()) return;
  try {
    const std::unique_ptr<Task> task = tasks.make(out.task, out.task_config);
    task->check_length(out.length);  // a table may have lost it
    out.description = task->describe(out.length);
  } catch (const Error&) {
    return;  // a task of another version: the page does without
  }
}

ReportExperiment read_experiment(const Store& store, const std::string& name,
                                 const std::vector<StoredTrial>& trials,
                                 const Catalogue& catalogue) {
  ReportExperiment out;
  out.name = name;
  if (!trials.empty()) {
    const TrialSpec& spec = trials.front().spec;
    out.task = spec.task;
    out.task_config = spec.task_config;
    out.length = spec.length;
    out.criterion = spec.train;
  }
  for (const Json& finding : store.findings(name, "experiment")) read_description(finding, out);
  if (const std::vector<Json> found = store.findings(name, "separation"); !found.empty())
    read_separation(found.back(), out);
  if (const std::vector<Json> found = store.findings(name, "machine"); !found.empty())
    out.machine = found.back();
  describe_task(out, catalogue.tasks);
  for (const SeparationRow& row : out.rows)
    if (row.certified_at.is_object())
      out.examples.push_back(
          make_example(row.certified_at, out.task, out.task_config, out.length, catalogue));
  return out;
}

/// The largest bound on recurrent state that a formula gives and whose witness checks.
std::optional<Index> closed_form_bits(const Setting& setting, const Json& config,
                                      const Catalogue& catalogue) {
  const auto task = catalogue.tasks.make(setting.task, config);
  const BoundRequest request{.task = *task,
                             .task_name = setting.task,
                             .task_config = config,
                             .length = setting.length,
                             .threads = 1};
  const auto method = catalogue.bounds.make("closed-form");
  std::optional<Index> bits;
  for (const Bound& bound : method->compute(request)) {
    if (bound.resource != Resource::recurrent_state_bits) continue;
    const WitnessCheck check = method->check(request, bound);
    if (check.valid && check.covers) bits = std::max(bits.value_or(0), bound.bits());
  }
  return bits;
}

/// A separation has looked for the best bound; elsewhere a formula has to do.
void find_limits(ReportData& data, const Catalogue& catalogue) {
  for (const Cell& cell : data.cells) {
    const Setting& s = cell.best();
    const auto [at, is_new] = data.limits.try_emplace(std::pair(s.task_label, s.length));
    if (!is_new) continue;
    for (const ReportExperiment& e : data.experiments)
      if (e.task == s.task && e.length == s.length && e.task_config == s.task_config)
        if (const auto bits = e.bound_bits()) at->second.bound_bits = bits;
    try {
      const Json config = catalogue.tasks.find(s.task).resolve(s.task_config, "");
      at->second.recall = RecallCeiling::of_task(s.task, config, s.length);
      if (!at->second.bound_bits) at->second.bound_bits = closed_form_bits(s, config, catalogue);
    } catch (const Error&) {
      continue;  // a task of another version, or too large: the chart does without
    }
  }
}

}  // namespace

SeparationRow read_separation_row(const Json& json) {
  SeparationRow row;
  row.label = text_at(json, "label");
  if (row.label.empty()) row.label = text_at(json, "model");
  row.impossible_below = member_at(json, "impossible_below");
  row.no_bound = text_at(json, "no_bound");
  row.certified_at = member_at(json, "certified_at");
  row.no_construction = text_at(json, "no_construction");
  for (const Json& learned : member_at(json, "learned_at"))
    row.learned_at.push_back(read_learned_at(learned));
  return row;
}

std::optional<Index> ReportExperiment::bound_bits() const {
  const SeparationRow* row = recurrent_row();
  if (row == nullptr || !member_at(row->impossible_below, "bits").is_number()) return std::nullopt;
  return Index(number_at(row->impossible_below, "bits", 0));
}

const SeparationRow* ReportExperiment::recurrent_row() const {
  for (const SeparationRow& row : rows)
    if (row.label.rfind("recurrent", 0) == 0) return &row;
  return nullptr;
}

const SeparationRow* ReportExperiment::transformer_row() const {
  for (const SeparationRow& row : rows)
    if (row.label.rfind("transformer", 0) == 0) return &row;
  return nullptr;
}

ReportData gather_report(const Store& store, const std::string& experiment) {
  std::vector<std::string> names = store.experiments();
  if (!experiment.empty()) {
    if (std::find(names.begin(), names.end(), experiment) == names.end())
      throw Error(
          ErrorKind::spec, "no experiment '" + experiment + "' in the store", {},
          names.empty() ? "run `separatrix separate` first" : did_you_mean(experiment, names));
    names = {experiment};
  }
  const Catalogue catalogue = Catalogue::builtin();
  ReportData data;
  std::vector<StoredTrial> trials;
  std::map<std::string, std::size_t> known;  // a trial may belong to several experiments
  for (const std::string& name : names) {
    std::vector<StoredTrial> own = store.trials(name);
    data.experiments.push_back(read_experiment(store, name, own, catalogue));
    for (StoredTrial& trial : own) {
      const auto [at, is_new] = known.emplace(trial.id, trials.size());
      if (is_new) {
        trials.push_back(std::move(trial));
        data.members.emplace_back();
      }
      data.members[at->second].push_back(data.experiments.size() - 1);
    }
  }
  data.cells = cells_of(trials, catalogue);
  find_limits(data, catalogue);
  for (StoredTrial& trial : trials)
    data.trials.push_back(read_trial(std::move(trial), catalogue.blocks));
  return data;
}

}  // namespace separatrix
