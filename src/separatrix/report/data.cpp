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

void read_separation(const Json& finding, ReportData& data) {
  data.task = text_at(finding, "task");
  data.description = text_at(finding, "description");
  data.length = Index(number_at(finding, "length", 0));
  if (const Json& config = member_at(finding, "task_config"); config.is_object())
    data.task_config = config;
  data.interrupted = member_at(finding, "interrupted") == true;
  for (const Json& row : member_at(finding, "rows")) data.rows.push_back(read_separation_row(row));
  data.command = text_at(finding, "command");
}

void describe_task(ReportData& data, const Registry<Task>& tasks) {
  try {
    const std::unique_ptr<Task> task = tasks.make(data.task, data.task_config);
    task->check_length(data.length);  // a table may have lost it
    data.chance = task->chance(data.length);
    if (data.description.empty()) data.description = task->describe(data.length);
    const Json config = tasks.find(data.task).resolve(data.task_config, "");
    data.recall = RecallCeiling::of_task(data.task, config, data.length);
  } catch (const Error&) {
    return;  // a task of another version: the page does without
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

std::optional<Index> ReportData::bound_bits() const {
  const SeparationRow* row = recurrent_row();
  if (row == nullptr || !member_at(row->impossible_below, "bits").is_number()) return std::nullopt;
  return Index(number_at(row->impossible_below, "bits", 0));
}

const SeparationRow* ReportData::recurrent_row() const {
  for (const SeparationRow& row : rows)
    if (row.label.rfind("recurrent", 0) == 0) return &row;
  return nullptr;
}

const SeparationRow* ReportData::transformer_row() const {
  for (const SeparationRow& row : rows)
    if (row.label.rfind("transformer", 0) == 0) return &row;
  return nullptr;
}

ReportData gather_report(const Store& store, const std::string& experiment) {
  const std::vector<std::string> known = store.experiments();
  if (std::find(known.begin(), known.end(), experiment) == known.end())
    throw Error(
        ErrorKind::spec, "no experiment '" + experiment + "' in the store", {},
        known.empty() ? "run `separatrix separate` first" : did_you_mean(experiment, known));
  const Catalogue catalogue = Catalogue::builtin();
  ReportData data;
  data.experiment = experiment;
  for (StoredTrial& trial : store.trials(experiment))
    data.trials.push_back(read_trial(std::move(trial), catalogue.blocks));
  if (!data.trials.empty()) {
    const TrialSpec& spec = data.trials.front().stored.spec;
    data.task = spec.task;
    data.task_config = spec.task_config;
    data.length = spec.length;
    data.criterion = spec.train;
  }
  if (const std::vector<Json> found = store.findings(experiment, "separation"); !found.empty())
    read_separation(found.back(), data);
  if (const std::vector<Json> found = store.findings(experiment, "machine"); !found.empty())
    data.machine = found.back();
  describe_task(data, catalogue.tasks);
  for (const SeparationRow& row : data.rows)
    if (row.certified_at.is_object())
      data.examples.push_back(
          make_example(row.certified_at, data.task, data.task_config, data.length, catalogue));
  return data;
}

}  // namespace separatrix
