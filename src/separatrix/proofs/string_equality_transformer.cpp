#include "separatrix/proofs/pair_circuit.h"
#include "separatrix/proofs/symbol_code.h"
#include "separatrix/proofs/task_parameters.h"

namespace separatrix {
namespace {

constexpr const char* kName = "string-equality-transformer";

/// Two layers: every y_i looks up x_i and flags each bit of its code in which they differ; EOS
/// looks for a flag. docs/theory.md, "Two layers".
class StringEqualityTransformer final : public PairConstruction {
 public:
  explicit StringEqualityTransformer(Config config)
      : PairConstruction({.construction = kName,
                          .task = "string-equality",
                          .theorem = "bhattamishra2024 (docs/theory.md, Two layers)"},
                         config) {}

 private:
  PairCircuit::Design design(const Json& task_config) const override {
    const auto read = read_config<EqualityParameters>(task_config, task());
    return {.n_symbols = read.alphabet,
            .symbol_width = code_bits(read.alphabet),
            .code = Slot::Code::signs,
            .units = differences,
            .unit_terms = 4,
            .gain = 1,
            .layout = layout(read.layout)};
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
};

}  // namespace

void register_string_equality_transformer(Registry<Construction>& constructions) {
  constructions.add<StringEqualityTransformer>(kName,
                                               "two layers: look up the partner, look for a flag");
}

}  // namespace separatrix
