#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "separatrix/model/arithmetic.h"
#include "separatrix/nn/model.h"

namespace separatrix {

/// A model of one Elman ReLU layer, run in exact arithmetic: every number below is what any order
/// of summation in float32 gives, and for a 16-bit arithmetic what is stored. Only the proving side
/// of certificates uses it.
class Elman {
 public:
  /// A state: one bit a unit, or the bits of one float32 a word.
  using Words = std::vector<std::uint64_t>;

  /// nullopt with `why` when the model is another one, or a sum of a state of bits may be rounded.
  static std::optional<Elman> view(const Weights& weights, Arithmetic arithmetic, std::string& why);

  Index units() const { return D_; }
  std::size_t words() const { return std::size_t(bits_ ? (D_ + 63) / 64 : D_); }
  float unit(const std::uint64_t* state, Index u) const;

  /// A state made ready for its successors.
  struct Before {
    std::vector<double> sums;  ///< [D]: bias + state W_h
    Words silent;              ///< the successor by a token that drives nothing
  };
  /// False when a sum that starts from this state may be rounded: not for states of bits.
  bool prepare(const std::uint64_t* state, Before& before) const;
  /// The state after `token`.
  void step(const Before& before, Token token, std::uint64_t* next) const;
  /// logit(target) - best other logit; NaN when a sum may be rounded.
  double margin(const std::uint64_t* state, Token target) const;

  /// What enters a unit's sum: a weight from another unit, or what a token puts there.
  struct Drive {
    Index unit = 0;
    double value = 0;
  };
  // The sums themselves, for methods that follow more than one state at a time.
  bool holds_bits() const { return bits_; }
  Index classes() const { return C_; }
  double bias(Index u) const { return bias_[std::size_t(u)]; }
  const std::vector<Drive>& drives(Token token) const { return drives_[std::size_t(token)]; }
  double recurrent(Index from, Index to) const { return double(w_h_[std::size_t(from * D_ + to)]); }
  double head(Index u, Index target) const { return double(head_[std::size_t(u * C_ + target)]); }
  double head_bias(Index target) const { return head_bias_[std::size_t(target)]; }

 private:
  void read(const Weights& weights);
  bool is_exact(double state_grid, double largest) const;
  float after(double sum) const;
  void put(std::uint64_t* state, Index u, float value) const;

  Index D_ = 0, C_ = 0;
  bool bits_ = false;
  Arithmetic arithmetic_ = Arithmetic::float32;
  std::vector<float> w_h_, head_;
  std::vector<double> bias_, head_bias_;
  std::vector<std::vector<Drive>> drives_;  ///< [vocab_size]: the nonzeros of embedding W_x
  // Sums of absolute values and grids (exact_sum.h) of what is added.
  double input_grid_ = 0, w_h_grid_ = 0, head_grid_ = 0, head_bias_grid_ = 0;
  std::vector<double> input_size_, w_h_size_, head_size_;
};

}  // namespace separatrix
