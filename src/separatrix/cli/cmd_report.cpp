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
  command.option("experiment", o->experiment, "which one; may be left out when there is only one");
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
    if (o->experiment.empty() && names.size() > 1)
      throw Error(ErrorKind::usage, "the store holds several experiments", o->store,
                  "name one by --experiment, such as " + names.front());
    const std::string name = o->experiment.empty() ? names.front() : o->experiment;
    if (!contains_name(names, name))
      throw Error(ErrorKind::usage, "unknown experiment '" + name + "'", o->store,
                  did_you_mean(name, names));
    const ReportFiles files = write_report(store, name, o->output);
    Json json = {{"html", files.html}, {"csv", files.csv}, {"charts", files.charts}};
    std::string text = fmt::format("{}\n{}\n", files.html, files.csv);
    if (o->latex) {
      json["latex"] = write_latex(store, std::vector{name}, o->output);
      text += json["latex"].get<std::string>() + "\n";
    }
    session.print(json, text);
  });
}

}  // namespace separatrix
