#pragma once

#include <functional>
#include <optional>

#include "separatrix/proofs/circuit.h"
#include "separatrix/proofs/guarantee.h"

namespace separatrix {

/// Which value stands with the key nearest to the asked one? Every position that holds a value
/// looks up the key it belongs to, two MLPs make it exact, and the asked position looks for the
/// nearest among those keys. Nearest neighbour, associative recall and induction share these
/// layers. docs/theory.md, "Two layers".
///
///     key_0 value_0 key_1 value_1 .... asked key
///        ^----|        ^-----|  ^--- nearest --|
class RecallCircuit {
 public:
  struct Slots {
    Slot key, value, stored, null, one;  ///< null: width 0 if absence has no answer
    Slot address, looks_at, found, positive, index, stored_key, answer, none;
  };
  struct Design {
    std::string construction;
    Circuit::Size size;
    Index key_width = 1, value_width = 1;
    /// Keys may be equal or equally near: which one wins, the `earliest` (-1) or the `latest` (+1).
    /// 0: keys are different and the asked one is among them, or absent.
    int tie = 0;
    Index n_stored = 0;    ///< indices of stored pairs are below it
    bool absence = false;  ///< position 0 stands for "no such key"
    double temperature = 4;
    Arithmetic arithmetic = Arithmetic::float32;
  };
  explicit RecallCircuit(Design design);

  /// Whether every score is a whole multiple of the least one that the arithmetic tells apart.
  bool scores_are_exact() const;
  /// Most that all other positions weigh at the asked one, the right one weighing 1.
  double leak() const;
  /// Least |digit| of the answer, times its sign; throws Error(spec) when the weights do not fit.
  /// At most 0: the keys cannot be made exact.
  double digit() const;
  /// Most of `none` where the key is present, least where it is absent.
  double none_if_present() const { return leak() + rounded().average(); }
  double none_if_absent() const { return 1 / (1 + leak()) - rounded().average(); }
  /// What the logits, up to `size` large, lose to rounding.
  double head_loss(double size) const { return 2 * rounded().affine(2 * size, size); }

  const Slots& slots() const { return slots_; }
  double temperature() const { return near_; }
  /// Layers and position table: stored position t holds the value of the key at source(t); nullopt
  /// where nothing is stored. Key and value of the tokens and the head are the caller's.
  Weights weights(const Registry<Block>& blocks,
                  const std::function<std::optional<Index>(Index)>& source) const;
  const Stream& stream() const { return circuit_.stream(); }

 private:
  Roundings rounded() const;
  Stream lay_out();
  Index n_digits() const;

  Design design_;
  int digit_bits_;       ///< of a digit of the index: all, or 4 in 16-bit formats
  double step_;          ///< score between neighbouring indices; 0 without ties
  double near_;          ///< score of one inner product
  double stored_score_;  ///< of being stored at all
  Slots slots_;
  Circuit circuit_;
};

/// Symbol code times 1/2 in the head: two values are as far apart as the digits they differ in.
void write_value_head(Weights& w, const Slot& answer, Index first_class, Index n_values);

}  // namespace separatrix
