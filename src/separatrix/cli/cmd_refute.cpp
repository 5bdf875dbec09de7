#include <algorithm>
#include <thread>

#include <fmt/format.h>

#include "separatrix/cli/progress.h"
#include "separatrix/cli/session.h"

namespace separatrix {
namespace {

struct RefuteOptions {
  std::string file, method;
  TaskArguments task;
  std::uint64_t seed = 0;
  double seconds = 60;
  Threads threads;
};

std::string spell(const std::vector<Token>& tokens, const Task& task, Index length) {
  std::string text;
  for (const Token token : tokens) text += " " + task.spell(token, length);
  return text;
}

std::string show(const RefuteReport& report, const Task& task, Index length) {
  std::string text;
  if (const auto& found = report.found) {
    text = fmt::format("wrong ({}): the model answers {} instead of {} at position {} of\n {}\n",
                       found->method, task.spell_class(found->given, length),
                       task.spell_class(found->expected, length), found->position,
                       spell(found->tokens, task, length));
    if (found->prefix_pair)
      text += fmt::format("two beginnings that the task tells apart{}:\n {}\n {}\n",
                          found->state_distance
                              ? fmt::format(", and whose states in the model differ by {:.3g}",
                                            *found->state_distance)
                              : "",
                          spell(found->prefix_pair->first, task, length),
                          spell(found->prefix_pair->second, task, length));
  } else {
    text =
        "nothing found, which proves nothing: the model may still be wrong on inputs not tried\n";
  }
  text += "tried:\n";
  for (const auto& [name, result] : report.tried)
    text += fmt::format("  {:<20} {}\n", name, result.effort);
  return text;
}

Json to_json(const RefuteReport& report) {
  Json json = {{"found", report.found.has_value()},
               {"tokens", nullptr},
               {"expected", nullptr},
               {"given", nullptr},
               {"method", nullptr},
               {"position", nullptr},
               {"prefix_pair", nullptr},
               {"state_distance", nullptr}};
  if (const auto& found = report.found) {
    json["tokens"] = found->tokens;
    json["expected"] = found->expected;
    json["given"] = found->given;
    json["method"] = found->method;
    json["position"] = found->position;
    if (found->prefix_pair)
      json["prefix_pair"] = {found->prefix_pair->first, found->prefix_pair->second};
    if (found->state_distance) json["state_distance"] = *found->state_distance;
  }
  json["effort"] = Json::array();
  for (const auto& [name, result] : report.tried)
    json["effort"].push_back({{"method", name},
                              {"applicable", result.applicable},
                              {"words", result.effort},
                              {"seconds", result.seconds}});
  return json;
}

}  // namespace

/// `separatrix refute FILE [TASK --length N]`
void add_refute(Command command, Session& session) {
  auto o = std::make_shared<RefuteOptions>();
  command.argument("FILE", o->file, "a model file");
  o->task.add(command, session, /*required=*/false);
  command.option("method", o->method, "only this one of `separatrix list attacks`");
  command.option("seed", o->seed, "fixes every random choice");
  command.option("seconds", o->seconds, "for all methods together");
  command.option("threads", o->threads.count, "threads; never changes what is found");
  command.run([o, &session] {
    const int threads = o->threads.checked();
    if (!(o->seconds > 0)) throw Error(ErrorKind::usage, "seconds must be positive", "--seconds");
    const ModelFile file = load_model(session, o->file);
    const ModelOrigin wanted = wanted_task(o->task, file, o->file, session);
    const auto task = session.catalogue.tasks.make(wanted.task, wanted.task_config, o->file);
    task->check_length(wanted.length);
    check_model_fits(file, o->file, wanted, session);
    Progress progress(session.quiet);
    AttackOptions options{.seed = o->seed,
                          .threads = threads,
                          .seconds = o->seconds,
                          .progress = [&](const std::string& doing) { progress.status(doing); },
                          .stop = &session.stop};
    const Target target{*task, wanted.length, file.weights, session.catalogue.blocks};
    const RefuteReport report = refute(target, session.catalogue.attacks, options, o->method);
    session.exit_code = report.found ? 1 : 0;
    session.print(to_json(report), show(report, *task, wanted.length));
  });
}

}  // namespace separatrix
