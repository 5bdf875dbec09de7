#include <fmt/format.h>

#include "separatrix/base/names.h"
#include "separatrix/cli/construct_table.h"
#include "separatrix/cli/session.h"
#include "separatrix/cli/variants.h"
#include "separatrix/lab/evidence.h"
#include "separatrix/nn/model.h"

namespace separatrix {
namespace {

struct ConstructOptions {
  std::string name, output, format = "float32";
  Index length = 0;
  Parameters knobs, task_parameters;
};

/// "2 layers, 3 heads", or "1 layer" where there is no attention.
std::string layers_of(const Json& built) {
  const Index layers = built.at("layers"), heads = built.at("heads");
  std::string out = fmt::format("{} layer{}", layers, layers == 1 ? "" : "s");
  if (heads > 0) out += fmt::format(", {} head{}", heads, heads == 1 ? "" : "s");
  return out;
}

/// Which other choice of the task the theorem is about, if it is one.
std::string covered_hint(const Construction& construction, const ConstructionRequest& request,
                         const Registry<Task>& tasks) {
  std::string hint = "see docs/constructions.md";
  for_each_variant(tasks, [&](const Registry<Task>::Entry& entry, const Json& config,
                              const std::string& /*name*/) {
    if (!same_name(entry.name, construction.task())) return;
    ConstructionRequest other = request;
    other.task_config.update(config);
    try {
      if (config.empty() || !construction.claim(other)) return;
    } catch (const Error&) {
      return;  // it would not fit either
    }
    for (const auto& [key, value] : config.items())
      hint = fmt::format("it covers --{} {}", key, value.get<std::string>());
  });
  return hint;
}

}  // namespace

/// `separatrix construct NAME --length N -o FILE`
void add_construct(Command command, Session& session) {
  auto o = std::make_shared<ConstructOptions>();
  command.argument("NAME", o->name,
                   "one of `separatrix list constructions`; all: a table of their sizes");
  command.required_option("length", o->length, "the task's own measure N");
  command.option("format", o->format,
                 "number format of the weights and of the claim: float32, bfloat16 or float16");
  command.output(o->output, "where the weights go; without it only the sizes are printed");
  for (const auto& e : session.catalogue.constructions.entries())
    command.parameters(e.parameters, "Knobs of constructions", o->knobs);
  for (const auto& e : session.catalogue.tasks.entries())
    command.parameters(e.parameters, "Parameters of tasks", o->task_parameters);
  command.run([o, &session] {
    if (o->name == "all") {
      // The table has rows of its own choice: a parameter would change nothing.
      o->knobs.config_for("construct all", Json::array());
      o->task_parameters.config_for("construct all", Json::array());
      if (o->length < 1)
        throw Error(ErrorKind::usage, "value is out of range", "--length",
                    "choose a whole number of 1 or more");
      return print_construct_table(o->length, read_arithmetic(o->format, "--format"), session);
    }
    const Catalogue& catalogue = session.catalogue;
    const auto& entry = catalogue.constructions.find(o->name);
    const auto construction =
        entry.make(o->knobs.config_for(entry.name, entry.parameters), entry.name);
    const auto& task_entry = catalogue.tasks.find(construction->task());
    const Json task_config = task_entry.resolve(
        o->task_parameters.config_for(task_entry.name, task_entry.parameters), task_entry.name);
    catalogue.tasks.make(task_entry.name, task_config)->check_length(o->length);
    const ConstructionRequest request{task_config, o->length,
                                      read_arithmetic(o->format, "--format")};
    const auto claim = construction->claim(request);
    if (!claim)
      throw Error(ErrorKind::spec,
                  entry.name + " does not cover these parameters of " + task_entry.name,
                  task_config.dump() + ", " + o->format,
                  covered_hint(*construction, request, catalogue.tasks));
    const Built built = construction->build(request, catalogue.blocks);
    const Weights& weights = built.weights;
    if (!o->output.empty()) save_model(o->output, built_file(entry.name, *claim, built));
    const ModelSpec& spec = weights.spec;
    const auto bits = state_bits(spec, catalogue.blocks);
    Json json = describe_built(entry.name, *claim, built, catalogue.blocks);
    json["claim"] = to_json(*claim);
    json["file"] = o->output;
    session.print(
        json, fmt::format(
                  "{} for {} at length {}\n  width {}, {}, {} parameters{}{}\n"
                  "  claim: right on every input, margin {:.4g}, {} arithmetic ({})\n{}",
                  entry.name, task_entry.name, o->length, spec.d_model, layers_of(json),
                  weights.values.size(), bits ? fmt::format(", {} bits of state", *bits) : "",
                  built.temperature > 0 ? fmt::format(", temperature {:g}", built.temperature) : "",
                  claim->margin, to_string(claim->arithmetic), claim->theorem,
                  o->output.empty() ? "" : fmt::format("  written to {}\n", o->output)));
  });
}

}  // namespace separatrix
