#include "separatrix/bounds/closed_forms/pair_form.h"
#include "separatrix/bounds/closed_forms/rules/names.h"

namespace separatrix {
namespace {

class SetDisjointnessForm final : public ClosedForm {
 public:
  explicit SetDisjointnessForm(PairStates states) : states_(states) {}
  Index worst_split() const override { return states_.worst_split(); }
  double log2_count(Index split) const override { return states_.log2_count(split); }
  mpz_class count(Index split) const override { return states_.count(split); }
  bool exact(Index /*split*/) const override { return true; }
  std::string formula() const override { return states_.formula("2"); }
  std::string theorem() const override {
    return "bhattamishra2024 (docs/theory.md, Equality and disjointness)";
  }
  const char* rule() const override {
    return states_.interleaved ? kRuleDisjointnessInterleaved : kRuleDisjointnessHalves;
  }

 private:
  PairStates states_;
};

}  // namespace

std::unique_ptr<ClosedForm> set_disjointness_form(const Json& config, Index length) {
  return std::make_unique<SetDisjointnessForm>(pair_states(config, 2, length));
}

}  // namespace separatrix
