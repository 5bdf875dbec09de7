#include <filesystem>
#include <thread>

#include <fmt/format.h>

#include "separatrix/base/file.h"
#include "separatrix/base/yaml.h"
#include "separatrix/cli/model_arguments.h"
#include "separatrix/cli/progress.h"
#include "separatrix/cli/session.h"
#include "separatrix/lab/read_trial.h"
#include "separatrix/train/trainer.h"

namespace separatrix {
namespace {

struct TrainOptions {
  TaskArguments task;
  ModelArguments model;
  TrainConfig train;
  std::uint64_t seed = 0;
  Index threads = Index(std::max(1u, std::thread::hardware_concurrency()));
  std::string output, config;
  bool resume = false;
};

TrialSpec make_trial(const TrainOptions& o, const Session& session) {
  if (!o.config.empty()) {
    if (o.task.given())
      throw Error(ErrorKind::usage, "--config already names the task", "TASK",
                  "give either --config or TASK with flags");
    return with_lines(load_yaml(o.config), [&](const Json& json, const std::string& where) {
      return read_trial(json, session.catalogue, where);
    });
  }
  if (!o.task.given())
    throw Error(ErrorKind::usage, "TASK is required", "separatrix train",
                "see `separatrix list tasks`, or give --config FILE.yaml");
  const auto task = o.task.make(session);
  TrialSpec spec{.task = o.task.name(session),
                 .task_config = o.task.config(session),
                 .length = o.task.length(),
                 .model = o.model.make(session, task->info(o.task.length())),
                 .train = o.train,
                 .seed = o.seed,
                 .task_fingerprint = task->fingerprint()};
  return read_trial_spec(to_json(spec), "train");  // checks the ranges of every field
}

std::string show_step(Index step, Index steps, double loss, double rate) {
  return fmt::format("step {} of {}, loss {:.4f}, {:.0f} steps/s, at most {} left", step, steps,
                     loss, rate, spell_seconds(rate > 0 ? double(steps - step) / rate : 0));
}

Json result_json(const TrialSpec& spec, const TrialResult& r, const Session& session) {
  const auto bits = state_bits(spec.model, session.catalogue.blocks);
  return {{"solved", r.outcome == Outcome::solved},
          {"outcome", to_string(r.outcome)},
          {"gave_up", r.gave_up},
          {"step", r.last.step},
          {"train_loss", r.last.train_loss},
          {"token_accuracy", r.last.token_accuracy},
          {"sequence_accuracy", r.last.sequence_accuracy},
          {"seconds", r.seconds},
          {"tokens_per_second", r.tokens_per_second},
          {"state_bits", bits ? Json(*bits) : Json()},
          {"parameters", r.weights.values.size()},
          {"weights_sha256", weights_sha256(r.weights)},
          {"trial", spec.id()}};
}

TrialResult run_training(const TrialSpec& spec, const TrainOptions& o, const Session& session) {
  const auto task = session.catalogue.tasks.make(spec.task, spec.task_config);
  const std::string checkpoint = o.output.empty() ? "" : o.output + ".checkpoint";
  if (!o.resume && !checkpoint.empty()) std::filesystem::remove(checkpoint);
  Progress progress(session.quiet);
  const auto start = std::chrono::steady_clock::now();
  Index first = -1;
  TrainRun run{.checkpoint = checkpoint, .threads = int(o.threads), .stop = &session.stop};
  run.on_point = [&](const CurvePoint& p) {
    progress.note(fmt::format("step {:>6}  loss {:.4f}  token accuracy {:.4f}", p.step,
                              p.train_loss, p.token_accuracy));
  };
  run.on_step = [&](Index step, double loss) {
    if (first < 0) first = step - 1;
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    progress.status(
        show_step(step, spec.train.steps, loss, double(step - first) / elapsed.count()));
  };
  return train(spec, *task, session.catalogue.blocks, run);
}

}  // namespace

/// `separatrix train TASK --length N --model M -o FILE`
void add_train(Command command, Session& session) {
  auto o = std::make_shared<TrainOptions>();
  o->task.add(command, session, false);
  o->model.add(command, session);
  command.fields(o->train);
  command.option("seed", o->seed, "fixes every random choice");
  command.option("threads", o->threads, "threads that share the shards; changes no bit");
  command.option("config", o->config, "YAML file with the whole trial, instead of TASK and flags");
  command.output(o->output, "where the model goes; its checkpoint lies beside it until it is done");
  command.flag("resume", o->resume, "go on from the checkpoint of an interrupted run");
  command.run([o, &session] {
    const TrialSpec spec = make_trial(*o, session);
    if (o->threads < 1) throw Error(ErrorKind::usage, "threads must be at least 1", "--threads");
    if (o->resume && o->output.empty())
      throw Error(ErrorKind::usage, "--resume needs -o", "--resume",
                  "name the file given to the interrupted run");
    const TrialResult result = run_training(spec, *o, session);
    if (result.outcome == Outcome::interrupted) {
      if (!session.quiet)
        fmt::print(stderr, "{}\n",
                   o->output.empty()
                       ? "interrupted; nothing was kept, since -o was not given"
                       : "interrupted; the same command with --resume goes on from step " +
                             std::to_string(result.last.step));
    } else if (!o->output.empty()) {
      save_model(o->output, {result.weights,
                             {{"trial", to_json(spec)},
                              {"trial_id", spec.id()},
                              {"outcome", to_string(result.outcome)}}});
      std::filesystem::remove(o->output + ".checkpoint");
    }
    const Json json = result_json(spec, result, session);
    session.exit_code = result.outcome == Outcome::solved ? 0 : 1;
    session.print(
        json, fmt::format("{} after {} steps: token accuracy {:.4f} on {} inputs never trained "
                          "on, loss {:.4f} nats, {}, {:.0f} tokens/s\n",
                          result.gave_up ? "given up as hopeless" : to_string(result.outcome),
                          result.last.step, result.last.token_accuracy, spec.train.final_examples,
                          result.last.train_loss, spell_seconds(result.seconds),
                          result.tokens_per_second));
  });
}

}  // namespace separatrix
