#include <filesystem>

#include <fmt/format.h>

#include "separatrix/cli/session.h"
#include "separatrix/report/latex.h"
#include "separatrix/report/report.h"

namespace separatrix {

/// `separatrix report --store FILE -o DIR`
void add_report(Command command, Session& session) {
  struct Options {
    std::string store = "separatrix.db", output = "separatrix-report", experiment;
    bool latex = false;
  };
  auto o = std::make_shared<Options>();
  command.option("store", o->store, "what `separatrix separate` wrote");
  command.option("experiment", o->experiment, "the one to show; all in the store when left out");
  command.output(o->output, "folder of the report");
  command.flag("latex", o->latex, "write the tables for LaTeX, too: tables.tex");
  command.run([o, &session] {
    if (!std::filesystem::exists(o->store))
      throw Error(ErrorKind::io, "there is no such store", o->store,
                  "run `separatrix separate` first, or name its --store");
    const Store store(o->store);
    const std::vector<std::string> names = store.experiments();
    if (names.empty())
      throw Error(ErrorKind::io, "the store holds no experiment", o->store,
                  "run `separatrix separate` first");
    if (!o->experiment.empty() && !contains_name(names, o->experiment))
      throw Error(ErrorKind::usage, "unknown experiment '" + o->experiment + "'", o->store,
                  did_you_mean(o->experiment, names));
    const ReportFiles files = write_report(store, o->experiment, o->output);
    Json json = {{"html", files.html}, {"csv", files.csv}, {"charts", files.charts}};
    std::string text = fmt::format("{}\n{}\n", files.html, files.csv);
    if (o->latex) {
      const auto shown = o->experiment.empty() ? names : std::vector{o->experiment};
      json["latex"] = write_latex(store, shown, o->output);
      text += json["latex"].get<std::string>() + "\n";
    }
    session.print(json, text);
  });
}

}  // namespace separatrix
