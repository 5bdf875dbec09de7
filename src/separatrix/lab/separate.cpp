#include "separatrix/lab/separate.h"

#include <algorithm>

#include <fmt/format.h>

#include "separatrix/base/hash.h"
#include "separatrix/lab/cost.h"
#include "separatrix/lab/evidence.h"
#include "separatrix/lab/machine.h"
#include "separatrix/lab/model_text.h"
#include "separatrix/lab/search.h"

namespace separatrix {
namespace {

/// Canonical names, all task defaults written out; throws Error(spec) for what does not exist.
SeparateConfig canonical(SeparateConfig config, const Catalogue& catalogue) {
  const auto& entry = catalogue.tasks.find(config.task);
  config.task_config = entry.resolve(config.task_config, entry.name);
  config.task = entry.name;
  if (!config.custom_budget) config.custom_budget = named_budget(config.budget);
  config.budget = config.custom_budget->name;
  for (std::string& model : config.models) {
    const NamedModel named = parse_model(model, catalogue.blocks);
    if (named.options.d_model != ModelOptions{}.d_model)
      throw Error(ErrorKind::spec, "the width is what is searched for", model,
                  "leave d_model out; the budget says which widths are tried");
    model = model_text(named);
  }
  catalogue.tasks.make(config.task, config.task_config)->check_length(config.length);
  return config;
}

/// Readable, and different for whatever makes other trials or another table.
std::string experiment_name(const SeparateConfig& config, const Budget& budget, const Task& task) {
  Json rest = {{"task_config", config.task_config},
               {"seed", config.seed},
               {"models", config.models},
               {"budget", describe(budget.search, training(budget))}};
  if (const std::string read = task.fingerprint(); !read.empty()) rest["task_fingerprint"] = read;
  return fmt::format("separate-{}-length-{}-{}-{}", config.task, config.length, config.budget,
                     sha256(rest.dump()).substr(0, 8));
}

/// The command that makes this table again: only what differs from the defaults.
std::string command_line(const SeparateConfig& config, const Catalogue& catalogue) {
  std::string command =
      fmt::format("separatrix separate {} --length {}", config.task, config.length);
  const auto flag = [&](std::string name, const Json& value) {
    std::replace(name.begin(), name.end(), '_', '-');
    command += " --" + name + " " + (value.is_string() ? value.get<std::string>() : value.dump());
  };
  for (const Json& field : catalogue.tasks.find(config.task).parameters) {
    const auto name = field.at("name").get<std::string>();
    const Json& value = config.task_config.at(name);
    if (value != field.at("default")) flag(name, value);
  }
  if (config.models != SeparateConfig{}.models) {
    std::string models;
    for (const std::string& model : config.models) models += (models.empty() ? "" : ",") + model;
    flag("models", models);
  }
  flag("budget", config.budget);
  if (config.seed != 0) flag("seed", config.seed);
  return command;
}

/// What training found, by row of the table.
using Learned = std::vector<std::pair<std::string, LearnedAt>>;

std::string why_no_bound(const std::string& label) {
  if (label == kRecurrentRow) return "no method gives a bound here";
  if (label == transformer_row(1)) return "no bound excludes one head of width one";
  if (label == kHybridRow) return "no bound is known for attention together with a state";
  return "no unconditional bound is known for more than one layer";
}

std::string why_no_construction(const std::string& label, const Evidence& evidence) {
  for (Index layers = 1; label.starts_with("transformer ") && transformer_row(layers) != label;
       ++layers)
    if (evidence.constructions.contains(transformer_row(layers)))
      return layers == 1 ? "one layer is enough" : fmt::format("{} layers are enough", layers);
  return "no construction of this kind is known for these parameters";
}

std::vector<SeparationRow> make_rows(const Evidence& evidence, const Learned& learned) {
  std::vector<std::string> labels = {kRecurrentRow, transformer_row(1), transformer_row(2)};
  const auto add_label = [&](const std::string& label) {
    if (std::find(labels.begin(), labels.end(), label) == labels.end()) labels.push_back(label);
  };
  for (const auto& [label, built] : evidence.constructions) add_label(label);
  for (const auto& [label, at] : learned) add_label(label);
  std::vector<SeparationRow> rows;
  for (const std::string& label : labels) {
    SeparationRow row;
    row.label = label;
    const bool recurrent = label == kRecurrentRow, one_layer = label == transformer_row(1);
    const auto bound = evidence.bounds.find(recurrent ? Resource::recurrent_state_bits
                                                      : Resource::one_layer_transformer_bits);
    if ((recurrent || one_layer) && bound != evidence.bounds.end())
      row.impossible_below = bound->second;
    else
      row.no_bound = why_no_bound(label);
    const auto built = evidence.constructions.find(label);
    if (built != evidence.constructions.end())
      row.certified_at = built->second;
    else
      row.no_construction = why_no_construction(label, evidence);
    for (const auto& [of, at] : learned)
      if (of == label) row.learned_at.push_back(at);
    rows.push_back(std::move(row));
  }
  return rows;
}

/// One model for each of config.models, canonical as config is.
SearchSpec search_spec(const SeparateConfig& config, const Budget& budget, const Task& task,
                       const Registry<Block>& blocks) {
  SearchSpec spec{.config = budget.search, .models = {}, .seed = config.seed};
  const TaskInfo info = task.info(config.length);
  TrialSpec base{.task = config.task,
                 .task_config = config.task_config,
                 .length = config.length,
                 .model = {},
                 .train = training(budget),
                 .task_fingerprint = task.fingerprint()};
  for (const std::string& text : config.models) {
    const NamedModel named = parse_model(text, blocks);
    const auto trial = [base, named, info, &blocks, text](Index width) {
      TrialSpec at = base;
      NamedModel sized = named;
      sized.options.d_model = width;
      at.model = resolve(named_model(sized, info, blocks), blocks, text);
      return at;
    };
    spec.models.push_back({.label = text, .trial = trial, .multiple_of = named.options.heads});
  }
  return spec;
}

/// So that nobody waits for an hour who expected a minute.
std::string cost_words(const SearchSpec& spec, const Catalogue& catalogue, int threads) {
  constexpr double kSecondsToTime = 0.5;
  CostEstimate estimate(catalogue, kSecondsToTime);
  const SearchCost cost = most_cost(spec, estimate);
  const double minutes = cost.seconds / double(threads) / 60;
  return fmt::format(
      "training: at most {} trials of {:.1e} operations in all; about {} minutes on {} idle "
      "cores if none is solved or given up before its last step",
      cost.trials, cost.operations, minutes < 1 ? "1" : fmt::format("{:.0f}", minutes), threads);
}

}  // namespace

Json to_json(const SeparationRow& row) {
  Json learned = Json::array();
  for (const LearnedAt& at : row.learned_at) learned.push_back(to_json(at));
  return {{"label", row.label},
          {"model", row.label},
          {"impossible_below", row.impossible_below},
          {"no_bound", row.no_bound},
          {"certified_at", row.certified_at},
          {"no_construction", row.no_construction},
          {"learned_at", learned}};
}

Separation separate(const SeparateConfig& given, const Catalogue& catalogue,
                    const std::function<void(const std::string&)>& on_message,
                    const RunOptions& given_options) {
  const SeparateConfig config = canonical(given, catalogue);
  const Budget& budget = *config.custom_budget;
  RunOptions options = given_options;
  options.threads = std::max({1, config.threads, options.threads});
  const auto say = [&](const std::string& line) {
    if (on_message) on_message(line);
  };

  Separation result;
  const auto task = catalogue.tasks.make(config.task, config.task_config);
  result.experiment = experiment_name(config, budget, *task);
  result.task = config.task;
  result.length = config.length;
  result.description = task->describe(config.length);

  const SearchSpec spec = search_spec(config, budget, *task, catalogue.blocks);
  ThresholdSearch search(spec, catalogue, result.experiment);
  Store store(config.store);
  store.put(result.experiment, "machine", "machine", describe_machine());
  store.retry_failed(result.experiment);
  const Evidence evidence =
      gather_evidence(config, catalogue, store, result.experiment, say, options.stop);
  if (store.trials(result.experiment).empty() && !config.models.empty())
    say(cost_words(spec, catalogue, options.threads));
  run_search(search, config.store, catalogue, options, say);

  Learned learned;
  for (std::size_t i = 0; i < spec.models.size(); ++i) {
    const Index width = width_range(spec.config, spec.models[i]).smallest;  // any: the kind is one
    learned.emplace_back(row_of(spec.models[i].trial(width).model, catalogue.blocks),
                         search.learned()[i]);
  }
  result.rows = make_rows(evidence, learned);
  result.interrupted = !search.finished();
  Json rows = Json::array();
  for (const SeparationRow& row : result.rows) rows.push_back(to_json(row));
  store.put(result.experiment, "separation", "separation",
            {{"task", config.task},
             {"task_config", config.task_config},
             {"description", result.description},
             {"length", config.length},
             {"seed", config.seed},
             {"budget", config.budget},
             {"budget_in_words", describe(budget.search, training(budget))},
             {"command", command_line(config, catalogue)},
             {"rows", rows},
             {"interrupted", result.interrupted}});
  return result;
}

}  // namespace separatrix
