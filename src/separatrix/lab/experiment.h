#pragma once

#include <optional>
#include <string>
#include <vector>

#include "separatrix/base/yaml.h"
#include "separatrix/lab/catalogue.h"
#include "separatrix/lab/search.h"
#include "separatrix/train/trial.h"

namespace separatrix {

/// An experiment file, read and expanded; docs/experiments.md describes the format.
/// Refers to the catalogue that it was read with.
struct Experiment {
  std::string name;  ///< in the store: the file's name, and the budget's behind it
  std::string title, description, source;
  std::string budget;                     ///< empty: the file as it is
  std::vector<TrialSpec> trials;          ///< each once, in the order of the file; none of a search
  std::optional<SearchSpec> search = {};  ///< one model for each combination of the file's lists
  Json published = Json::array();         ///< [{"where", "metric", "value", "text"}]
  Json orderings = Json::array();         ///< [{"ahead", "behind", "metric", "text"}]
  Json file;                              ///< what was read, with the budget's changes made
};

/// Throws Error(spec) with the line of what is wrong: an unknown key, a value that does not fit, an
/// axis given twice, lists of unequal length under `zip`, more than a million trials; Error(usage)
/// for a budget that the file does not have.
Experiment read_experiment(const YamlFile& file, const std::string& budget,
                           const Catalogue& catalogue);

/// The names of the budgets in the file, alphabetically.
std::vector<std::string> budgets_of(const YamlFile& file);

/// What the store keeps of it beside the trials, for reports.
Json to_json(const Experiment& experiment);

}  // namespace separatrix
