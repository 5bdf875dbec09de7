#pragma once

#include <functional>

#include "separatrix/proofs/address_construction.h"
#include "separatrix/proofs/circuit.h"
#include "separatrix/proofs/guarantee.h"
#include "separatrix/tasks/pair_layout.h"

namespace separatrix {

/// Do any two partners clash? Every y looks up its x by address, an MLP flags the clashes, and EOS
/// looks for a flag: the two layers that string equality and set disjointness share.
/// docs/theory.md, "Two layers".
///
///     x_i ......... y_i ......... EOS
///      ^--- looks ---|             |
///                flag_i <- looks --+
class PairCircuit {
 public:
  struct Slots {
    Slot symbol, address, looks_at, found;
    Slot is_y;  ///< width 0: not needed, as all others find what they are themselves
    Slot clash, end, answer;
  };
  struct Design {
    Index n_symbols = 2, symbol_width = 1;
    Slot::Code code = Slot::Code::signs;
    bool needs_is_y = false;
    /// Units that add 1, up to the error of `found`, to clash where the partners clash, and nothing
    /// elsewhere.
    std::function<std::vector<Unit>(const Slots&)> units;
    /// Largest sum of |weight input| of a unit, and what the error of `found` is multiplied by.
    double unit_terms = 4, gain = 1;
    PairLayout layout;
  };
  PairCircuit(Design design, const ConstructionRequest& request, double temperature);

  double n_parameters() const { return circuit_.n_parameters(size()); }
  double margin() const;
  Built build(const Registry<Block>& blocks) const;

 private:
  Circuit::Size size() const { return {design_.n_symbols + 1, 2, n_tokens_}; }

  Design design_;
  ConstructionRequest request_;
  double temperature_;  ///< of the first layer
  Index n_tokens_;
  double beta_;  ///< of the second layer
  Slots slots_;
  Circuit circuit_;
};

/// A construction that writes the circuit.
class PairConstruction : public AddressConstruction {
 public:
  std::optional<Claim> claim(const ConstructionRequest& request) const override;
  Built build(const ConstructionRequest& request, const Registry<Block>& blocks) const override;

 protected:
  using AddressConstruction::AddressConstruction;
  virtual PairCircuit::Design design(const Json& task_config) const = 0;
  PairLayout layout(const std::string& text) const {
    return PairLayout::parse(task() + "/layout", text);
  }

 private:
  PairCircuit circuit(const ConstructionRequest& request) const {
    return {design(request.task_config), request, temperature()};
  }
};

}  // namespace separatrix
