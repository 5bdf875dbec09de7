#include <algorithm>
#include <iostream>

#include <fmt/format.h>

#include "separatrix/base/json.h"
#include "separatrix/cli/session.h"
#include "separatrix/nn/model.h"

namespace separatrix {
namespace {

/// One line of input -> one batch of a single sequence with every position asked, or only the last.
Batch read_tokens(const std::string& line, const ModelSpec& spec, bool last, Index line_number) {
  const std::string where = "standard input, line " + std::to_string(line_number);
  const Json json = parse_json(line, where);
  if (!json.is_object() || !json.contains("tokens") || !json.at("tokens").is_array() ||
      json.at("tokens").empty())
    throw Error(ErrorKind::spec, "expected {\"tokens\": [...]} with at least one token", where);
  const Json& tokens = json.at("tokens");
  if (spec.positions == "learned" && Index(tokens.size()) > spec.max_length)
    throw Error(
        ErrorKind::spec,
        fmt::format("{} tokens, but the model reads at most {}", tokens.size(), spec.max_length),
        where);
  Batch batch;
  batch.resize(1, Index(tokens.size()));
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    if (!tokens[t].is_number_unsigned() ||
        tokens[t].get<std::uint64_t>() >= std::uint64_t(spec.vocab_size))
      throw Error(ErrorKind::spec,
                  fmt::format("token {} is not a whole number from 0 to {}", tokens[t].dump(),
                              spec.vocab_size - 1),
                  where);
    batch.tokens[t] = tokens[t].get<Token>();
    batch.targets[t] = last && t + 1 < tokens.size() ? kIgnore : 0;  // 0: asked
  }
  return batch;
}

}  // namespace

/// `separatrix predict FILE < inputs.jsonl`
void add_predict(Command command, Session& session) {
  struct Options {
    std::string file, arithmetic = "float32";
    bool last = false;
  };
  auto o = std::make_shared<Options>();
  command.argument("FILE", o->file, "a model file; inputs {\"tokens\":[...]} on standard input");
  command.option("arithmetic", o->arithmetic, "float32, bfloat16 or float16");
  command.flag("last", o->last,
               "only the last position: one row of logits, memory linear in length");
  command.run([o, &session] {
    const Arithmetic arithmetic = read_arithmetic(o->arithmetic, "--arithmetic");
    if (arithmetic == Arithmetic::real)
      throw Error(ErrorKind::usage, "no program computes with real numbers", "--arithmetic",
                  "use float32, bfloat16 or float16");
    const ModelFile file = load_model(session, o->file);
    const ModelSpec& spec = file.weights.spec;
    Model model(spec, session.catalogue.blocks);
    std::vector<float> logits;
    std::string line;
    for (Index number = 1; std::getline(std::cin, line) && !session.stop; ++number) {
      if (line.empty()) continue;
      const Batch batch = read_tokens(line, spec, o->last, number);
      if (is_emulated(arithmetic)) {
        const auto emulated = emulated_logits(file.weights, session.catalogue.blocks, batch.tokens,
                                              arithmetic, o->last ? batch.T - 1 : 0);
        logits.assign(emulated.begin(), emulated.end());
      } else {
        model.logits(file.weights.values, batch, logits);
      }
      Json rows = Json::array(), prediction = Json::array();
      for (auto row = logits.begin(); row != logits.end(); row += spec.n_classes) {
        rows.push_back(std::vector<float>(row, row + spec.n_classes));
        prediction.push_back(std::max_element(row, row + spec.n_classes) - row);
      }
      const Json json = {{"logits", rows}, {"prediction", prediction}};
      session.print(json, json.dump() + "\n");
    }
  });
}

}  // namespace separatrix
