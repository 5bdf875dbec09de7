#include "separatrix/report/results.h"

#include <fmt/format.h>

#include "separatrix/report/text.h"

namespace separatrix {
namespace {

/// What the columns are made of.
struct Line {
  const std::string& experiment;
  const StoredTrial& trial;
  TrialFacts facts;
  ModelShape shape;
  std::optional<Index> state_bits;
  Json metrics;  ///< at the trained length; null when there are none

  const TrialSpec& spec() const { return trial.spec; }
};

std::string number_or_empty(const Json& json, const char* key) {
  const Json& value = member_at(json, key);
  return value.is_number() ? value.dump() : std::string();
}

template <class T>
std::string of_last(const Line& line, T CurvePoint::*member) {
  return line.facts.last ? fmt::format("{}", (*line.facts.last).*member) : std::string();
}

struct Column {
  const char* name;
  std::string (*text)(const Line&);
};
using L = const Line&;
constexpr Column kColumns[] = {
    {"trial", [](L line) { return line.trial.id; }},
    {"task", [](L line) { return line.spec().task; }},
    {"length", [](L line) { return std::to_string(line.spec().length); }},
    {"model", [](L line) { return line.shape.name; }},
    {"layers", [](L line) { return std::to_string(line.shape.layers); }},
    {"width", [](L line) { return std::to_string(line.spec().model.d_model); }},
    {"state_bits",
     [](L line) { return line.state_bits ? std::to_string(*line.state_bits) : std::string(); }},
    {"lr", [](L line) { return fmt::format("{}", line.spec().train.lr); }},
    {"seed", [](L line) { return std::to_string(line.spec().seed); }},
    {"batch_size", [](L line) { return std::to_string(line.spec().train.batch_size); }},
    {"steps_limit", [](L line) { return std::to_string(line.spec().train.steps); }},
    {"target_accuracy",
     [](L line) { return fmt::format("{}", line.spec().train.target_accuracy); }},
    {"status", [](L line) { return to_string(line.trial.status); }},
    {"outcome", [](L line) { return line.facts.outcome; }},
    {"step", [](L line) { return of_last(line, &CurvePoint::step); }},
    {"train_loss", [](L line) { return of_last(line, &CurvePoint::train_loss); }},
    {"token_accuracy", [](L line) { return of_last(line, &CurvePoint::token_accuracy); }},
    {"sequence_accuracy", [](L line) { return of_last(line, &CurvePoint::sequence_accuracy); }},
    {"seconds", [](L line) { return number_or_empty(line.trial.result, "seconds"); }},
    {"tokens_per_second",
     [](L line) { return number_or_empty(line.trial.result, "tokens_per_second"); }},
    {"error", [](L line) { return line.trial.error; }},
    {"experiment", [](L line) { return line.experiment; }},
    {"task_config", [](L line) { return line.spec().task_config.dump(); }},
    {"parameters", [](L line) { return number_or_empty(line.trial.result, "parameters"); }},
    {"chance", [](L line) { return number_or_empty(line.metrics, "chance"); }},
    {"scaled_accuracy", [](L line) { return number_or_empty(line.metrics, "scaled_accuracy"); }},
    {"cross_entropy", [](L line) { return number_or_empty(line.metrics, "cross_entropy"); }},
    {"bits_recalled", [](L line) { return number_or_empty(line.metrics, "bits_recalled"); }},
    {"state_efficiency", [](L line) { return number_or_empty(line.metrics, "state_efficiency"); }},
};

std::string joined(const std::vector<std::string>& fields) {
  std::string line;
  for (std::size_t i = 0; i < fields.size(); ++i)
    line += (i == 0 ? "" : ",") + csv_field(fields[i]);
  return line + "\n";
}

}  // namespace

std::string results_header() {
  std::vector<std::string> names;
  for (const Column& column : kColumns) names.emplace_back(column.name);
  return joined(names);
}

std::string results_line(const std::string& experiment, const StoredTrial& trial,
                         const Registry<Block>& blocks) {
  Line line{.experiment = experiment,
            .trial = trial,
            .facts = trial_facts(trial),
            .shape = model_shape(trial.spec.model),
            .state_bits = trial_state_bits(trial, blocks),
            .metrics = nullptr};
  const Json& metrics = member_at(trial.result, "metrics");
  if (metrics.is_array() && !metrics.empty()) line.metrics = metrics.front();
  std::vector<std::string> fields;
  for (const Column& column : kColumns) fields.push_back(column.text(line));
  return joined(fields);
}

std::string results_csv(const ReportData& data) {
  const Catalogue catalogue = Catalogue::builtin();
  std::string out = results_header();
  for (std::size_t i = 0; i < data.trials.size(); ++i)
    for (const std::size_t e : data.members[i])
      out += results_line(data.experiments[e].name, data.trials[i].stored, catalogue.blocks);
  return out;
}

std::string lengths_header() {
  std::vector<std::string> names = {"trial", "experiment", "length", "examples"};
  for (const MetricDefinition& metric : metric_definitions()) names.emplace_back(metric.name);
  return joined(names);
}

std::string lengths_lines(const std::string& experiment, const StoredTrial& trial) {
  std::string out;
  for (const Json& judged : member_at(trial.result, "metrics")) {
    std::vector<std::string> fields = {trial.id, experiment, number_or_empty(judged, "length"),
                                       number_or_empty(judged, "examples")};
    for (const MetricDefinition& metric : metric_definitions())
      fields.push_back(number_or_empty(judged, metric.name));
    out += joined(fields);
  }
  return out;
}

}  // namespace separatrix
