#include <filesystem>
#include <thread>

#include <fmt/format.h>

#include "separatrix/cli/progress.h"
#include "separatrix/cli/session.h"
#include "separatrix/lab/separate.h"
#include "separatrix/report/report.h"
#include "separatrix/report/table.h"

namespace separatrix {
namespace {

struct SeparateOptions {
  TaskArguments task;
  std::vector<std::string> models = {"transformer", "lstm"};
  std::string budget = "quick", store = "separatrix.db", output = "separatrix-report";
  std::uint64_t seed = 0;
  Threads threads;
};

std::string show(const RunProgress& p) {
  const std::string accuracy = p.point.token_accuracy > 0
                                   ? fmt::format(", accuracy {:.3f}", p.point.token_accuracy)
                                   : "";  // measured at curve points only
  return fmt::format("{} width {}, lr {:g}, seed {}: step {}, loss {:.3f}{}",
                     p.spec->model.layers.empty() ? "" : p.spec->model.layers.front().block,
                     p.spec->model.d_model, p.spec->train.lr, p.spec->seed, p.point.step,
                     p.point.train_loss, accuracy);
}

Json rows_json(const Separation& separation) {
  Json rows = Json::array();
  for (const SeparationRow& row : separation.rows) rows.push_back(to_json(row));
  return rows;
}

}  // namespace

/// `separatrix separate TASK --length N`: bound, construct, certify, train, report.
void add_separate(Command command, Session& session) {
  auto o = std::make_shared<SeparateOptions>();
  o->task.add(command, session);
  command.list("models", o->models,
               "models to train, with options behind colons, blocks of a hybrid joined by +: "
               "lstm,mamba:layers=2,attention+mlp");
  command.option("budget", o->budget, "what training may spend: quick, standard or full");
  command.option("seed", o->seed, "fixes every random choice");
  command.option("store", o->store,
                 "SQLite file; created if absent; what it holds is not run again");
  command.option("threads", o->threads.count, "trials trained at once; changes no bit");
  command.output(o->output, "folder of the report");
  command.run([o, &session] {
    const int threads = o->threads.checked();
    o->task.make(session);
    SeparateConfig config;
    config.task = o->task.name(session);
    config.task_config = o->task.config(session);
    config.length = o->task.length();
    config.models = o->models;
    config.budget = o->budget;
    config.seed = o->seed;
    config.store = o->store;
    config.threads = threads;
    Progress progress(session.quiet);
    const RunOptions run{.threads = threads,
                         .stop = &session.stop,
                         .on_progress = [&](const RunProgress& p) { progress.status(show(p)); }};
    const Separation separation = separate(
        config, session.catalogue, [&](const std::string& line) { progress.note(line); }, run);
    if (separation.interrupted) {
      progress.note("interrupted; the same command goes on where it stopped");
      return;
    }
    const Store store(o->store);
    const ReportFiles report = write_report(store, separation.experiment, o->output);
    const auto criterion = criterion_of(store, separation.experiment);
    session.print({{"task", separation.task},
                   {"length", separation.length},
                   {"rows", rows_json(separation)},
                   {"experiment", separation.experiment},
                   {"report", report.html}},
                  separation_table(separation, criterion) + "report: " + report.html + "\n");
  });
}

}  // namespace separatrix
