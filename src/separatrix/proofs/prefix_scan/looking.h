#pragma once

#include <map>

#include "separatrix/proofs/prefix_scan/counting.h"

namespace separatrix::prefix_scan {

/// Sets of rows over all positions: of one last token at one depth.
struct Group {
  Token token = 0;
  Index depth = 0;
  bool operator<(const Group& o) const {
    return token < o.token || (token == o.token && depth < o.depth);
  }
};

/// Bounds the factor by which a computed ratio of two attention weights is off: scores with that
/// many roundings and that sum of absolute terms. 1 over the reals.
double ratio_error(const Numbers& numbers, double terms, double magnitude);
/// Bounds |computed - exact| of an average of n values, of sums of up to `terms` products whose
/// absolute values add up to at most `size`. 0 over the reals.
double average_error(const Numbers& numbers, double n, double terms, double size);

/// What all rows that the second attention sees or asks from look like, hulls over the positions.
/// Memory: keys for every position, depth and kind of bracket.
class Rows {
 public:
  Rows(const DyckForm& form, const Network& net, const Numbers& numbers, const Counting& counting);

  std::map<Group, Box> clean;    ///< rows of prefixes that have not gone wrong
  std::map<Group, Box> too_far;  ///< recognition: first bracket at depth -1 or limit + 1
  Box anything;                  ///< recognition: rows of any strings at all
  std::map<Group, Box> queries;  ///< of `clean`
  std::vector<Box> type_values;  ///< [n]: of an opening bracket
  Box values;                    ///< of any row
  double weight_error = 1;       ///< factor of a computed ratio of two weights
  Box value_error;               ///< of a computed average of values

  /// Scores of the query against the key of every clean row with an opening (0) or closing (1)
  /// bracket, or BOS (kind 0, t = 0, depth 0). Empty where there is no such row.
  std::optional<FastInterval> score(const Box& query, Index t, int kind, Index depth) const;

 private:
  void add(const Prefix& prefix, const Box& row, std::map<Group, Box>& to);
  void add_key(const Prefix& prefix, const Box& row);
  void measure(const Box& row);
  bool is_whole(const Box& row) const;
  void finish();
  Box& key(Index t, int kind, Index depth) {
    return keys_[std::size_t((t * 2 + kind) * (form_.limit + 1) + depth)];
  }

  const DyckForm& form_;
  const AttentionPart& a_;
  const Numbers& numbers_;
  std::vector<Box> keys_;
  bool whole_ = true;  ///< all that enters scores of clean rows: float32 then computes them exactly
  std::vector<double> query_sizes_, key_sizes_, input_sizes_;  ///< [dk], [dk], [D]
};

/// Bounds the total weight of all rows but the one of the latest opening bracket of depth `target`,
/// that one weighing 1, over all t and all positions p of that bracket. Rows before p can be
/// anything; rows between p and t lie at depth `target` or deeper and open nothing there. One pass
/// over the positions with two sums of exponentials. Infinite when there is no bound.
double leak(const DyckForm& form, const Rows& rows, const Box& query, const Group& asking,
            Index target);

/// A mean of values of which those other than `target` have at most `leak` against 1.
Box retrieved(const Box& target, const Box& others, double leak);

}  // namespace separatrix::prefix_scan
