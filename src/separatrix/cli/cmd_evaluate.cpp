#include <fmt/format.h>

#include "separatrix/cli/session.h"
#include "separatrix/train/trainer.h"

namespace separatrix {
namespace {

struct EvaluateOptions {
  std::string file;
  TaskArguments task;
  Index examples = 5000;
  std::uint64_t seed = 0;
};

/// The hold-out rule that the model was trained under, so that it is tested on none of its training
/// inputs.
Index holdout_of(const ModelFile& file) {
  const Json::json_pointer at("/trial/train/holdout");
  return file.provenance.contains(at) && file.provenance.at(at).is_number_integer()
             ? file.provenance.at(at).get<Index>()
             : 0;
}

}  // namespace

/// `separatrix evaluate FILE TASK --length N --examples K`
void add_evaluate(Command command, Session& session) {
  auto o = std::make_shared<EvaluateOptions>();
  command.argument("FILE", o->file, "a model file");
  o->task.add(command, session);
  command.option("examples", o->examples, "fresh inputs");
  command.option("seed", o->seed, "fixes the draw");
  command.run([o, &session] {
    if (o->examples < 1) throw Error(ErrorKind::usage, "examples must be at least 1", "--examples");
    const ModelFile file = load_model(session, o->file);
    const auto task = o->task.make(session);
    check_model_fits(file, o->file, o->task, session);
    Model model(file.weights.spec, session.catalogue.blocks);
    // A stream of its own: the seed of a training run evaluates on other inputs here.
    constexpr std::uint64_t kStream = std::uint64_t(1) << 63;
    const Accuracy accuracy = evaluate(model, file.weights.values, *task,
                                       {.length = o->task.length(),
                                        .examples = o->examples,
                                        .holdout = holdout_of(file),
                                        .seed = o->seed,
                                        .index = kStream,
                                        .cross_entropy = true});
    const Metrics m =
        make_metrics(accuracy, *task, o->task.name(session), o->task.config(session),
                     o->task.length(), state_bits(file.weights.spec, session.catalogue.blocks));
    std::string text = fmt::format(
        "token accuracy {:.4f}, sequence accuracy {:.4f} on {} fresh inputs; "
        "chance {:.4f}, scaled accuracy {:.4f}, cross-entropy {:.4f} nats\n",
        m.token_accuracy, m.sequence_accuracy, m.examples, m.chance, m.scaled_accuracy,
        m.cross_entropy);
    if (m.bits_recalled && m.state_efficiency)
      text += fmt::format("recalls {:.1f} bits, {:.4f} of its bits of state\n", *m.bits_recalled,
                          *m.state_efficiency);
    session.print(to_json(m), text);
  });
}

}  // namespace separatrix
