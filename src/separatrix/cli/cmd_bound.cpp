#include <fmt/format.h>

#include "separatrix/cli/session.h"

namespace separatrix {
namespace {

struct BoundOptions {
  TaskArguments task;
  std::string method;
  bool check = false;
};

std::string show(const Bound& bound, const std::string& checked) {
  const std::string count = bound.count.get_str();
  const std::string shown =
      count.size() <= 30 ? count
                         : fmt::format("{}... ({} digits)", count.substr(0, 12), count.size());
  return fmt::format("{:<28} >= {} bits ({}): {} classes after {} tokens\n{:<28}    {}; {}{}\n",
                     to_string(bound.resource), bound.bits(), bound.exact ? "exact" : "lower bound",
                     shown, bound.split, "", bound.method, bound.theorem,
                     checked.empty() ? "" : "; witness checked: " + checked);
}

}  // namespace

/// `separatrix bound TASK --length N`
void add_bound(Command command, Session& session) {
  auto o = std::make_shared<BoundOptions>();
  o->task.add(command, session);
  command.option("method", o->method, "only this one of `separatrix list bounds`");
  command.flag("check", o->check, "verify every witness anew, against the task's definition");
  command.run([o, &session] {
    const auto task = o->task.make(session);
    const std::string name = o->task.name(session);
    const auto& methods = session.catalogue.bounds;
    const BoundRequest request{.task = *task,
                               .task_name = name,
                               .task_config = o->task.config(session),
                               .length = o->task.length()};
    Json bounds = Json::array(), skipped = Json::array();
    std::string text = fmt::format("{}, length {}: {}\n", name, o->task.length(),
                                   task->describe(o->task.length()));
    if (!o->method.empty()) methods.find(o->method, "--method");
    std::optional<Error> too_large;
    for (const auto& entry : methods.entries()) {
      if (!o->method.empty() && !same_name(entry.name, o->method)) continue;
      const auto method = methods.make(entry.name);
      std::vector<Bound> found;
      try {
        found = method->compute(request);
      } catch (const Error& e) {  // this method will not fit; another may
        if (!too_large) too_large = e;
        skipped.push_back({{"method", entry.name}, {"reason", e.what()}});
      }
      for (const Bound& bound : found) {
        Json json = to_json(bound);
        std::string checked;
        json["checked"] = false;
        if (o->check) {
          const WitnessCheck verdict = method->check(request, bound);
          checked = verdict.how;
          json["checked"] = verdict.valid;
          json["checked_how"] = verdict.how;
          if (!verdict.valid) {
            session.exit_code = 1;
            checked = "FAILED, " + verdict.how;
          }
        }
        bounds.push_back(json);
        text += show(bound, checked);
      }
    }
    if (bounds.empty() && too_large) throw Error(*too_large);
    if (bounds.empty()) text += "no bound is known for this task and length\n";
    session.print(
        {{"task", name}, {"length", o->task.length()}, {"bounds", bounds}, {"skipped", skipped}},
        text);
  });
}

}  // namespace separatrix
