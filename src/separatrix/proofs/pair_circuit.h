#pragma once

#include <functional>

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
    std::string construction;
    Index n_symbols = 2, symbol_width = 1;
    Slot::Code code = Slot::Code::signs;
    bool needs_is_y = false;
    /// Units that add 1, up to the error of `found`, to clash where the partners clash, and nothing
    /// elsewhere.
    std::function<std::vector<Unit>(const Slots&)> units;
    /// Largest sum of |weight input| of a unit, and what the error of `found` is multiplied by.
    double unit_terms = 4, gain = 1;
    double temperature = 4;
    bool interleaved = false;
  };
  PairCircuit(Design design, const ConstructionRequest& request);

  /// Throws Error(spec) when the weights do not fit or the margin is not positive.
  Claim claim() const;
  Built build(const Registry<Block>& blocks) const;

 private:
  Circuit::Size size() const { return {design_.n_symbols + 1, 2, n_tokens_}; }
  double margin() const;

  Design design_;
  ConstructionRequest request_;
  Index n_tokens_;
  double beta_;  ///< of the second layer
  Slots slots_;
  Circuit circuit_;
};

}  // namespace separatrix
