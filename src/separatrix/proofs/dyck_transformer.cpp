#include <algorithm>
#include <cmath>

#include "separatrix/proofs/dyck_circuit.h"

namespace separatrix {
namespace {

struct DyckTransformerConfig {
  double temperature = 4;
};
template <class V>
void visit(V& v, DyckTransformerConfig& c) {
  v("temperature", c.temperature, "score lost per position that a bracket lies further back");
}

/// Two attention layers say after every bracket of a word what may follow.
/// dyck_circuit.h draws it; docs/theory.md, "Dyck words by attention". [yao2021]
class DyckTransformer final : public Construction {
 public:
  using Config = DyckTransformerConfig;
  explicit DyckTransformer(Config config) : temperature_(config.temperature) {
    int exponent = 0;
    if (!(temperature_ >= 2 && temperature_ <= 16) || std::frexp(temperature_, &exponent) != 0.5)
      throw Error(ErrorKind::spec, "the temperature must be 2, 4, 8 or 16",
                  "dyck-transformer/temperature", "take 4");
  }

  std::string task() const override { return "bounded-dyck"; }
  ModelClass model_class() const override { return ModelClass::transformer; }

  std::optional<Claim> claim(const ConstructionRequest& request) const override {
    const auto task_parameters = read_config<DyckParameters>(request.task_config, task());
    if (task_parameters.mode != "next-token") return std::nullopt;
    const auto circuit = DyckCircuit::plan(request, temperature_);
    if (!circuit || !(circuit->margin() > 0.25)) return std::nullopt;
    return Claim{.task = task(),
                 .task_config = request.task_config,
                 .length = request.length,
                 .margin = std::min(circuit->margin(), 0.5),
                 .arithmetic = request.arithmetic,
                 .theorem = "yao2021 (docs/theory.md, Dyck words by attention)"};
  }
  Built build(const ConstructionRequest& request, const Registry<Block>& blocks) const override {
    return DyckCircuit::plan(request, temperature_)->build(blocks);
  }

 private:
  double temperature_;
};

}  // namespace

void register_dyck_transformer(Registry<Construction>& constructions) {
  constructions.add<DyckTransformer>(
      "dyck-transformer",
      "two attention layers: the depth by counting, the top of the stack by looking back");
}

}  // namespace separatrix
