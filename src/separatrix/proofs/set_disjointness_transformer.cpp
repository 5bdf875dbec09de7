#include "separatrix/proofs/pair_circuit.h"
#include "separatrix/proofs/task_parameters.h"

namespace separatrix {
namespace {

constexpr const char* kName = "set-disjointness-transformer";

/// Two layers: every y_i looks up x_i and raises a flag if both are 1; EOS looks for a flag.
/// docs/theory.md, "Two layers".
class SetDisjointnessTransformer final : public PairConstruction {
 public:
  explicit SetDisjointnessTransformer(Config config)
      : PairConstruction({.construction = kName,
                          .task = "set-disjointness",
                          .theorem = "bhattamishra2024 (docs/theory.md, Two layers)"},
                         config) {}

 private:
  PairCircuit::Design design(const Json& task_config) const override {
    const auto read = read_config<DisjointnessParameters>(task_config, task());
    return {.n_symbols = 2,
            .symbol_width = 1,
            .code = Slot::Code::bits,
            .needs_is_y = true,
            .units = both,
            .unit_terms = 15,
            .gain = 2,
            .layout = layout(read.layout)};
  }
  /// relu(2 (symbol + found) - 3) at every y; at an x, which finds itself, the bias is -7.
  static std::vector<Unit> both(const PairCircuit::Slots& s) {
    return {{.in = {{s.symbol.begin, 2}, {s.found.begin, 2}, {s.is_y.begin, 4}},
             .bias = -7,
             .out = {{s.clash.begin, 1}}}};
  }
};

}  // namespace

void register_set_disjointness_transformer(Registry<Construction>& constructions) {
  constructions.add<SetDisjointnessTransformer>(kName,
                                                "two layers: look up the partner, look for a flag");
}

}  // namespace separatrix
