#include <filesystem>

#include <fmt/format.h>

#include "separatrix/cli/session.h"
#include "separatrix/lab/store.h"
#include "separatrix/report/export.h"

namespace separatrix {
namespace {

struct ExportOptions {
  std::string store = "separatrix.db", experiment, format = "csv", output;
};

/// The experiment that is named, or all.
std::vector<ExportedExperiment> read_experiments(const ExportOptions& o) {
  if (!std::filesystem::exists(o.store))
    throw Error(ErrorKind::io, "there is no such store", o.store,
                "run `separatrix separate` first, or name its --store");
  const Store store(o.store);
  const std::vector<std::string> names = store.experiments();
  if (!o.experiment.empty() && !contains_name(names, o.experiment))
    throw Error(ErrorKind::usage, "unknown experiment '" + o.experiment + "'", o.store,
                did_you_mean(o.experiment, names));
  std::vector<ExportedExperiment> experiments;
  for (const std::string& name : names)
    if (o.experiment.empty() || same_name(name, o.experiment))
      experiments.push_back({name, store.trials(name)});
  if (experiments.empty())
    throw Error(ErrorKind::io, "the store holds no experiment", o.store,
                "run `separatrix separate` first");
  return experiments;
}

}  // namespace

/// `separatrix export --store FILE [--experiment NAME] --format F [-o PATH]`
void add_export(Command command, Session& session) {
  auto o = std::make_shared<ExportOptions>();
  std::string formats;
  for (const ExportFormat& format : export_formats())
    formats += (formats.empty() ? "" : "; ") + std::string(format.name) + ": " + format.summary;
  command.option("store", o->store, "where the results are");
  command.option("experiment", o->experiment, "which one; all unless given");
  command.option("format", o->format, formats);
  command.output(o->output, "file or folder to write; csv and jsonl can do without");
  command.run([o, &session] {
    const ExportFormat& format = find_export_format(o->format);
    if (o->output.empty() && format.text == nullptr)
      throw Error(ErrorKind::usage, std::string(format.name) + " needs a place to write to", "-o",
                  "name one by -o");
    const std::vector<ExportedExperiment> experiments = read_experiments(*o);
    Session plain = session;
    if (o->output.empty()) {
      plain.json = false;  // the text is what was asked for
      return plain.print({}, format.text(experiments, session.catalogue.blocks));
    }
    Index trials = 0;
    for (const ExportedExperiment& experiment : experiments)
      trials += Index(experiment.trials.size());
    const std::vector<std::string> files =
        format.write(experiments, session.catalogue.blocks, o->output);
    session.print(
        {{"output", o->output}, {"trials", trials}, {"files", files}},
        fmt::format("{}: {} trials, {}\n", o->output, trials,
                    files.size() == 1 ? "1 file" : fmt::format("{} files", files.size())));
  });
}

}  // namespace separatrix
