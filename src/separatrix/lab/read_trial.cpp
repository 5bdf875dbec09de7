#include "separatrix/lab/read_trial.h"

#include <algorithm>

#include "separatrix/lab/models.h"
#include "separatrix/nn/model.h"

namespace separatrix {
namespace {

/// {family: ..., sizes and fields of the family's block}.
NamedModel read_named(const Json& json, const Registry<Block>& blocks, const std::string& where) {
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

/// make(), with errors that name no place in the file put at `where`.
template <class Make>
ModelSpec at_place(const std::string& where, const Make& make) {
  try {
    return make();
  } catch (const Error& e) {
    if (e.where().starts_with(where)) throw;
    throw Error(e.kind(), e.what(), where, e.hint());
  }
}

}  // namespace

ModelSpec read_model(const Json& json, const Registry<Block>& blocks, const TaskInfo& info,
                     const std::string& where) {
  ModelSpec spec;
  if (json.is_object() && json.contains("family")) {
    if (!json.at("family").is_string())
      throw Error(ErrorKind::spec, "expected text, got " + json.at("family").dump(),
                  where + "/family");
    spec =
        at_place(where, [&] { return named_model(read_named(json, blocks, where), info, blocks); });
  } else {
    spec = read_model_spec(json, where);
    if (spec.vocab_size == 0) spec.vocab_size = info.vocab_size;
    if (spec.n_classes == 0) spec.n_classes = info.n_classes;
    if (spec.max_length == 0) spec.max_length = info.n_tokens;
  }
  return resolve(spec, blocks, where);
}

namespace {

/// Sizes that fit the inputs of every length at which the trial trains or judges.
TaskInfo largest_info(const Task& task, const TrialSpec& spec) {
  TaskInfo info = task.info(spec.length);
  for (const Index length : spec.eval_lengths) {
    task.check_length(length);
    const TaskInfo there = task.info(length);
    info.vocab_size = std::max(info.vocab_size, there.vocab_size);
    info.n_classes = std::max(info.n_classes, there.n_classes);
    info.n_tokens = std::max(info.n_tokens, there.n_tokens);
  }
  return info;
}

}  // namespace

TrialSpec read_trial(const Json& given, const Catalogue& catalogue, const std::string& where) {
  if (!given.is_object() || !given.contains("task") || !given.contains("length") ||
      !given.contains("model"))
    throw Error(ErrorKind::spec, "a trial needs task, length and model", where,
                "see docs/tutorial.md");
  Json json = given;
  const Json model = json.at("model");
  json.erase("model");
  TrialSpec spec = read_trial_spec(json, where);
  const auto& entry = catalogue.tasks.find(spec.task, where + "/task");
  spec.task = entry.name;
  spec.task_config = entry.resolve(spec.task_config, where + "/task_config");
  const auto task = catalogue.tasks.make(spec.task, spec.task_config, where);
  task->check_length(spec.length);
  spec.task_fingerprint = task->fingerprint();
  std::erase(spec.eval_lengths, spec.length);  // judged anyway
  spec.model = read_model(model, catalogue.blocks, largest_info(*task, spec), where + "/model");
  return spec;
}

}  // namespace separatrix
