#pragma once

#include <optional>
#include <string>

#include "separatrix/base/fields.h"
#include "separatrix/base/index.h"

namespace separatrix {

/// What b bits of memory let a machine recall on average. docs/theory.md, "What b bits can recall".
///
///   bits(a) = symbols * sum of c_m(a) over the alphabets m = smallest .. largest,
///   c_m(a)  = log2 m - h(1 - a) - (1 - a) log2(m - 1) for a >= 1/m, else 0      (Fano)
///
/// index lookup (query last): N symbols over q. MQAR with Y values: one symbol each over Y, Y-1, ..
/// Y-k+1. Nearest neighbour: 1 / P(two queries have the same nearest point) symbols over C, with
/// c_C replaced by the square of the convex hull of its root.
class RecallCeiling {
 public:
  /// `n` independent uniform symbols over q letters.
  static RecallCeiling of_symbols(double n, Index q) { return {n, q, q}; }
  /// nullopt when no ceiling is known for the task. `config` has all defaults written out.
  static std::optional<RecallCeiling> of_task(const std::string& task, const Json& config,
                                              Index length);

  /// Bits that mean accuracy a needs at least; increasing from 0. As a double, rounded to nearest.
  double bits(double accuracy) const;
  /// The same rounded down: sound.
  double bits_lower(double accuracy) const;
  /// The largest mean accuracy that `bits` allow: where bits(a) reaches them; 1 from bits(1) on.
  double accuracy(double bits) const;

  double symbols() const { return symbols_; }
  Index smallest() const { return smallest_; }
  Index largest() const { return largest_; }

 private:
  RecallCeiling(double symbols, Index smallest, Index largest)
      : symbols_(symbols), smallest_(smallest), largest_(largest) {}
  double symbols_;
  Index smallest_, largest_;
  /// For symbols of unequal weight: up to here the hull is a straight line; 0: no hull.
  double touch_ = 0;
};

/// Bits without which mean accuracy `accuracy` over the task's own inputs is impossible, and its
/// inverse; nullopt when no ceiling is known.
std::optional<double> bits_needed(const std::string& task, const Json& config, Index length,
                                  double accuracy);
std::optional<double> accuracy_ceiling(const std::string& task, const Json& config, Index length,
                                       double bits);

/// P(two independent uniform queries have the same nearest point among `points` uniform points of
/// {-1,+1}^d, the earliest on ties) = E sum_i w_i^2; `all`: its mean over 1 .. points.
double same_nearest_probability(Index dimension, Index points, bool all);

}  // namespace separatrix
