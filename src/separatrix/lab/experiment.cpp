#include "separatrix/lab/experiment.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "separatrix/lab/axes.h"
#include "separatrix/lab/read_trial.h"
#include "separatrix/train/metrics.h"

namespace separatrix {
namespace {

using Keys = std::vector<std::string>;

const Keys kTrialKeys = {"task",  "task_config", "length",       "model",
                         "train", "seed",        "eval_lengths", "zip"};
const Keys kFilterKeys = {"task", "length", "model", "layers", "width", "option", "at"};

Keys operator+(Keys a, const Keys& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

void check_keys(const Json& json, const Keys& known, const std::string& where) {
  if (!json.is_object())
    throw Error(ErrorKind::spec, "expected a map of fields, got " + detail::shown(json), where);
  for (const auto& [key, value] : json.items())
    if (std::find(known.begin(), known.end(), key) == known.end())
      throw Error(ErrorKind::spec, "unknown key '" + key + "'", below(where, key),
                  did_you_mean(key, known));
}

std::string text_of(const Json& file, const char* key, const std::string& where,
                    const std::string& otherwise = {}) {
  std::string text = otherwise;
  if (file.contains(key)) detail::read_value(file.at(key), text, where + "/" + key);
  return text;
}

/// {model: lstm, length: [20, 50], at: 256}: chooses results (lab/compare.h).
void check_filter(const Json& filter, const std::string& where) {
  check_keys(filter, kFilterKeys, where);
  for (const auto& [key, wanted] : filter.items()) {
    const bool text = key == "task" || key == "model" || key == "option";
    const auto fits = [&](const Json& one) {
      return text ? one.is_string() : one.is_number_integer();
    };
    const bool list = wanted.is_array() && key != "at";
    if (list ? !std::all_of(wanted.begin(), wanted.end(), fits) : !fits(wanted))
      throw Error(ErrorKind::spec,
                  std::string("expected ") + (text ? "text" : "a whole number") + ", got " +
                      detail::shown(wanted),
                  below(where, key));
  }
}

/// An entry of `published` or of `orderings`.
struct Statement {
  Json where = Json::object(), ahead = Json::object(), behind = Json::object(), value;
  std::string metric = "token_accuracy", text;
};
template <class V>
void visit(V& v, Statement& s) {
  v("where", s.where, "of which results a value is published");
  v("value", s.value, "the published number");
  v("ahead", s.ahead, "results that should be ahead");
  v("behind", s.behind, "of these");
  v("metric", s.metric, "one of metric_definitions()");
  v("text", s.text, "in words");
}

Json read_statements(const Json& file, const char* key, const std::string& where) {
  Json list = file.value(key, Json::array());
  const std::string place = where + "/" + key;
  if (!list.is_array()) throw Error(ErrorKind::spec, "expected a list of maps", place);
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string entry = place + "/" + std::to_string(i);
    const auto statement = read_config<Statement>(list[i], entry);
    check_filter(statement.where, entry + "/where");
    check_filter(statement.ahead, entry + "/ahead");
    check_filter(statement.behind, entry + "/behind");
    if (!statement.value.is_null() && !statement.value.is_number())
      throw Error(ErrorKind::spec, "expected a number, got " + detail::shown(statement.value),
                  entry + "/value");
    Keys known;
    for (const MetricDefinition& metric : metric_definitions()) known.emplace_back(metric.name);
    if (!contains_name(known, statement.metric))
      throw Error(ErrorKind::spec, "unknown metric '" + statement.metric + "'", entry + "/metric",
                  did_you_mean(statement.metric, known));
    list[i] = write_config(statement);
  }
  return list;
}

/// The file's keys with those of the budget in their place.
struct Layered {
  Json file;  ///< whole, for what is no part of a trial
  TrialTemplate base;
  std::string cases_place;
};

Layered apply_budget(const Json& file, const std::string& budget, const std::string& where) {
  Layered layered{file, {}, where + "/cases"};
  const auto trial_part = [](const Json& all) {
    Json part = Json::object();
    for (const std::string& key : kTrialKeys)
      if (all.contains(key)) part[key] = all.at(key);
    return part;
  };
  layered.base.lay_over(trial_part(file), where);
  const Json budgets = file.value("budgets", Json::object());
  if (budget.empty() || (budget == "full" && !budgets.contains(budget))) return layered;
  if (!budgets.contains(budget)) {
    Keys names = {"full"};
    for (const auto& [name, changes] : budgets.items()) names.push_back(name);
    throw Error(ErrorKind::usage, "the experiment has no budget '" + budget + "'", where,
                did_you_mean(budget, names));
  }
  const std::string place = where + "/budgets/" + budget;
  const Json& changes = budgets.at(budget);
  layered.base.lay_over(trial_part(changes), place);
  if (changes.contains("cases")) {
    layered.file["cases"] = changes.at("cases");
    layered.cases_place = place + "/cases";
  }
  if (changes.contains("search")) layered.file["search"] = changes.at("search");
  layered.file.update(layered.base.json);
  layered.file.erase("budgets");
  return layered;
}

/// Reads one combination; places of its errors are turned into those of the file.
TrialSpec read_combined(const Json& json, const TrialTemplate& from, const Catalogue& catalogue,
                        const std::string& where) {
  try {
    return read_trial(json, catalogue, "#");
  } catch (const Error& e) {
    const std::string& at = e.where();
    throw Error(e.kind(), e.what(),
                at.starts_with("#/") ? from.place(at.substr(2), where)
                                     : (at.empty() || at == "#" ? where : where + " (" + at + ")"),
                e.hint());
  }
}

void add_trials(const TrialTemplate& from, const Catalogue& catalogue, const std::string& where,
                std::set<std::string>& known, std::vector<TrialSpec>& trials) {
  for (const Json& json : combine(from, axes_of(from, where), where)) {
    TrialSpec spec = read_combined(json, from, catalogue, where);
    if (known.insert(spec.id()).second) trials.push_back(std::move(spec));
  }
}

Index trial_heads(const Json& model, const TrialTemplate& from, const std::string& where) {
  Index heads = 1;
  if (model.contains("heads"))
    detail::read_value(model.at("heads"), heads, from.place("model/heads", where));
  return heads;
}

/// "lstm", "mamba, layers 2", and the task and length, of which a file may have several.
std::string search_label(const Json& json) {
  const Json& model = json.at("model");
  std::string label = model.at("family");
  for (const auto& [key, value] : model.items())
    if (key != "family")
      label += ", " + key + " " + (value.is_string() ? value.get<std::string>() : value.dump());
  return label + ", " + json.at("task").get<std::string>() + " N = " + json.at("length").dump();
}

SearchModel search_model(const Json& json, const TrialTemplate& from, const Catalogue& catalogue,
                         const std::string& where) {
  const Json model = json.value("model", Json::object());
  if (!model.is_object() || !model.contains("family") || model.contains("d_model"))
    throw Error(ErrorKind::spec, "a search takes families of models, without d_model",
                from.place("model", where), "write model: {family: lstm}");
  if (json.contains("seed") || json.value("train", Json::object()).contains("lr"))
    throw Error(ErrorKind::spec, "a search has learning rates and seeds of its own", where,
                "write search: {lrs: [1e-3, 3e-3], seeds: 3}");
  const auto trial = [json, from, &catalogue, where](Index width) {
    Json sized = json;
    sized["model"]["d_model"] = width;
    return read_combined(sized, from, catalogue, where);
  };
  const Index heads = trial_heads(model, from, where);
  trial(heads);  // names what is wrong before anything is trained
  return {.label = search_label(json), .trial = trial, .multiple_of = heads};
}

std::string stem(const std::string& root) {  // "folder/name.yaml#"
  return std::filesystem::path(root.substr(0, root.size() - 1)).stem().string();
}

Experiment read_layers(const Json& file, const std::string& budget, const Catalogue& catalogue,
                       const std::string& where) {
  check_keys(file,
             kTrialKeys + Keys{"name", "title", "description", "source", "cases", "search",
                               "budgets", "published", "orderings"},
             where);
  const Json budgets = file.value("budgets", Json::object());
  if (!budgets.is_object())
    throw Error(ErrorKind::spec, "expected a map of fields, got " + detail::shown(budgets),
                where + "/budgets");
  for (const auto& [name, changes] : budgets.items())
    check_keys(changes, kTrialKeys + Keys{"cases", "search"}, below(where + "/budgets", name));
  const Layered layered = apply_budget(file, budget, where);

  Experiment experiment{.name = text_of(file, "name", where, stem(where)),
                        .title = text_of(file, "title", where),
                        .description = text_of(file, "description", where),
                        .source = text_of(file, "source", where),
                        .budget = budget,
                        .trials = {},
                        .file = layered.file};
  if (!budget.empty()) experiment.name += "-" + budget;
  experiment.published = read_statements(file, "published", where);
  experiment.orderings = read_statements(file, "orderings", where);

  if (layered.file.contains("search")) {
    experiment.search.emplace();
    experiment.search->config =
        read_config<SearchConfig>(layered.file.at("search"), where + "/search");
    check(experiment.search->config, where + "/search");
  }
  std::set<std::string> known;
  const Json cases = layered.file.value("cases", Json::array({Json::object()}));
  if (!cases.is_array() || cases.empty())
    throw Error(ErrorKind::spec, "cases takes a list of maps", layered.cases_place);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    TrialTemplate one = layered.base;
    const std::string place = layered.cases_place + "/" + std::to_string(i);
    check_keys(cases[i], kTrialKeys, place);
    one.lay_over(cases[i], place);
    if (!experiment.search) {
      add_trials(one, catalogue, where, known, experiment.trials);
      continue;
    }
    for (const Json& json : combine(one, axes_of(one, where), where))
      experiment.search->models.push_back(search_model(json, one, catalogue, where));
  }
  return experiment;
}

}  // namespace

Experiment read_experiment(const YamlFile& file, const std::string& budget,
                           const Catalogue& catalogue) {
  return with_lines(file, [&](const Json& json, const std::string& where) {
    if (!json.is_object())
      throw Error(ErrorKind::spec, "an experiment file is a map of fields", where,
                  "see docs/experiments.md");
    return read_layers(json, budget, catalogue, where);
  });
}

std::vector<std::string> budgets_of(const YamlFile& file) {
  std::vector<std::string> names;
  if (file.json.is_object() && file.json.contains("budgets") && file.json.at("budgets").is_object())
    for (const auto& [name, changes] : file.json.at("budgets").items()) names.push_back(name);
  return names;
}

Json to_json(const Experiment& experiment) {
  return {{"name", experiment.name},
          {"title", experiment.title},
          {"description", experiment.description},
          {"source", experiment.source},
          {"budget", experiment.budget},
          {"published", experiment.published},
          {"orderings", experiment.orderings},
          {"file", experiment.file}};
}

}  // namespace separatrix
