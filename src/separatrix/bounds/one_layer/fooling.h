#pragma once

#include <utility>
#include <vector>

#include "separatrix/bounds/one_layer/communication.h"

namespace separatrix::one_layer {

/// Cells (row, column) with one answer; of every two, one crossing is asked and has another answer.
/// No two of them are in one monochromatic rectangle.
struct FoolingSet {
  Token answer = kIgnore;
  std::vector<std::pair<Index, Index>> cells;
};

/// A large one, over all answers: greedily the cells with the fewest conflicts first, then swaps of
/// one cell for two until there is none. At most 2048 cells of an answer, those in rows and columns
/// where it is rarest, are looked at. The same for every run.
FoolingSet find_fooling_set(const AnswerMatrix& matrix);

}  // namespace separatrix::one_layer
