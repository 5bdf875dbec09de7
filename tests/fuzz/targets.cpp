#include "tests/fuzz/targets.h"

#include <cmath>
#include <cstdlib>
#include <string>

#include "separatrix/base/yaml.h"
#include "separatrix/tasks/dfa_file.h"
#include "separatrix/tasks/truth_table.h"

namespace separatrix::fuzz {
namespace {

/// An assert that release builds keep.
void promise(bool holds) {
  if (!holds) std::abort();
}

/// A thrown Error must say something.
template <class F>
void expect_error_or_success(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    promise(*e.what() != '\0');
  }
}

}  // namespace

std::vector<ParamSpec> simple_params(const ModelSpec& spec) {
  const Index D = spec.d_model;
  std::vector<ParamSpec> params = {{"embedding", {spec.vocab_size, D}}};
  if (spec.positions == "learned") params.push_back({"positions", {spec.max_length, D}});
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    const LayerSpec& layer = spec.layers[i];
    const std::string prefix = "layers." + std::to_string(i) + "." + layer.block;
    const bool narrow = layer.config.value("d_ff", Json()) == 8;
    if (layer.block == "attention")
      for (const char* name : {".q", ".k", ".v", ".o"}) params.push_back({prefix + name, {D, D}});
    else if (layer.block == "mlp")
      params.push_back({prefix + ".up", {D, narrow ? 8 : 4 * D}});
    else
      throw Error(ErrorKind::spec, "unknown block '" + layer.block + "'", "/layers");
  }
  params.push_back({"head", {D, spec.n_classes}});
  params.push_back({"head_bias", {spec.n_classes}});
  return params;
}

void model_spec(std::string_view bytes) {
  expect_error_or_success([&] {
    const ModelSpec spec = read_model_spec(parse_json(bytes, "fuzz#"), "fuzz#");
    const Json canonical = write_model_spec(spec);
    promise(write_model_spec(read_model_spec(canonical, "fuzz#")) == canonical);
  });
}

void model_file(std::string_view bytes) {
  expect_error_or_success([&] {
    const TensorFile file = parse_safetensors(bytes, "fuzz");
    std::size_t values = 0;
    for (const Tensor& tensor : file.tensors) values += tensor.values.size();
    promise(values * sizeof(float) <= bytes.size());
    const TensorFile again = parse_safetensors(write_safetensors(file), "again");
    promise(again.tensors.size() == file.tensors.size() && again.metadata == file.metadata);
  });
  expect_error_or_success([&] {
    const ModelFile model = parse_model(bytes, "fuzz", simple_params);
    std::size_t values = 0;
    for (const ParamSpec& param : model.weights.params) values += std::size_t(param.size());
    promise(values == model.weights.values.size());
    for (float v : model.weights.values) promise(std::isfinite(v));
    promise(weights_sha256(model.weights).size() == 64);
  });
}

void yaml(std::string_view bytes) {
  expect_error_or_success([&] {
    const YamlFile file = parse_yaml(std::string(bytes), "fuzz.yaml");
    promise(Json::parse(file.json.dump()) == file.json);  // every value has a JSON meaning
    with_lines(file, read_model_spec);
  });
}

/// What was read is found again, and written out once more, with the keys in the order that only
/// the JSON parser takes, gives the same table: the fast reader and the parser agree.
void table(std::string_view bytes) {
  expect_error_or_success([&] {
    const TruthTable read = parse_table(bytes, "fuzz");
    std::string text;
    std::vector<Token> tokens, targets, others;
    for (const Index n : read.lengths()) {
      const TableOfLength& part = *read.of_length(n);
      tokens.resize(std::size_t(n));
      targets.resize(tokens.size());
      for (Index i = 0; i < part.n_entries(); ++i) {
        part.tokens(i, tokens);
        part.targets(i, targets);
        promise(part.find(tokens) == i);
        text += Json{{"targets", targets}}.dump();
        text.back() = ',';
        text += "\"tokens\":" + Json(tokens).dump() + "}\n";
      }
    }
    const TruthTable again = parse_table(text, "again");
    promise(again.lengths() == read.lengths() && again.vocab_size() == read.vocab_size() &&
            again.n_classes() == read.n_classes());
    for (const Index n : read.lengths()) {
      const TableOfLength &a = *read.of_length(n), &b = *again.of_length(n);
      promise(a.n_entries() == b.n_entries() && a.complete() == b.complete());
      targets.resize(std::size_t(n));
      others.resize(targets.size());
      for (Index i = 0; i < a.n_entries(); ++i) {
        a.targets(i, targets);
        b.targets(i, others);
        promise(targets == others);
      }
    }
  });
}

void dfa(std::string_view bytes) {
  expect_error_or_success([&] {
    const NamedDfa named = parse_dfa(std::string(bytes), "fuzz.yaml");
    const Dfa& dfa = named.dfa;
    promise(dfa.n_states >= 1 && dfa.alphabet >= 1);
    promise(Index(named.states.size()) == dfa.n_states);
    promise(Index(named.symbols.size()) == dfa.alphabet);
    promise(Index(dfa.next.size()) == dfa.n_states * dfa.alphabet);
    promise(Index(dfa.output.size()) == dfa.n_states);
    for (const Index next : dfa.next) promise(0 <= next && next < dfa.n_states);
    for (const auto output : dfa.output)
      promise(0 <= output && output < Index(named.classes.size()));
  });
}

}  // namespace separatrix::fuzz
