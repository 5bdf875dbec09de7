#include "separatrix/lab/axes.h"

#include <algorithm>

namespace separatrix {
namespace {

constexpr std::size_t kMostTrials = 1'000'000;

Json::json_pointer pointer(const std::string& key) { return Json::json_pointer("/" + key); }

/// The values of a list at `key`; nullopt-like empty for anything else. An empty list would make
/// the sweep vanish without a word.
bool read_list(const Json& value, const std::string& key, const std::string& place,
               std::vector<Json>& values) {
  const bool best_of = value.is_object() && value.contains("best_of");
  if (best_of && (key != "train/lr" || value.size() != 1 || !value.at("best_of").is_array()))
    throw Error(ErrorKind::spec, "best_of belongs to train/lr", place,
                "write lr: {best_of: [1e-3, 3e-3]}");
  const Json& list = best_of ? value.at("best_of") : value;
  if (!list.is_array()) return false;
  if (list.empty()) throw Error(ErrorKind::spec, "the list is empty", place, "name a value");
  values.assign(list.begin(), list.end());
  return true;
}

/// A model's own lists multiplied out: {family: lstm, d_model: [8, 16]} -> two models. `layers` of
/// a whole ModelSpec is a list by nature.
std::vector<Json> models_of(const Json& model, const std::string& place) {
  std::vector<Json> models = {model};
  if (!model.is_object()) return models;
  for (const auto& [key, value] : model.items()) {
    std::vector<Json> values;
    const bool blocks =
        key == "layers" && value.is_array() && !value.empty() && value.front().is_object();
    if (blocks || !read_list(value, "model/" + key, place, values)) continue;
    std::vector<Json> more;
    for (const Json& each : models)
      for (const Json& chosen : values) {
        more.push_back(each);
        more.back()[key] = chosen;
      }
    models = std::move(more);
  }
  return models;
}

Axis model_axis(const Json& model, const std::string& place) {
  Axis axis{{"model"}, {}};
  const Json list = model.is_array() ? model : Json::array({model});
  for (const Json& each : list)
    for (Json& one : models_of(each, place)) axis.rows.push_back({std::move(one)});
  return axis;
}

/// {length: [20, 50], train/steps: [1000, 3000]}: one axis of two rows.
Axis zip_axis(const Json& group, const std::string& place) {
  if (!group.is_object() || group.empty())
    throw Error(ErrorKind::spec, "zip takes maps of lists", place,
                "write zip: [{length: [20, 50], train/steps: [1000, 3000]}]");
  Axis axis;
  for (const auto& [key, value] : group.items()) {
    std::vector<Json> values;
    if (!read_list(value, key, below(place, key), values))
      throw Error(ErrorKind::spec, "expected a list of values for " + key, place);
    if (axis.keys.empty()) axis.rows.resize(values.size());
    if (values.size() != axis.rows.size())
      throw Error(ErrorKind::spec,
                  "the lists of a zip differ in length: " + key + " has " +
                      std::to_string(values.size()) + ", " + axis.keys.front() + " has " +
                      std::to_string(axis.rows.size()),
                  place, "give each the same number of values");
    axis.keys.push_back(key);
    for (std::size_t i = 0; i < values.size(); ++i) axis.rows[i].push_back(std::move(values[i]));
  }
  return axis;
}

void add_list(const TrialTemplate& trial, const std::string& key, const std::string& where,
              std::vector<Axis>& axes) {
  const Json& value = trial.json.at(pointer(key));
  const std::string place = trial.place(key, where);
  std::vector<Json> values;
  if (!read_list(value, key, place, values)) return;
  Axis axis{{key}, {}};
  for (Json& each : values) axis.rows.push_back({std::move(each)});
  axes.push_back(std::move(axis));
}

/// Keys of a zip may lie inside maps ("train/steps") and nowhere else.
void set_at(Json& json, const std::string& key, const Json& value, const std::string& where) {
  const std::size_t slash = key.find('/');
  if (!json.is_object() && !json.is_null())
    throw Error(ErrorKind::spec, "a zip sets " + key + ", which lies in no map", where,
                "write train/KEY, task_config/KEY or model/KEY");
  if (slash == std::string::npos)
    json[key] = value;
  else
    set_at(json[key.substr(0, slash)], key.substr(slash + 1), value, where);
}

}  // namespace

void TrialTemplate::lay_over(const Json& part, const std::string& where) {
  for (const auto& [key, value] : part.items()) {
    if ((key == "train" || key == "task_config") && !value.is_object())
      throw Error(ErrorKind::spec, "expected a map of fields, got " + detail::shown(value),
                  below(where, key));
    if (key != "train") {
      json[key] = value;
      origins[key] = below(where, key);
      continue;
    }
    for (const auto& [field, setting] : value.items()) {
      json[key][field] = setting;
      origins[below(key, field)] = below(below(where, key), field);
    }
  }
}

std::string TrialTemplate::place(const std::string& key, const std::string& otherwise) const {
  for (std::string at = key;; at.resize(at.rfind('/'))) {
    if (const auto found = origins.find(at); found != origins.end())
      return found->second + key.substr(at.size());
    if (at.rfind('/') == std::string::npos) return below(otherwise, key);
  }
}

std::vector<Axis> axes_of(const TrialTemplate& trial, const std::string& where) {
  std::vector<Axis> axes;
  const Json zip = trial.json.value("zip", Json::array());
  const std::string zip_place = trial.place("zip", where);
  if (!zip.is_array()) axes.push_back(zip_axis(zip, zip_place));
  for (std::size_t i = 0; zip.is_array() && i < zip.size(); ++i)
    axes.push_back(zip_axis(zip[i], zip_place + "/" + std::to_string(i)));
  for (const char* key : {"task", "task_config", "length", "model", "train", "seed"}) {
    if (!trial.json.contains(key)) continue;
    const Json& value = trial.json.at(key);
    if (std::string(key) == "model") {
      axes.push_back(model_axis(value, trial.place(key, where)));
    } else if (value.is_object()) {
      for (const auto& [field, setting] : value.items())
        add_list(trial, std::string(key) + "/" + field, where, axes);
    } else {
      add_list(trial, key, where, axes);
    }
  }
  std::vector<std::string> seen;
  for (const Axis& axis : axes)
    for (const std::string& key : axis.keys) {
      if (std::find(seen.begin(), seen.end(), key) != seen.end())
        throw Error(ErrorKind::spec, key + " is given as a list and under zip",
                    trial.place("zip", where), "leave one of them out");
      seen.push_back(key);
    }
  return axes;
}

std::vector<Json> combine(const TrialTemplate& trial, const std::vector<Axis>& axes,
                          const std::string& where) {
  std::size_t n = 1;
  for (const Axis& axis : axes)
    if ((n *= axis.rows.size()) > kMostTrials)
      throw Error(ErrorKind::spec, "the file asks for more than a million trials", where,
                  "shorten its lists");
  std::vector<Json> combined;
  combined.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    Json json = trial.json;
    json.erase("zip");
    std::size_t rest = i;
    // The model before what a zip sets inside it.
    std::vector<std::pair<std::string, const Json*>> chosen;
    for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
      const std::vector<Json>& row = axis->rows[rest % axis->rows.size()];
      rest /= axis->rows.size();
      for (std::size_t k = 0; k < row.size(); ++k) chosen.emplace_back(axis->keys[k], &row[k]);
    }
    std::stable_sort(chosen.begin(), chosen.end(),
                     [](const auto& a, const auto& b) { return a.first.size() < b.first.size(); });
    for (const auto& [key, value] : chosen) set_at(json, key, *value, where);
    combined.push_back(std::move(json));
  }
  return combined;
}

}  // namespace separatrix
