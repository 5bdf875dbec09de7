#include "separatrix/cli/model_arguments.h"

#include "separatrix/base/yaml.h"
#include "separatrix/cli/session.h"
#include "separatrix/lab/models.h"
#include "separatrix/lab/read_trial.h"

namespace separatrix {

void ModelArguments::add(Command& command, const Session& session) {
  command.option(
      "model", name_,
      "one of `separatrix list models`, blocks joined by commas (attention,mlp,lstm), or "
      "FILE.yaml with a ModelSpec");
  for (const ModelFamily& family : model_families())
    command.parameters(family.parameters(session.catalogue.blocks), "Options of models",
                       parameters_, "model");
}

ModelSpec ModelArguments::make(const Session& session, const TaskInfo& info) const {
  if (name_.ends_with(".yaml") || name_.ends_with(".yml")) {
    parameters_.config_for(name_, Json::array());  // a file says its sizes itself
    return with_lines(load_yaml(name_), [&](const Json& json, const std::string& where) {
      return read_model(json, session.catalogue.blocks, info, where);
    });
  }
  const ModelFamily family = find_model_family(name_, session.catalogue.blocks);
  Json json = parameters_.config_for(family.name, family.parameters(session.catalogue.blocks));
  json["family"] = family.name;
  return read_model(json, session.catalogue.blocks, info, family.name);
}

}  // namespace separatrix
