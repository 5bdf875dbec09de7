#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "separatrix/base/file.h"
#include "separatrix/base/json.h"
#include "separatrix/cli/bound_text.h"
#include "separatrix/cli/progress.h"
#include "separatrix/cli/session.h"
#include "separatrix/cli/variants.h"

namespace separatrix {
namespace {

struct BoundOptions {
  TaskArguments task;
  std::string method, model, from;
  bool check = false, cuts = false;
  double accuracy = 0.99;  // what `separate` calls learned
  OneLayerNumbers one_layer;
  Threads threads;
};

/// A bar from the first second on.
class Bar {
 public:
  explicit Bar(bool quiet) : progress_(quiet) {}
  void operator()(const std::string& doing, double share) {
    if (Clock::now() - begin_ < std::chrono::seconds(1)) return;
    constexpr int kWidth = 30;
    const int done = int(share * kWidth);
    progress_.status(fmt::format("{:<34} [{:=<{}}{:<{}}] {:3.0f} %", doing, "", done, "",
                                 kWidth - done, 100 * share));
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point begin_ = Clock::now();
  Progress progress_;
};

/// Every bound that applies, and the methods that would not fit.
struct Found {
  std::vector<Bound> bounds;
  Json skipped = Json::array();
  std::optional<Error> too_large;
};

Found compute(const Session& session, const std::string& only, const BoundRequest& request) {
  Found found;
  for (const auto& entry : session.catalogue.bounds.entries()) {
    if (!only.empty() && !same_name(entry.name, only)) continue;
    try {
      for (Bound& bound : session.catalogue.bounds.make(entry.name)->compute(request))
        found.bounds.push_back(std::move(bound));
    } catch (const Error& e) {  // this method will not fit; another may
      if (session.stop) throw;
      if (!found.too_large) found.too_large = e;
      found.skipped.push_back({{"method", entry.name}, {"reason", e.what()}});
    }
  }
  return found;
}

/// The bounds of a file that `bound --json` wrote for this very task and length.
Found bounds_of_file(const std::string& path, const BoundRequest& request) {
  const Json json = parse_json(read_file(path), path);
  const auto differs = [&](const char* key, const Json& ours) {
    return !json.is_object() || !json.contains(key) || json.at(key) != ours;
  };
  if (differs("task", request.task_name) || differs("task_config", request.task_config) ||
      differs("length", request.length))
    throw Error(ErrorKind::spec, "the bounds in this file are about another task or length", path,
                "give the task, parameters and length they were computed for");
  Found found;
  if (!json.contains("bounds") || !json.at("bounds").is_array())
    throw Error(ErrorKind::spec, "the file has no list of bounds", path);
  for (std::size_t i = 0; i < json.at("bounds").size(); ++i)
    found.bounds.push_back(read_bound(json.at("bounds")[i], path + "/bounds/" + std::to_string(i)));
  return found;
}

WitnessCheck check(const Session& session, const BoundRequest& request, const Bound& bound) {
  if (bound.length != request.length) return {false, "it is about another length"};
  return session.catalogue.bounds.make(bound.method)->check(request, bound);
}

/// What is known of the model, first lines of the answer.
std::string show_model(const ModelSize& size, const std::string& file) {
  if (size.state_bits) return fmt::format("{}: carries {} bits\n", file, *size.state_bits);
  if (size.one_layer) {
    const OneLayerNumbers& n = *size.one_layer;
    return fmt::format("{}: one layer, H = {}, d_v = {}, V = {:.4g}, S = {:.4g}, Lambda = {:.4g}\n",
                       file, n.heads, n.value_width, n.value, n.score, n.lipschitz);
  }
  return fmt::format("{}: no bound is about it, {}\n", file, size.why_not);
}

Json model_json(const ModelSize& size, const std::string& file) {
  Json json = {{"file", file}, {"state_bits", nullptr}};
  if (size.state_bits) json["state_bits"] = *size.state_bits;
  if (!size.why_not.empty()) json["not_measured"] = size.why_not;
  if (size.one_layer) {
    Json& numbers = json["one_layer"];
    OneLayerNumbers n = *size.one_layer;
    auto add = [&](const char* name, auto& value, const char*) { numbers[name] = value; };
    visit(add, n);
  }
  return json;
}

/// Prints the bounds of one task; checks and compares them as asked.
class Answer {
 public:
  Answer(const BoundOptions& options, Session& session) : o_(options), session_(session) {}

  void measure(const ModelFile& file, BoundRequest& request) {
    size_ = measure_size(file.weights, session_.catalogue.blocks,
                         request.task.info(request.length).n_tokens);
    text_ += show_model(size_, o_.model);
    model_ = model_json(size_, o_.model);
    if (!size_.one_layer) return;
    const double margin = request.one_layer.margin;
    request.one_layer = *size_.one_layer;
    request.one_layer.margin = margin;
  }

