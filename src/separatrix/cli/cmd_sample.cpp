#include <fmt/format.h>

#include "separatrix/cli/session.h"
#include "separatrix/tasks/batch.h"

namespace separatrix {
namespace {

struct SampleOptions {
  TaskArguments task;
  Index count = 5;
  std::uint64_t seed = 0;
  std::string format = "text";
};

/// "s3 s1 s2 p=1 -> s1": the tokens, and what is asked behind arrows.
std::string spell_instance(const Task& task, Index length, std::span<const Token> tokens,
                           std::span<const Token> targets) {
  std::string text;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    text += (t == 0 ? "" : " ") + task.spell(tokens[t], length);
    if (targets[t] != kIgnore) text += "->" + task.spell_class(targets[t], length);
  }
  return text;
}

}  // namespace

/// `separatrix sample TASK --length N --count K`
void add_sample(Command command, Session& session) {
  auto o = std::make_shared<SampleOptions>();
  o->task.add(command, session);
  command.option("count", o->count, "how many instances");
  command.option("seed", o->seed, "fixes the draw");
  command.option("format", o->format, "text or jsonl");
  command.run([o, &session] {
    const auto task = o->task.make(session);
    if (o->count < 1) throw Error(ErrorKind::usage, "count must be at least 1", "--count");
    if (o->format != "text" && o->format != "jsonl")
      throw Error(ErrorKind::usage, "unknown format '" + o->format + "'", "--format",
                  "one of: text, jsonl");
    Session out = session;
    out.json = session.json || o->format == "jsonl";
    Rng rng(o->seed, RngUse::sample);
    Batch batch;
    for (Index k = 0; k < o->count && !session.stop; ++k) {
      sample_batch(*task, o->task.length(), 1, Portion::any, 0, rng, batch);
      const std::string text =
          spell_instance(*task, o->task.length(), batch.row(0), batch.target_row(0));
      out.print({{"tokens", batch.tokens}, {"targets", batch.targets}, {"text", text}},
                text + "\n");
    }
  });
}

}  // namespace separatrix
