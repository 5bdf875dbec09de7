#include "separatrix/cli/model_arguments.h"

#include "separatrix/base/yaml.h"
#include "separatrix/cli/session.h"
#include "separatrix/lab/models.h"

namespace separatrix {

void ModelArguments::add(Command& command) {
  command.option("model", name_, "one of `separatrix list models`, or FILE.yaml with a ModelSpec");
  command.parameters(describe_config<ModelOptions>(), "Sizes of models", parameters_);
}

ModelSpec ModelArguments::make(const Session& session, const TaskInfo& info) const {
  if (name_.ends_with(".yaml") || name_.ends_with(".yml")) {
    parameters_.config_for(name_, Json::array());  // a file says its sizes itself
    return with_lines(load_yaml(name_), [&](const Json& json, const std::string& where) {
      return read_model(json, session, info, where);
    });
  }
  const ModelFamily& family = find_model_family(name_);
  Json json = parameters_.config_for(family.name, family.parameters());
  json["family"] = family.name;
  return read_model(json, session, info, family.name);
}

ModelSpec read_model(const Json& json, const Session& session, const TaskInfo& info,
                     const std::string& where) {
  ModelSpec spec;
  if (json.is_object() && json.contains("family")) {
    if (!json.at("family").is_string())
      throw Error(ErrorKind::spec, "expected text, got " + json.at("family").dump(),
                  where + "/family");
    Json options = json;
    options.erase("family");
    spec = named_model(json.at("family"), read_config<ModelOptions>(options, where), info);
  } else {
    spec = read_model_spec(json, where);
    if (spec.vocab_size == 0) spec.vocab_size = info.vocab_size;
    if (spec.n_classes == 0) spec.n_classes = info.n_classes;
    if (spec.max_length == 0) spec.max_length = info.n_tokens;
  }
  return resolve(spec, session.catalogue.blocks, where);
}

}  // namespace separatrix
