#include "separatrix/cli/session.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "separatrix/nn/model.h"

namespace separatrix {

void Session::print(const Json& json_form, const std::string& text_form) const {
  const std::string text = json ? json_form.dump() + "\n" : text_form;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw Error(ErrorKind::io, std::string("cannot write the result: ") + std::strerror(errno),
                "standard output");
}

void TaskArguments::add(Command& command, const Session& session, bool required) {
  command.argument("TASK", name_, "one of `separatrix list tasks`", required);
  if (required)
    command.required_option("length", length_, "the task's own measure N");
  else
    command.option("length", length_, "the task's own measure N");
  for (const auto& task : session.catalogue.tasks.entries())
    command.parameters(task.parameters, "Parameters of tasks", parameters_);
}

std::unique_ptr<Task> TaskArguments::make(const Session& session) const {
  auto task = session.catalogue.tasks.make(name_, config(session), "task");
  task->check_length(length_);
  return task;
}

Json TaskArguments::config(const Session& session) const {
  const auto& entry = session.catalogue.tasks.find(name_);
  return entry.resolve(parameters_.config_for(entry.name, entry.parameters), entry.name);
}

std::string TaskArguments::name(const Session& session) const {
  return session.catalogue.tasks.find(name_).name;
}

int Threads::checked() const {
  if (count < 1) throw Error(ErrorKind::usage, "threads must be at least 1", "--threads");
  return int(std::min<Index>(count, 1024));
}

ModelFile load_model(const Session& session, const std::string& path) {
  return load_model(path, [&](const ModelSpec& spec) {
    return model_params(resolve(spec, session.catalogue.blocks, path), session.catalogue.blocks);
  });
}

std::optional<ModelOrigin> origin_of(const ModelFile& file) {
  const Json& p = file.provenance;
  const char* const part = p.contains("claim") ? "claim" : "trial";
  if (!p.contains(part) || !p.at(part).is_object()) return std::nullopt;
  try {
    const Json& made_for = p.at(part);
    return ModelOrigin{made_for.at("task"), made_for.at("task_config"), made_for.at("length")};
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

ModelOrigin wanted_task(const TaskArguments& task, const ModelFile& file, const std::string& path,
                        const Session& session) {
  const auto origin = origin_of(file);
  if (!origin && !task.given())
    throw Error(ErrorKind::usage, "TASK is required", path,
                "the file does not say which task its model is for");
  ModelOrigin wanted =
      task.given() ? ModelOrigin{task.name(session), task.config(session), 0} : *origin;
  if (task.length() != 0 || !origin)
    wanted.length = task.length();
  else
    wanted.length = origin->length;
  return wanted;
}

void check_model_fits(const ModelFile& file, const std::string& path, const ModelOrigin& wanted,
                      const Session& session) {
  const auto origin = origin_of(file);
  if (origin && !same_name(origin->task, wanted.task))
    throw Error(ErrorKind::spec,
                "the model was made for " + origin->task + ", not for " + wanted.task, path,
                "name the task it was made for");
  if (origin && origin->task_config != wanted.task_config)
    throw Error(ErrorKind::spec,
                "the model was made for other parameters of " + wanted.task + ": " +
                    origin->task_config.dump(),
                path, "give the same parameters");
  const auto task = session.catalogue.tasks.make(wanted.task, wanted.task_config, "task");
  task->check_length(wanted.length);
  if (const auto misfit = find_misfit(file.weights.spec, task->info(wanted.length)))
    throw Error(ErrorKind::spec,
                std::string("the model's ") + misfit->field + " is " +
                    std::to_string(misfit->have) + ", this length needs " +
                    std::to_string(misfit->need),
                path, "use a model made for this task and length");
}

void check_model_fits(const ModelFile& file, const std::string& path, const TaskArguments& task,
                      const Session& session) {
  check_model_fits(file, path, {task.name(session), task.config(session), task.length()}, session);
}

}  // namespace separatrix
