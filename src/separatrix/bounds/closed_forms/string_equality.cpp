#include "separatrix/bounds/closed_forms/pair_form.h"
#include "separatrix/bounds/closed_forms/rules/names.h"

namespace separatrix {
namespace {

class StringEqualityForm final : public ClosedForm {
 public:
  explicit StringEqualityForm(PairStates states) : states_(states) {}
  Index worst_split() const override { return states_.worst_split(); }
  double log2_count(Index split) const override { return states_.log2_count(split); }
  mpz_class count(Index split) const override { return states_.count(split); }
  bool exact(Index /*split*/) const override { return true; }
  std::string formula() const override { return states_.formula("q"); }
  std::string theorem() const override {
    return "bhattamishra2024 (docs/theory.md, Equality and disjointness)";
  }
  const char* rule() const override {
    return states_.interleaved ? kRuleEqualityInterleaved : kRuleEqualityHalves;
  }

 private:
  PairStates states_;
};

}  // namespace

std::unique_ptr<ClosedForm> string_equality_form(const Json& config, Index length) {
  return std::make_unique<StringEqualityForm>(pair_states(config, config.at("alphabet"), length));
}

}  // namespace separatrix
