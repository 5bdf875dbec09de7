#pragma once

#include <optional>

#include "separatrix/proofs/circuit.h"
#include "separatrix/proofs/guarantee.h"
#include "separatrix/proofs/task_parameters.h"

namespace separatrix {

/// The stack of bounded Dyck words in two attention layers; a third collects what was wrong.
/// docs/theory.md, "Dyck words by attention".
///
///     attention 1   mean of +1 (open) and -1 (close), and of BOS: depth/(t+1) and 1/(t+1)
///     mlp, mlp      the depth, exactly: which c have depth >= c
///     attention 2   the latest opening bracket of that depth: the top of the stack, or for
///                   recognition the partner of a closing bracket
///     mlp           (recognition) is the partner of another type?
///     attention 3   (recognition) EOS looks for a flag
class DyckCircuit {
 public:
  /// nullopt when the derivation does not cover this request. Throws Error(spec) when the weights
  /// would not fit.
  static std::optional<DyckCircuit> plan(const ConstructionRequest& request, double temperature);

  double margin() const;
  Built build(const Registry<Block>& blocks) const;

 private:
  DyckCircuit(const ConstructionRequest& request, const DyckParameters& task, double temperature);
  bool keeps_thresholds() const;
  void measure_depth();
  void look_back();
  void judge();
  void write_head(Weights& w) const;
  Circuit::Size size() const;

  Roundings rounded_;
  Index types_, limit_;  ///< deepest nesting that length N can have and close again
  bool recognise_;
  bool can_be_full_;
  int log2_kappa_, log2_threshold_, log2_match_;
  double beta_ = 0;  ///< of the third attention
  Slot bracket_, first_, last_, one_, type_, position_, mean_, share_, short_, asks_, answers_,
      found_, wrong_, verdict_;
  Circuit circuit_;
};

struct DyckTemperature {
  double temperature = 4;
};
template <class V>
void visit(V& v, DyckTemperature& c) {
  v("temperature", c.temperature, "score lost per position that a bracket lies further back");
}

/// A construction that writes the circuit for one mode of the task.
class DyckConstruction : public Construction {
 public:
  using Config = DyckTemperature;

  std::string task() const override { return "bounded-dyck"; }
  ModelClass model_class() const override { return ModelClass::transformer; }
  std::optional<Claim> claim(const ConstructionRequest& request) const override;
  Built build(const ConstructionRequest& request, const Registry<Block>& blocks) const override;

 protected:
  struct Purpose {
    std::string construction, mode, theorem;
  };
  /// Throws Error(spec) unless the temperature is 2, 4, 8 or 16.
  DyckConstruction(Purpose purpose, Config config);

 private:
  Purpose purpose_;
  double temperature_;
};

}  // namespace separatrix
