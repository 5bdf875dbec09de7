#include "separatrix/report/spec_parts.h"

namespace separatrix {

std::size_t SpecParts::Part::number(const Json& value) {
  const auto [at, is_new] = numbers_.emplace(value.dump(), values_.size());
  if (is_new) values_.push_back(value);
  return at->second;
}

void SpecParts::add(const TrialSpec& spec) {
  Json task = to_json(spec);
  Json model = task.at("model"), train = task.at("train");
  for (const char* key : {"model", "train", "seed"}) task.erase(key);
  train.erase("lr");
  Json numbers = Json::array();
  for (const Json& layer : model.at("layers")) numbers.push_back(layers_.number(layer));
  model["layers"] = numbers;
  of_.push_back({tasks_.number(task), models_.number(model), trains_.number(train)});
}

Json SpecParts::json() const {
  return {{"tasks", tasks_.values()},
          {"layers", layers_.values()},
          {"models", models_.values()},
          {"trains", trains_.values()},
          {"of", of_}};
}

}  // namespace separatrix
