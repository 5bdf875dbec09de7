#pragma once

#include "separatrix/base/index.h"
#include "separatrix/model/arithmetic.h"

namespace separatrix {

// The numbers from which the two-layer constructions derive their claims: docs/theory.md, "Two
// layers".

/// Most that all other positions weigh, the right one weighing 1, under the score c <bin(p),
/// bin(j)> with L digits: (1 + e^-2c)^L - 1.
double address_leak(double c, Index L);

/// How far an arithmetic takes a computed number from the real one.
struct Roundings {
  Arithmetic arithmetic = Arithmetic::float32;
  Index n_tokens = 0, width = 0;

  /// Of an attention average whose values are at most 1 in magnitude: weights and sum.
  double average() const;
  /// Of a linear layer whose terms are at most `terms` in total and `result` together.
  double affine(double terms, double result) const;
};

/// Attention that looks for a flag among n_tokens positions: score beta flag_j, and the average of
/// the flags, 0 if there is none, is the answer; the logits are +-(answer - 1/2).
double alarm_temperature(Index n_tokens);
/// The margin of those logits when every raised flag is at least `flag` and all others are 0.
double alarm_margin(const Roundings& rounded, double flag);

}  // namespace separatrix
