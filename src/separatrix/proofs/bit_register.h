#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "separatrix/nn/model.h"
#include "separatrix/proofs/construction.h"

// What the recurrent constructions share: an Elman layer written unit by unit.

namespace separatrix {

/// One Elman ReLU layer whose state is bits: after each token a unit is 1 if its weighted sum of
/// the units before, of the token's drive and of its bias is at least 1/2, else 0. A token drives
/// each unit by its embedding (W_x starts as the identity).
class BitRegister {
 public:
  /// Throws Error(spec) when the dense matrices take more than 1 GiB.
  static void require_fitting(const std::string& name, Index units, Index tokens, Index classes);

  BitRegister(Index units, const TaskInfo& info, const Registry<Block>& blocks)
      : D_(units),
        C_(info.n_classes),
        w_(zeros({.vocab_size = info.vocab_size,
                  .n_classes = info.n_classes,
                  .d_model = units,
                  .max_length = info.n_tokens,
                  .positions = "none",
                  .norm = "none",
                  .layers = {{.block = "rnn",
                              .config = {{"activation", "relu"}, {"state_format", "bit"}},
                              .residual = false}}},
                 blocks)) {
    for (Index u = 0; u < D_; ++u) spread(u, u, 1);
  }

  /// The sum of `to` takes in `weight` times the unit `from`.
  void connect(Index from, Index to, double weight) {
    add("layers.0.rnn.w_h", from * D_ + to, weight);
  }
  /// The sum of `to` takes in `weight` times what the token's embedding holds for the unit `from`.
  void spread(Index from, Index to, double weight) {
    add("layers.0.rnn.w_x", from * D_ + to, weight);
  }
  void bias(Index unit, double value) { add("layers.0.rnn.bias", unit, value); }
  void drive(Index token, Index unit, double value) { add("embedding", token * D_ + unit, value); }
  void read(Index unit, Index target, double weight) { add("head", unit * C_ + target, weight); }
  void read_bias(Index target, double value) { add("head_bias", target, value); }

  /// Of two classes, `target` wins by at least 1 if one of the units is 1, the other by 1 if none
  /// is.
  void read_any(const std::vector<Index>& units, Index target) {
    for (const Index unit : units) read(unit, target, 2);
    read_bias(target, -1);
  }

  Built finish(std::vector<Slot> slots) && {
    return {.weights = std::move(w_), .slots = std::move(slots)};
  }

 private:
  void add(const char* name, Index at, double value) { w_[name][std::size_t(at)] += float(value); }

  Index D_, C_;
  Weights w_;
};

/// 2^n.
inline double power_of_two(Index n) { return std::ldexp(1.0, int(n)); }

}  // namespace separatrix
