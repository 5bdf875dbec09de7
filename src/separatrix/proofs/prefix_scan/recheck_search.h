#pragma once

#include "separatrix/proofs/prefix_scan/recheck_balls.h"

// For the rechecking side of prefix-scan only.

namespace separatrix::prefix_scan_recheck {

/// e^x, rounded up (down) by more than the library may err.
long double exp_above(long double x);
long double exp_below(long double x);

/// How far float32 takes ratios of weights and averages of n values from the exact ones.
struct AttentionError {
  long double factor = 1;            ///< of a ratio of two weights
  std::vector<long double> average;  ///< [dv], absolute
  /// From bounds [D] of the rows that ask and are seen. `whole`: all that enters scores is, so that
  /// up to 2^24 nothing is rounded.
  AttentionError(const Machine& m, const Layer& a, long double n, const Balls& rows,
                 bool whole = false);
};

/// What enters the row's scores, numbers and weights, is whole.
bool is_whole(const Layer& a, const Balls& row);

/// Bounds the third attention's averages when one row is `wrong` and n - 1 others are in `fine` or
/// `other`: for each coordinate the best x with sum_j e^{s_j} (v_j - x) >= 0, found by halving,
/// each trial decided by halving boxes of rows until every part does too little harm.
class OneAmongMany {
 public:
  OneAmongMany(const Machine& m, const Layer& a, const Balls& query, long double n)
      : m_(m), a_(a), query_(m.apply(a.q, query)), n_(n) {}
  Balls average(const Balls& wrong, const std::vector<Balls>& others,
                const AttentionError& error) const;

 private:
  long double least(const Balls& wrong, const std::vector<Balls>& others, Index at, bool negated,
                    long double factor) const;
  /// Whether e^{s + shift} (v - x) >= -allowed everywhere in a box of rows.
  struct Trial {
    Index at = 0;
    bool negated = false;  ///< -v instead of v
    long double x = 0, shift = 0, allowed = 0;
  };
  bool harmless(const Balls& row, const Trial& trial, int depth) const;
  Ball score(const Balls& row) const;
  Ball value(const Balls& row, Index at, bool negated) const;

  const Machine& m_;
  const Layer& a_;
  Balls query_;
  long double n_;
};

}  // namespace separatrix::prefix_scan_recheck