  void add(const BoundRequest& request, const Bound& bound) {
    Json json;
    if (session_.json) json = to_json(bound);  // a million cuts take their time
    std::string checked;
    json["checked"] = false;
    if (o_.check) {
      const WitnessCheck verdict = check(session_, request, bound);
      json["checked"] = verdict.valid && verdict.covers;
      json["checked_how"] = verdict.how;
      checked = !verdict.valid ? "FAILED, " + verdict.how
                               : (verdict.covers ? "" : "in part only, ") + verdict.how;
      if (!verdict.valid) session_.exit_code = 1;
    }
    text_ += show_bound(bound, checked);
    if (o_.cuts) text_ += show_cuts(bound);
    if (!o_.model.empty()) judge_model(request, bound, json);
    bounds_.push_back(std::move(json));
  }

  void print(const BoundRequest& request, const Found& found) {
    if (found.bounds.empty()) text_ += "no bound is known for this task and length\n";
    Json json = {{"task", request.task_name},
                 {"task_config", request.task_config},
                 {"length", request.length},
                 {"bounds", bounds_},
                 {"skipped", found.skipped}};
    if (!model_.is_null()) json["model"] = model_;
    session_.print(json, fmt::format("{}, length {}: {}\n", request.task_name, request.length,
                                     request.task.describe(request.length)) +
                             text_);
  }

 private:
  void judge_model(const BoundRequest& request, const Bound& bound, Json& json) {
    const ModelVerdict verdict = judge(size_, request, bound);
    if (!verdict.applies) return;
    json["model"] = {{"excluded", verdict.excluded}, {"sentence", verdict.sentence}};
    text_ += fmt::format("{:<32}{}\n", "", verdict.sentence);
    if (verdict.excluded) session_.exit_code = 1;
  }

  const BoundOptions& o_;
  Session& session_;
  ModelSize size_;
  Json model_, bounds_ = Json::array();
  std::string text_;
};

/// Every task with its defaults and, one at a time, the other layouts, orders and modes.
void print_table(const BoundOptions& o, Session& session) {
  Bar bar(session.quiet);
  std::string text = table_head();
  Json rows = Json::array();
  const auto add = [&](const Registry<Task>::Entry& entry, const Json& config,
                       const std::string& name) {
    const auto task = entry.make(config, entry.name);
    try {
      task->check_length(o.task.length());
    } catch (const Error& e) {
      text += fmt::format("| {} | {} |\n", entry.name, e.what());
      return;
    }
    const BoundRequest request{.task = *task,
                               .task_name = entry.name,
                               .task_config = entry.resolve(config, entry.name),
                               .length = o.task.length(),
                               .one_layer = o.one_layer,
                               .threads = o.threads.checked(),
                               .progress = std::ref(bar),
                               .stop = &session.stop};
    const Found found = compute(session, o.method, request);
    text += table_row(name, found.bounds);
    Json bounds = Json::array();
    for (const Bound& bound : found.bounds) bounds.push_back(to_json(bound));
    rows.push_back(
        {{"task", entry.name}, {"task_config", request.task_config}, {"bounds", bounds}});
  };
  for_each_variant(session.catalogue.tasks, add);
  session.print({{"length", o.task.length()}, {"tasks", rows}}, text);
}

}  // namespace

/// `separatrix bound TASK --length N`
void add_bound(Command command, Session& session) {
  auto o = std::make_shared<BoundOptions>();
  o->task.add(command, session);
  command.option("method", o->method, "only this one of `separatrix list bounds`");
  command.flag("check", o->check, "verify every witness anew, against the task's definition");
  command.flag("cuts", o->cuts, "also the number of classes at every cut");
  command.option("from", o->from, "take the bounds of this file, printed by --json before");
  command.option("model", o->model, "a model file: say which bounds exclude it");
  command.option("accuracy", o->accuracy, "for information-ceiling: mean accuracy to be reached");
  command.option("threads", o->threads.count, "changes no result");
  command.fields(o->one_layer);
  command.run([o, &session] {
    const int threads = o->threads.checked();
    if (!(o->accuracy > 0 && o->accuracy <= 1))
      throw Error(ErrorKind::usage, "accuracy must be above 0 and at most 1", "--accuracy");
    check_numbers(o->one_layer);
    if (!o->method.empty()) session.catalogue.bounds.find(o->method, "--method");
    if (o->task.is_all()) return print_table(*o, session);

    const auto task = o->task.make(session);
    Bar bar(session.quiet);
    BoundRequest request{.task = *task,
                         .task_name = o->task.name(session),
                         .task_config = o->task.config(session),
                         .length = o->task.length(),
                         .one_layer = o->one_layer,
                         .accuracy = o->accuracy,
                         .threads = threads,
                         .progress = std::ref(bar),
                         .stop = &session.stop};
    Answer answer(*o, session);
    if (!o->model.empty()) {
      const ModelFile file = load_model(session, o->model);
      check_model_fits(file, o->model, o->task, session);
      answer.measure(file, request);
    }
    const Found found =
        o->from.empty() ? compute(session, o->method, request) : bounds_of_file(o->from, request);
    if (found.bounds.empty() && found.too_large) throw Error(*found.too_large);
    for (const Bound& bound : found.bounds) answer.add(request, bound);
    answer.print(request, found);
  });
}

}  // namespace separatrix
