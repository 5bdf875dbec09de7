#include "separatrix/cli/model_arguments.h"

#include <algorithm>

#include "separatrix/base/yaml.h"
#include "separatrix/cli/session.h"
#include "separatrix/lab/models.h"

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
      return read_model(json, session, info, where);
    });
  }
  const ModelFamily family = find_model_family(name_, session.catalogue.blocks);
  Json json = parameters_.config_for(family.name, family.parameters(session.catalogue.blocks));
  json["family"] = family.name;
  return read_model(json, session, info, family.name);
}

namespace {

/// {family: ..., sizes and fields of the family's block}.
NamedModel read_named(const Json& json, const Session& session, const std::string& where) {
  const Registry<Block>& blocks = session.catalogue.blocks;
  NamedModel model{.name = json.at("family")};
  std::vector<std::string> known;
  for (const Json& field : find_model_family(model.name, blocks).parameters(blocks))
    known.push_back(field.at("name"));
  const Json sizes = write_config(ModelOptions{});
  Json options = Json::object();
  for (const auto& [key, value] : json.items()) {
    if (key == "family") continue;
    const std::string& written = key;
    const auto name = std::find_if(known.begin(), known.end(), [&](const std::string& each) {
      return same_name(each, written);
    });
    if (name == known.end())
      throw Error(ErrorKind::spec, "unknown key '" + written + "'",
                  std::string(where).append("/").append(key), did_you_mean(key, known));
    (sizes.contains(*name) ? options : model.config)[*name] = value;
  }
  model.options = read_config<ModelOptions>(options, where);
  return model;
}

}  // namespace

ModelSpec read_model(const Json& json, const Session& session, const TaskInfo& info,
                     const std::string& where) {
  ModelSpec spec;
  if (json.is_object() && json.contains("family")) {
    if (!json.at("family").is_string())
      throw Error(ErrorKind::spec, "expected text, got " + json.at("family").dump(),
                  where + "/family");
    spec = named_model(read_named(json, session, where), info, session.catalogue.blocks);
  } else {
    spec = read_model_spec(json, where);
    if (spec.vocab_size == 0) spec.vocab_size = info.vocab_size;
    if (spec.n_classes == 0) spec.n_classes = info.n_classes;
    if (spec.max_length == 0) spec.max_length = info.n_tokens;
  }
  return resolve(spec, session.catalogue.blocks, where);
}

}  // namespace separatrix
