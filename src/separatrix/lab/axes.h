#pragma once

#include <map>
#include <string>
#include <vector>

#include "separatrix/base/fields.h"

namespace separatrix {

/// "FILE#/train", "lr" -> "FILE#/train/lr".
inline std::string below(std::string place, const std::string& key) {
  return place.append("/").append(key);
}

/// Keys that take their values together, from one list of rows.
struct Axis {
  std::vector<std::string> keys;        ///< "length", "train/lr"
  std::vector<std::vector<Json>> rows;  ///< [values][keys]
};

/// A trial as JSON in which any value may be a list, and where each part of it was written.
struct TrialTemplate {
  Json json = Json::object();
  /// "train/lr" or "length" -> the place in the file, "FILE#/cases/0/train/lr".
  std::map<std::string, std::string> origins;

  /// Takes over what `part` says, of the place `where`: whole keys, but `train` key by key.
  void lay_over(const Json& part, const std::string& where);
  /// Where the key, or what encloses it, was written.
  std::string place(const std::string& key, const std::string& otherwise) const;
};

/// The lists in it, as axes: those under `zip` first, then task, task_config, length, model, train,
/// seed. `{best_of: [...]}` under train/lr is a list like any other. Throws Error(spec).
std::vector<Axis> axes_of(const TrialTemplate& trial, const std::string& where);

/// Every combination, the last axis fastest: the template's JSON with values in place of lists.
/// Throws Error(spec) above a million.
std::vector<Json> combine(const TrialTemplate& trial, const std::vector<Axis>& axes,
                          const std::string& where);

}  // namespace separatrix
