#include "separatrix/tasks/dataset.h"

#include <array>

#include "separatrix/tasks/dataset_writers.h"

namespace separatrix {
namespace {

std::string text_line(const Task& task, Index length, std::span<const Token> tokens,
                      std::span<const Token> targets) {
  return spell_instance(task, length, tokens, targets) + "\n";
}

std::string json_line(const Task& task, Index length, std::span<const Token> tokens,
                      std::span<const Token> targets) {
  const Json json = {{"tokens", std::vector<Token>(tokens.begin(), tokens.end())},
                     {"targets", std::vector<Token>(targets.begin(), targets.end())},
                     {"text", spell_instance(task, length, tokens, targets)}};
  return json.dump() + "\n";
}

constexpr std::array kFormats = {
    DatasetFormat{.name = "text", .summary = "spelled, for people", .line = text_line},
    DatasetFormat{.name = "jsonl", .summary = "one JSON object per line", .line = json_line},
    DatasetFormat{.name = "npz", .summary = "arrays for numpy.load", .open = open_npz},
    DatasetFormat{.name = "zoology",
                  .summary = "a .pt file, the fields of Zoology's DataSegment",
                  .open = open_zoology},
    DatasetFormat{.name = "flare",
                  .summary = "a folder of FLaRe's main.tok, labels.txt, next-symbols.jsonl",
                  .open = open_flare},
};

}  // namespace

Json to_json(const DatasetSpec& spec) {
  Json json = {{"task", spec.task},     {"task_config", spec.task_config},
               {"length", spec.length}, {"count", spec.count},
               {"seed", spec.seed},     {"split", spec.split}};
  if (portion_of(spec.split) != Portion::any) json["holdout"] = spec.holdout;
  return json;
}

Portion portion_of(const std::string& split) {
  if (split == "train") return Portion::training;
  if (split == "test") return Portion::evaluation;
  if (split == "any") return Portion::any;
  throw Error(ErrorKind::usage, "unknown split '" + split + "'", "--split",
              "one of: train, test, any");
}

std::span<const DatasetFormat> dataset_formats() { return kFormats; }

const DatasetFormat& find_dataset_format(const std::string& name) {
  std::string known;
  for (const DatasetFormat& format : kFormats) {
    if (same_name(format.name, name)) return format;
    known += (known.empty() ? "" : ", ") + std::string(format.name);
  }
  throw Error(ErrorKind::usage, "unknown format '" + name + "'", "--format", "one of: " + known);
}

std::string spell_instance(const Task& task, Index length, std::span<const Token> tokens,
                           std::span<const Token> targets) {
  std::string text;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    text += (t == 0 ? "" : " ") + task.spell(tokens[t], length);
    if (targets[t] != kIgnore) text += "->" + task.spell_class(targets[t], length);
  }
  return text;
}

bool for_each_drawn(
    const DatasetSpec& spec, const Task& task,
    const std::function<bool(std::span<const Token>, std::span<const Token>)>& visit) {
  const Portion portion = portion_of(spec.split);
  Rng rng(spec.seed, RngUse::sample);
  Batch batch;
  for (Index k = 0; k < spec.count; ++k) {
    sample_batch(task, spec.length, 1, portion, spec.holdout, rng, batch);
    if (!visit(batch.row(0), batch.target_row(0))) return false;
  }
  return true;
}

}  // namespace separatrix
