#include "separatrix/lab/setting_labels.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "separatrix/base/names.h"

namespace separatrix {
namespace {

using Options = std::map<std::string, std::string>;  ///< key -> value, both as shown

/// Sizes that follow from the task and its lengths: no label, unless nothing else differs.
bool is_derived(const std::string& key) {
  return key == "vocab_size" || key == "n_classes" || key == "max_length";
}

std::string shown(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// Widths inside a block that grow with the model's are the same option at every width.
std::string option_value(const std::string& key, const Json& value, Index width) {
  if (key == "d_ff" && value.is_number_integer() && width > 0 && value.get<Index>() % width == 0)
    return fmt::format("{} d_model", value.get<Index>() / width);
  return shown(value);
}

void add_layer(const LayerSpec& layer, const std::string& prefix, Index width, Options& options) {
  const auto add = [&](const std::string& key, const std::string& value) {
    std::string& all = options[prefix + key];
    if (all.empty())
      all = value;
    else if (("/" + all + "/").find("/" + value + "/") == std::string::npos)
      all += "/" + value;  // layers that differ
  };
  for (const auto& [key, value] : layer.config.items()) add(key, option_value(key, value, width));
  add("residual", layer.residual ? "true" : "false");
}

/// Everything that tells a setting from others beside task, length, model, layers, width and rate.
Options options_of(const Setting& setting) {
  Options options;
  const Json model = write_model_spec(setting.spec.model);
  for (const auto& [key, value] : model.items())
    if (key != "layers" && key != "d_model") options[key] = shown(value);
  const std::vector<std::string> unit = model_shape(setting.spec.model).unit;
  std::set<std::string> blocks;
  for (const LayerSpec& layer : setting.spec.model.layers) {
    blocks.insert(layer.block);
    const bool main = !unit.empty() && same_name(unit.front(), layer.block);
    add_layer(layer, main ? "" : layer.block + " ", setting.width, options);
  }
  options["mlp"] = contains_name({blocks.begin(), blocks.end()}, "mlp") ? "true" : "false";
  const Json train = write_config(setting.spec.train);
  for (const auto& [key, value] : train.items())
    if (key != "lr") options[key] = shown(value);
  if (!setting.spec.eval_lengths.empty())
    options["eval_lengths"] = Json(setting.spec.eval_lengths).dump();
  if (!setting.spec.task_fingerprint.empty())
    options["task files"] = setting.spec.task_fingerprint.substr(0, 8);
  return options;
}

std::string value_of(const Options& options, const std::string& key) {
  const auto found = options.find(key);
  return found == options.end() ? "default" : found->second;
}

/// The keys with more than one value.
std::set<std::string> differing(const std::vector<const Options*>& all) {
  std::set<std::string> keys, out;
  for (const Options* options : all)
    for (const auto& [key, value] : *options) keys.insert(key);
  for (const std::string& key : keys)
    for (const Options* options : all)
      if (value_of(*options, key) != value_of(*all.front(), key)) out.insert(key);
  return out;
}

std::vector<const Options*> pointers_to(const std::vector<Options>& all) {
  std::vector<const Options*> out;
  for (const Options& options : all) out.push_back(&options);
  return out;
}

/// Of the parameters of each task, those that vary.
void label_tasks(std::vector<Setting>& settings) {
  std::map<std::string, std::vector<Options>> configs;
  const auto config_of = [](const Setting& setting) {
    Options options;
    for (const auto& [key, value] : setting.task_config.items()) options[key] = shown(value);
    return options;
  };
  for (const Setting& setting : settings) configs[setting.task].push_back(config_of(setting));
  std::map<std::string, std::set<std::string>> keys;
  for (const auto& [task, all] : configs) keys[task] = differing(pointers_to(all));
  for (Setting& setting : settings) {
    const Options own = config_of(setting);
    setting.task_label = setting.task;
    for (const std::string& key : keys.at(setting.task))
      setting.task_label += fmt::format(", {} {}", key, value_of(own, key));
  }
}

/// The options in which settings of one model differ that are otherwise in the same place. What
/// varies only together with the width, say, needs no name.
std::map<std::string, std::set<std::string>> distinguishing(const std::vector<Setting>& settings,
                                                            const std::vector<Options>& options) {
  std::map<std::string, std::vector<const Options*>> places;
  std::map<std::string, std::string> model_of;
  for (std::size_t i = 0; i < settings.size(); ++i) {
    const Setting& s = settings[i];
    const std::string place =
        Json::array({s.model, s.task, s.task_config, s.length, s.layers, s.width}).dump();
    places[place].push_back(&options[i]);
    model_of[place] = s.model;
  }
  std::map<std::string, std::set<std::string>> out;
  for (const auto& [place, all] : places) {
    const std::set<std::string> keys = differing(all);
    const bool chosen = !std::all_of(keys.begin(), keys.end(), is_derived);
    for (const std::string& key : keys)
      if (!chosen || !is_derived(key)) out[model_of.at(place)].insert(key);
  }
  return out;
}

}  // namespace

void label(std::vector<Setting>& settings) {
  label_tasks(settings);
  std::vector<Options> options;
  std::map<std::string, std::set<Index>> depths;
  for (const Setting& setting : settings) {
    options.push_back(options_of(setting));
    depths[setting.model].insert(setting.layers);
  }
  const auto keys = distinguishing(settings, options);
  for (std::size_t i = 0; i < settings.size(); ++i) {
    Setting& setting = settings[i];
    setting.model_label = setting.model;
    if (depths.at(setting.model).size() > 1)
      setting.model_label +=
          fmt::format(", {} layer{}", setting.layers, setting.layers == 1 ? "" : "s");
    if (const auto found = keys.find(setting.model); found != keys.end())
      for (const std::string& key : found->second)
        setting.model_label += fmt::format(", {} {}", key, value_of(options[i], key));
  }
}

}  // namespace separatrix
