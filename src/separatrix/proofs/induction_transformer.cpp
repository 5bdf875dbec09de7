#include <algorithm>

#include "separatrix/proofs/address_construction.h"
#include "separatrix/proofs/recall_circuit.h"
#include "separatrix/proofs/symbol_code.h"

namespace separatrix {
namespace {

constexpr const char* kName = "induction-transformer";

struct InductionParameters {
  Index alphabet = 8;
};
template <class V>
void visit(V& v, InductionParameters& c) {
  v("alphabet", c.alphabet, "number of symbols");
}

/// The induction head: every symbol looks up the one before it, and the last symbol looks for the
/// latest position whose predecessor it is. Position 0, which has none, stands for "none".
/// docs/theory.md, "Two layers".
class InductionTransformer final : public AddressConstruction {
 public:
  explicit InductionTransformer(Config config)
      : AddressConstruction({.construction = kName,
                             .task = "induction",
                             .theorem = "sanford2024 (docs/theory.md, Two layers)"},
                            config) {}

  std::optional<Claim> claim(const ConstructionRequest& request) const override {
    if (request.length < 2) return std::nullopt;
    const RecallCircuit circuit(design(request));
    const double digits = double(circuit.slots().answer.width), digit = circuit.digit();
    double margin = digit;  // of a symbol over another
    if (digit > 0) {
      const double over_none = digits / 2 * digit + 0.5 - (digits + 1) * circuit.none_if_present();
      // At position 0 some symbol stands, with all its digits.
      const double of_none = (digits + 1) * circuit.none_if_absent() - 0.5 - digits / 2;
      margin = std::min({digit, over_none, of_none}) - circuit.head_loss(digits + 1);
    }
    if (!circuit.scores_are_exact()) return std::nullopt;
    return claim_margin(request, margin);
  }
  Built build(const ConstructionRequest& request, const Registry<Block>& blocks) const override {
    const Index q = read_config<InductionParameters>(request.task_config, task()).alphabet;
    const RecallCircuit circuit(design(request));
    const RecallCircuit::Slots& s = circuit.slots();
    Weights w = circuit.weights(
        blocks, [](Index t) { return t > 0 ? std::optional(t - 1) : std::nullopt; });
    const Table tokens(w, "embedding", w.spec.d_model), head(w, "head", q + 1),
        bias(w, "head_bias", q + 1);
    for (Index symbol = 0; symbol < q; ++symbol) tokens.write(symbol, s.key, symbol);
    write_value_head(w, s.answer, 0, q);
    head(s.none.begin, q) = float(s.answer.width + 1);
    bias(0, q) = -0.5F;
    return {.weights = std::move(w),
            .slots = circuit.stream().slots(),
            .temperature = circuit.temperature()};
  }

 private:
  RecallCircuit::Design design(const ConstructionRequest& request) const {
    const Index q = read_config<InductionParameters>(request.task_config, task()).alphabet;
    return {.construction = kName,
            .size = {q, q + 1, request.length},
            .key_width = code_bits(q),
            .value_width = 0,  // the symbol is both
            .tie = 1,
            .n_stored = request.length - 1,
            .absence = true,
            .temperature = temperature(),
            .arithmetic = request.arithmetic};
  }
};

}  // namespace

void register_induction_transformer(Registry<Construction>& constructions) {
  constructions.add<InductionTransformer>(
      kName, "two layers: the induction head, with an answer for none");
}

}  // namespace separatrix
