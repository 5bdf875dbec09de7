#include "separatrix/lab/summary.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "separatrix/base/json.h"
#include "separatrix/lab/setting_labels.h"
#include "separatrix/nn/model.h"

namespace separatrix {
namespace {

std::optional<double> number(const Json& json, const char* key) {
  const Json& value = member_at(json, key);
  if (!value.is_number() || !std::isfinite(value.get<double>())) return std::nullopt;
  return value.get<double>();
}

/// The canonical JSON of what the trials of one setting share.
std::string setting_key(const TrialSpec& spec) {
  Json json = to_json(spec);
  json.erase("seed");
  return json.dump();
}

/// The same for one cell.
std::string cell_key(const TrialSpec& spec) {
  Json json = to_json(spec);
  json.erase("seed");
  json.at("train").erase("lr");
  return json.dump();
}

LengthResult& result_at(Setting& setting, Index length) {
  for (LengthResult& result : setting.lengths)
    if (result.length == length) return result;
  return setting.lengths.emplace_back(LengthResult{.length = length, .chance = {}, .metrics = {}});
}

void add_scaled(LengthResult& result, double token_accuracy) {
  if (result.chance && *result.chance < 1)
    result.metrics["scaled_accuracy"].add((token_accuracy - *result.chance) / (1 - *result.chance));
}

/// Takes in one entry of a result's "metrics".
void add_metrics(Setting& setting, const Json& entry) {
  LengthResult& result =
      result_at(setting, Index(number_at(entry, "length", double(setting.length))));
  if (const std::optional<double> chance = number(entry, "chance")) result.chance = chance;
  for (const MetricDefinition& metric : metric_definitions()) {
    if (std::string_view(metric.name) == "chance") continue;
    if (const std::optional<double> value = number(entry, metric.name))
      result.metrics[metric.name].add(*value);
    else if (std::string_view(metric.name) == "scaled_accuracy")
      if (const std::optional<double> token = number(entry, "token_accuracy"))
        add_scaled(result, *token);
  }
}

/// Stores from before "metrics", and diverged trials, have the accuracies of the last evaluation.
void add_last(Setting& setting, const Json& stored) {
  LengthResult& result = setting.lengths.front();
  for (const char* name : {"token_accuracy", "sequence_accuracy"})
    if (const std::optional<double> value = number(stored, name)) result.metrics[name].add(*value);
  if (const std::optional<double> token = number(stored, "token_accuracy"))
    add_scaled(result, *token);
}

void add_trial(Setting& setting, const StoredTrial& trial) {
  ++setting.seeds;
  const TrialFacts facts = trial_facts(trial);
  setting.seconds += facts.seconds;
  switch (trial.status) {
    case TrialStatus::pending:
    case TrialStatus::running:
      ++setting.unfinished;
      return;
    case TrialStatus::failed:
      ++setting.failed;
      return;
    case TrialStatus::done:
    case TrialStatus::diverged:
      break;
  }
  setting.solved += facts.solved() ? 1 : 0;
  setting.diverged += facts.outcome == "diverged" ? 1 : 0;
  const Json& metrics = member_at(trial.result, "metrics");
  if (metrics.is_array() && !metrics.empty())
    for (const Json& entry : metrics) add_metrics(setting, entry);
  else
    add_last(setting, trial.result);
}

/// Accuracy of the best constant answer; nullopt for a task that this version does not have.
std::optional<double> chance_of(const TrialSpec& spec, const Registry<Task>& tasks) {
  try {
    const std::unique_ptr<Task> task = tasks.make(spec.task, spec.task_config);
    task->check_length(spec.length);
    return task->chance(spec.length);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<Index> parameters_of(const TrialSpec& spec, const Registry<Block>& blocks) {
  try {
    Index n = 0;
    for (const ParamSpec& param : model_params(spec.model, blocks)) n += param.size();
    return n;
  } catch (const Error&) {
    return std::nullopt;
  }
}

Setting start_setting(const StoredTrial& first, const Catalogue& catalogue) {
  const ModelShape shape = model_shape(first.spec.model);
  Setting setting;
  setting.task = first.spec.task;
  setting.task_config = first.spec.task_config;
  setting.length = first.spec.length;
  setting.model = shape.name;
  setting.layers = shape.layers;
  setting.width = first.spec.model.d_model;
  setting.lr = first.spec.train.lr;
  setting.spec = first.spec;
  setting.lengths.push_back({.length = first.spec.length,
                             .chance = chance_of(first.spec, catalogue.tasks),
                             .metrics = {}});
  return setting;
}

std::optional<double> median_steps(const Setting& setting, std::span<const StoredTrial> trials) {
  std::vector<double> steps;
  for (const std::size_t i : setting.trials) {
    const TrialFacts facts = trial_facts(trials[i]);
    if (facts.solved() && facts.last) steps.push_back(double(facts.last->step));
  }
  if (steps.empty()) return std::nullopt;
  std::sort(steps.begin(), steps.end());
  const std::size_t middle = steps.size() / 2;
  return steps.size() % 2 == 1 ? steps[middle] : (steps[middle - 1] + steps[middle]) / 2;
}

/// The fields that no result or spec of the setting's trials gives before all are in.
void finish_setting(Setting& setting, std::span<const StoredTrial> trials,
                    const Catalogue& catalogue) {
  setting.median_steps = median_steps(setting, trials);
  std::sort(setting.lengths.begin() + 1, setting.lengths.end(),
            [](const LengthResult& a, const LengthResult& b) { return a.length < b.length; });
  const StoredTrial* told = &trials[setting.trials.front()];
  for (const std::size_t i : setting.trials)
    if (number(trials[i].result, "parameters")) told = &trials[i];
  setting.state_bits = trial_state_bits(*told, catalogue.blocks);
  if (const std::optional<double> n = number(told->result, "parameters"))
    setting.parameters = Index(*n);
  else
    setting.parameters = parameters_of(setting.spec, catalogue.blocks);
}

/// Sorts by length, width and rate within tasks and models, these in the order of occurrence.
void put_in_order(std::vector<Setting>& settings) {
  std::map<std::string, std::size_t> tasks, models;
  for (const Setting& s : settings) {
    tasks.emplace(s.task_label, tasks.size());
    models.emplace(s.model_label, models.size());
  }
  const auto place = [&](const Setting& s) {
    return std::tuple(tasks.at(s.task_label), models.at(s.model_label), s.length, s.width, s.lr);
  };
  std::stable_sort(settings.begin(), settings.end(),
                   [&](const Setting& a, const Setting& b) { return place(a) < place(b); });
}

bool better(const Setting& a, const Setting& b) {
  const auto mean = [](const Setting& s) {
    const Spread& accuracy = s.final("token_accuracy");
    return accuracy.n > 0 ? accuracy.mean : -1;
  };
  if (a.solved != b.solved) return a.solved > b.solved;
  if (mean(a) != mean(b)) return mean(a) > mean(b);
  return a.lr < b.lr;
}

void finish_cell(Cell& cell) {
  std::stable_sort(cell.settings.begin(), cell.settings.end(),
                   [](const Setting& a, const Setting& b) { return a.lr < b.lr; });
  for (std::size_t i = 0; i < cell.settings.size(); ++i) {
    const Setting& setting = cell.settings[i];
    if (better(setting, cell.best())) cell.best_index = i;
    if (!setting.works()) continue;
    if (!cell.lr_min) cell.lr_min = setting.lr;
    cell.lr_max = setting.lr;
  }
}

}  // namespace

WilsonInterval wilson_interval(Index successes, Index n) {
  if (n == 0) return {};
  constexpr double kZ = 1.959963984540054;  // 0.975 quantile of the normal distribution
  const double size = double(n), p = double(successes) / size, z2 = kZ * kZ / size;
  const double middle = (p + z2 / 2) / (1 + z2);
  const double half = kZ / (1 + z2) * std::sqrt(p * (1 - p) / size + z2 / (4 * size));
  // At the ends the two terms are equal, and rounding must not leave a trace.
  return {.low = successes == 0 ? 0 : middle - half, .high = successes == n ? 1 : middle + half};
}

void Spread::add(double value) {
  min = n == 0 ? value : std::min(min, value);
  max = n == 0 ? value : std::max(max, value);
  ++n;
  mean += (value - mean) / double(n);
  mean = std::clamp(mean, min, max);  // rounding may not lead out of the values
}

const Spread& LengthResult::metric(const std::string& name) const {
  static const Spread kNone;
  const auto found = metrics.find(name);
  return found == metrics.end() ? kNone : found->second;
}

TrialFacts trial_facts(const StoredTrial& trial) {
  TrialFacts facts{.outcome = to_string(trial.status), .last = {}};
  if (trial.status == TrialStatus::done) {
    facts.outcome = text_at(trial.result, "outcome");
    if (facts.outcome.empty())
      facts.outcome = member_at(trial.result, "solved") == true ? "solved" : "unsolved";
  }
  facts.seconds = number_at(trial.result, "seconds", 0);
  if (!trial.curve.empty()) facts.last = trial.curve.back();
  if (!number(trial.result, "token_accuracy")) return facts;
  const CurvePoint before = facts.last.value_or(CurvePoint{});
  const Json& result = trial.result;
  facts.last = {.step = Index(number_at(result, "step", double(before.step))),
                .train_loss = number_at(result, "train_loss", before.train_loss),
                .token_accuracy = number_at(result, "token_accuracy", 0),
                .sequence_accuracy = number_at(result, "sequence_accuracy", 0),
                .lr = number_at(result, "lr", before.lr)};
  return facts;
}

std::optional<Index> trial_state_bits(const StoredTrial& trial, const Registry<Block>& blocks) {
  if (const std::optional<double> bits = number(trial.result, "state_bits")) return Index(*bits);
  if (trial.result.is_object() && trial.result.contains("state_bits")) return std::nullopt;
  try {
    return state_bits(trial.spec.model, blocks);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<double> Setting::success_fraction() const {
  if (ended() == 0) return std::nullopt;
  return double(solved) / double(ended());
}

Index Cell::count(Index Setting::*what) const {
  return std::accumulate(settings.begin(), settings.end(), Index(0),
                         [&](Index sum, const Setting& s) { return sum + s.*what; });
}

std::vector<Setting> settings_of(std::span<const StoredTrial> trials, const Catalogue& catalogue) {
  std::vector<Setting> settings;
  std::map<std::string, std::size_t> by_key;
  for (std::size_t i = 0; i < trials.size(); ++i) {
    const auto [at, is_new] = by_key.emplace(setting_key(trials[i].spec), settings.size());
    if (is_new) settings.push_back(start_setting(trials[i], catalogue));
    settings[at->second].trials.push_back(i);
    add_trial(settings[at->second], trials[i]);
  }
  for (Setting& setting : settings) finish_setting(setting, trials, catalogue);
  label(settings);
  put_in_order(settings);
  return settings;
}

std::vector<Cell> cells_of(std::vector<Setting> settings) {
  std::vector<Cell> cells;
  std::map<std::string, std::size_t> by_key;
  for (Setting& setting : settings) {
    const auto [at, is_new] = by_key.emplace(cell_key(setting.spec), cells.size());
    if (is_new) cells.emplace_back();
    cells[at->second].settings.push_back(std::move(setting));
  }
  for (Cell& cell : cells) finish_cell(cell);
  return cells;
}

}  // namespace separatrix
