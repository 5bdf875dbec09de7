#include <algorithm>

#include <fmt/format.h>

#include "separatrix/cli/explain_text.h"
#include "separatrix/cli/session.h"
#include "separatrix/report/text.h"
#include "separatrix/tasks/batch.h"
#include "separatrix/tasks/spelling.h"

namespace separatrix {
namespace {

struct ExplainOptions {
  std::string file, input;
  std::vector<std::string> rows;
  TaskArguments task;
  std::uint64_t seed = 0;
};

/// --rows 3,17: ascending positions of the input.
std::vector<Index> read_rows(const std::vector<std::string>& texts, Index n_tokens) {
  std::vector<Index> rows;
  for (const std::string& text : texts) {
    const Json row = parse_flag(text, "a whole number", "--rows");
    if (!row.is_number_integer() || row.get<Index>() < 0 || row.get<Index>() >= n_tokens)
      throw Error(ErrorKind::usage, "row " + text + " is no position of the input", "--rows",
                  fmt::format("choose from 0 to {}", n_tokens - 1));
    rows.push_back(row.get<Index>());
  }
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return rows;
}

std::string title(const ModelFile& file, const ModelOrigin& origin, const Task& task) {
  const std::string name = text_at(file.provenance, "construction");
  return fmt::format("{}, {} at length {}: {}\n", name.empty() ? "a model" : name, origin.task,
                     origin.length, task.describe(origin.length));
}

}  // namespace

/// `separatrix explain FILE [TASK --length N] --input TOKENS`
void add_explain(Command command, Session& session) {
  auto o = std::make_shared<ExplainOptions>();
  command.argument("FILE", o->file, "a model file");
  o->task.add(command, session, /*required=*/false);
  command.option("input", o->input,
                 "tokens as `separatrix sample` spells them, or their numbers [3,1,...]; without "
                 "it one is drawn");
  command.option("seed", o->seed, "fixes the input drawn");
  command.list("rows", o->rows,
               "the positions to show, as 3,17; else all, of long inputs those asked");
  command.run([o, &session] {
    const ModelFile file = load_model(session, o->file);
    const ModelOrigin wanted = wanted_task(o->task, file, o->file, session);
    const auto task = session.catalogue.tasks.make(wanted.task, wanted.task_config, o->file);
    task->check_length(wanted.length);
    check_model_fits(file, o->file, wanted, session);
    std::vector<Token> tokens(std::size_t(task->info(wanted.length).n_tokens));
    Rng rng(o->seed, RngUse::sample);
    if (o->input.empty())
      task->sample(rng, tokens);
    else
      tokens = read_spelled(*task, wanted.length, o->input, "--input");
    const Explanation explanation = explain(
        {*task, wanted.length, file.weights, session.catalogue.blocks, slots_of(file, o->file)},
        tokens, read_rows(o->rows, Index(tokens.size())));
    session.print(to_json(explanation),
                  title(file, wanted, *task) + explanation_text(explanation, *task));
  });
}

}  // namespace separatrix
