#include <algorithm>

#include "separatrix/proofs/address_construction.h"
#include "separatrix/proofs/recall_circuit.h"
#include "separatrix/proofs/symbol_code.h"

namespace separatrix {
namespace {

constexpr const char* kName = "mqar-transformer";

struct MqarTransformerConfig : AddressConfig {
  bool absent = false;
};
template <class V>
void visit(V& v, MqarTransformerConfig& c) {
  visit(v, static_cast<AddressConfig&>(c));
  v("absent", c.absent, "answer blank at keys that have not occurred, which the task never asks");
}

struct MqarParameters {
  Index vocab_size = 8192, pairs = 4;
  double power_a = 0.01;
  bool random_non_queries = false;
  Index first_value() const { return vocab_size / 2; }
  Index n_values() const { return vocab_size - first_value(); }
};
template <class V>
void visit(V& v, MqarParameters& c) {
  v("vocab_size", c.vocab_size, "tokens: 0 is blank, the lower half are keys, the upper values");
  v("pairs", c.pairs, "k: key-value pairs, each asked once");
  v("power_a", c.power_a, "distribution of the query slots");
  v("random_non_queries", c.random_non_queries, "random tokens between queries");
}

/// Two layers: every value looks up its key, and an asked key looks for itself among these. With
/// `absent`, position 0 stands half-way between a match and the nearest key that is none.
/// docs/theory.md, "Two layers".
class MqarTransformer final : public AddressConstruction {
 public:
  using Config = MqarTransformerConfig;
  explicit MqarTransformer(Config config)
      : AddressConstruction({.construction = kName,
                             .task = "mqar",
                             .theorem = "bhattamishra2024 (docs/theory.md, Two layers)"},
                            config),
        absent_(config.absent) {}

  std::optional<Claim> claim(const ConstructionRequest& request) const override {
    const RecallCircuit circuit(design(request));
    const double digits = double(circuit.slots().answer.width), digit = circuit.digit();
    double margin = digit;  // over another value
    if (digit > 0) {
      // Over what is no value, which has the bias -digits / 2, and over blank.
      double rest = digits / 2 * (1 + digit);
      if (absent_) rest -= (digits + 1) * circuit.none_if_present();
      margin = std::min(digit, rest) - circuit.head_loss(digits);
    }
    if (!circuit.scores_are_exact()) return std::nullopt;
    return claim_margin(request, margin);
  }
  Built build(const ConstructionRequest& request, const Registry<Block>& blocks) const override {
    const auto read = read_config<MqarParameters>(request.task_config, task());
    const RecallCircuit circuit(design(request));
    const RecallCircuit::Slots& s = circuit.slots();
    Weights w = circuit.weights(blocks, [&](Index t) {
      return t < 2 * read.pairs && t % 2 == 1 ? std::optional(t - 1) : std::nullopt;
    });
    const Table tokens(w, "embedding", w.spec.d_model), head(w, "head", read.vocab_size),
        bias(w, "head_bias", read.vocab_size);
    for (Index key = 1; key < read.first_value(); ++key) tokens.write(key, s.key, key);
    for (Index v = 0; v < read.n_values(); ++v) tokens.write(read.first_value() + v, s.value, v);
    write_value_head(w, s.answer, read.first_value(), read.n_values());
    const float digits = float(s.answer.width);
    for (Index other = 0; other < read.first_value(); ++other) bias(0, other) = -digits / 2;
    if (absent_) head(s.none.begin, 0) = digits + 1;
    return {.weights = std::move(w),
            .slots = circuit.stream().slots(),
            .temperature = circuit.temperature()};
  }

 private:
  RecallCircuit::Design design(const ConstructionRequest& request) const {
    const auto read = read_config<MqarParameters>(request.task_config, task());
    return {.construction = kName,
            .size = {read.vocab_size, read.vocab_size, request.length},
            .key_width = code_bits(read.first_value()),
            .value_width = code_bits(read.n_values()),
            .absence = absent_,
            .temperature = temperature(),
            .arithmetic = request.arithmetic};
  }

  bool absent_;
};

}  // namespace

void register_mqar_transformer(Registry<Construction>& constructions) {
  constructions.add<MqarTransformer>(kName, "two layers: bind values to keys, find the key");
}

}  // namespace separatrix
