#include "separatrix/proofs/dyck_circuit.h"

namespace separatrix {
namespace {

constexpr const char* kName = "dyck-transformer";

/// Two attention layers say after every bracket of a word what may follow.
/// dyck_circuit.h draws it; docs/theory.md, "Dyck words by attention". [yao2021]
class DyckTransformer final : public DyckConstruction {
 public:
  explicit DyckTransformer(Config config)
      : DyckConstruction({.construction = kName,
                          .mode = "next-token",
                          .theorem = "yao2021 (docs/theory.md, Dyck words by attention)"},
                         config) {}
};

}  // namespace

void register_dyck_transformer(Registry<Construction>& constructions) {
  constructions.add<DyckTransformer>(
      kName, "two attention layers: the depth by counting, the top of the stack by looking back");
}

}  // namespace separatrix
