#pragma once

#include "separatrix/nn/block.h"

namespace separatrix {

/// One sequence of a tile with live rows, for blocks that work on one sequence after the other:
/// its first `steps` rows, up to its last live one, are needed.
struct LiveSequence {
  Index origin = 0;             ///< its first row: b T
  Index steps = 0;              ///< rows needed
  const Index* live = nullptr;  ///< its live rows, as rows of the tile; null = all `steps` rows
  Index n_live = 0;

  /// Time of its i-th live row.
  Index time(Index i) const { return live == nullptr ? i : live[i] - origin; }
};

/// f(LiveSequence) for each sequence that has live rows, in order.
template <class F>
void for_each_sequence(Shape s, Live live, const F& f) {
  if (live.all()) {
    for (Index b = 0; b < s.B; ++b) f(LiveSequence{b * s.T, s.T, nullptr, s.T});
    return;
  }
  const Index n = live.count(s);
  for (Index begin = 0, end = 0; begin < n; begin = end) {
    const Index origin = live.row(begin) / s.T * s.T;
    while (end < n && live.row(end) < origin + s.T) ++end;
    f(LiveSequence{origin, live.row(end - 1) - origin + 1, live.rows.data() + begin, end - begin});
  }
}

}  // namespace separatrix
