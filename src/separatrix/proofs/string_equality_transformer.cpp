#include "separatrix/proofs/pair_circuit.h"
#include "separatrix/proofs/symbol_code.h"
#include "separatrix/proofs/task_parameters.h"

namespace separatrix {
namespace {

constexpr const char* kName = "string-equality-transformer";

struct StringEqualityTransformerConfig {
  double temperature = 4;
};
template <class V>
void visit(V& v, StringEqualityTransformerConfig& c) {
  v("temperature", c.temperature, "score lost per wrong address bit, halved");
}

/// Two layers: every y_i looks up x_i and flags each bit of its code in which they differ; EOS
/// looks for a flag. docs/theory.md, "Two layers".
class StringEqualityTransformer final : public Construction {
 public:
  using Config = StringEqualityTransformerConfig;
  explicit StringEqualityTransformer(Config config)
      : c_(require_temperature(kName, config.temperature)) {}

  std::string task() const override { return "string-equality"; }
  ModelClass model_class() const override { return ModelClass::transformer; }
  std::optional<Claim> claim(const ConstructionRequest& request) const override {
    if (request.length < 2 || request.length % 2 != 0) return std::nullopt;
    Claim claim = circuit(request).claim();
    claim.task = task();
    claim.theorem = "bhattamishra2024 (docs/theory.md, Two layers)";
    return claim;
  }
  Built build(const ConstructionRequest& request, const Registry<Block>& blocks) const override {
    return circuit(request).build(blocks);
  }

 private:
  PairCircuit circuit(const ConstructionRequest& request) const {
    const auto read = read_config<EqualityParameters>(request.task_config, task());
    return {{.construction = kName,
             .n_symbols = read.alphabet,
             .symbol_width = code_bits(read.alphabet),
             .code = Slot::Code::signs,
             .units = differences,
             .unit_terms = 4,
             .gain = 1,
             .temperature = c_,
             .interleaved = PairLayout::parse("string-equality/layout", read.layout).interleaved},
            request};
  }
  /// relu(+-(symbol - found) - 1) for every bit: the two are 0 or 2 apart, up to the leak. Who is
  /// no y has found its own symbol.
  static std::vector<Unit> differences(const PairCircuit::Slots& s) {
    std::vector<Unit> units;
    for (Index i = 0; i < s.symbol.width; ++i)
      for (const double sign : {1.0, -1.0})
        units.push_back({.in = {{s.symbol.begin + i, sign}, {s.found.begin + i, -sign}},
                         .bias = -1,
                         .out = {{s.clash.begin, 1}}});
    return units;
  }

  double c_;
};

}  // namespace

void register_string_equality_transformer(Registry<Construction>& constructions) {
  constructions.add<StringEqualityTransformer>(kName,
                                               "two layers: look up the partner, look for a flag");
}

}  // namespace separatrix
