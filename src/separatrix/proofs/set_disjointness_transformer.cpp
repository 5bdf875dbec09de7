#include "separatrix/proofs/pair_circuit.h"
#include "separatrix/proofs/task_parameters.h"

namespace separatrix {
namespace {

constexpr const char* kName = "set-disjointness-transformer";

struct SetDisjointnessTransformerConfig {
  double temperature = 4;
};
template <class V>
void visit(V& v, SetDisjointnessTransformerConfig& c) {
  v("temperature", c.temperature, "score lost per wrong address bit, halved");
}

/// Two layers: every y_i looks up x_i and raises a flag if both are 1; EOS looks for a flag.
/// docs/theory.md, "Two layers".
class SetDisjointnessTransformer final : public Construction {
 public:
  using Config = SetDisjointnessTransformerConfig;
  explicit SetDisjointnessTransformer(Config config)
      : c_(require_temperature(kName, config.temperature)) {}

  std::string task() const override { return "set-disjointness"; }
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
    const auto read = read_config<DisjointnessParameters>(request.task_config, task());
    return {{.construction = kName,
             .n_symbols = 2,
             .symbol_width = 1,
             .code = Slot::Code::bits,
             .needs_is_y = true,
             .units = both,
             .unit_terms = 15,
             .gain = 2,
             .temperature = c_,
             .interleaved = PairLayout::parse("set-disjointness/layout", read.layout).interleaved},
            request};
  }
  /// relu(2 (symbol + found) - 3) at every y; at an x, which finds itself, the bias is -7.
  static std::vector<Unit> both(const PairCircuit::Slots& s) {
    return {{.in = {{s.symbol.begin, 2}, {s.found.begin, 2}, {s.is_y.begin, 4}},
             .bias = -7,
             .out = {{s.clash.begin, 1}}}};
  }

  double c_;
};

}  // namespace

void register_set_disjointness_transformer(Registry<Construction>& constructions) {
  constructions.add<SetDisjointnessTransformer>(kName,
                                                "two layers: look up the partner, look for a flag");
}

}  // namespace separatrix
