#include "separatrix/proofs/dyck_circuit.h"

namespace separatrix {
namespace {

constexpr const char* kName = "dyck-recogniser";

/// Three attention layers tell at EOS whether any brackets are a word.
/// dyck_circuit.h draws it; docs/theory.md, "Dyck words by attention". [bhattamishra2024]
class DyckRecogniser final : public DyckConstruction {
 public:
  explicit DyckRecogniser(Config config)
      : DyckConstruction({.construction = kName,
                          .mode = "recognition",
                          .theorem = "bhattamishra2024 (docs/theory.md, Dyck words by attention)"},
                         config) {}
};

}  // namespace

void register_dyck_recogniser(Registry<Construction>& constructions) {
  constructions.add<DyckRecogniser>(
      kName, "three attention layers: depth, partner, and a search for anything wrong");
}

}  // namespace separatrix
