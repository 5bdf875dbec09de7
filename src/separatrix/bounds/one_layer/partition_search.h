#pragma once

#include <functional>
#include <map>
#include <vector>

#include "separatrix/bounds/one_layer/answer_table.h"
#include "separatrix/bounds/one_layer/evidence.h"

namespace separatrix::one_layer {

/// Which of the free positions Alice has.
using Choice = std::vector<bool>;
using Objective = std::function<Index(const Choice&)>;

/// Moves one position to the other side, or swaps two, while the objective grows by more than the
/// share `noise` of itself; every move before any swap, in the order of the positions. At most
/// `evaluations` of them.
Choice hill_climb(const Objective& objective, Choice start, Index evaluations, double noise = 0);

/// How often position j made up for a change at position i: in sampled inputs, one symbol was
/// changed so that the answer changed, and another one so that it changed back. Positions that make
/// up for one another belong on different sides: then each side needs to know what the other has.
struct Compensations {
  std::vector<std::map<Index, double>> weight;  ///< [free position], symmetric
};
Compensations find_compensations(const BoundRequest& request, Index asked, Token last,
                                 const std::vector<Index>& free);

/// The two sides of a maximum spanning forest, then moves of single positions, while the weight
/// between the sides grows. The first position of every tree is Alice's.
Choice split_compensations(const Compensations& compensations);

/// The partition of a table with the most rows (leaves: the most of rows or columns, whichever are
/// fewer; prefix_rows: of prefixes only). All partitions up to 12 free positions, hill-climbing
/// above. Ties go to the one whose Alice has the earlier positions.
struct BestPartition {
  std::vector<Index> alice;
  Index score = 0;
  bool all = false;  ///< every partition was looked at
};
BestPartition best_partition(const BoundRequest& request, const AnswerTable& table,
                             Measure measure);

inline constexpr Index kMaxExhaustive = 12;  ///< free positions

}  // namespace separatrix::one_layer
