#include <algorithm>
#include <cmath>

#include "separatrix/proofs/dyck_circuit.h"

namespace separatrix {
namespace {

struct DyckRecogniserConfig {
  double temperature = 4;
};
template <class V>
void visit(V& v, DyckRecogniserConfig& c) {
  v("temperature", c.temperature, "score lost per position that a bracket lies further back");
}

/// Three attention layers tell at EOS whether any brackets are a word.
/// dyck_circuit.h draws it; docs/theory.md, "Dyck words by attention". [bhattamishra2024]
class DyckRecogniser final : public Construction {
 public:
  using Config = DyckRecogniserConfig;
  explicit DyckRecogniser(Config config) : temperature_(config.temperature) {
    int exponent = 0;
    if (!(temperature_ >= 2 && temperature_ <= 16) || std::frexp(temperature_, &exponent) != 0.5)
      throw Error(ErrorKind::spec, "the temperature must be 2, 4, 8 or 16",
                  "dyck-recogniser/temperature", "take 4");
  }

  std::string task() const override { return "bounded-dyck"; }
  ModelClass model_class() const override { return ModelClass::transformer; }

  std::optional<Claim> claim(const ConstructionRequest& request) const override {
    const auto task_parameters = read_config<DyckParameters>(request.task_config, task());
    if (task_parameters.mode != "recognition") return std::nullopt;
    const auto circuit = DyckCircuit::plan(request, temperature_);
    if (!circuit || !(circuit->margin() > 0.25)) return std::nullopt;
    return Claim{.task = task(),
                 .task_config = request.task_config,
                 .length = request.length,
                 .margin = std::min(circuit->margin(), 0.5),
                 .arithmetic = request.arithmetic,
                 .theorem = "bhattamishra2024 (docs/theory.md, Dyck words by attention)"};
  }
  Built build(const ConstructionRequest& request, const Registry<Block>& blocks) const override {
    return DyckCircuit::plan(request, temperature_)->build(blocks);
  }

 private:
  double temperature_;
};

}  // namespace

void register_dyck_recogniser(Registry<Construction>& constructions) {
  constructions.add<DyckRecogniser>(
      "dyck-recogniser", "three attention layers: depth, partner, and a search for anything wrong");
}

}  // namespace separatrix
