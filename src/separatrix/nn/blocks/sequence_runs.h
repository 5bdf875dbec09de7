#pragma once

#include "separatrix/kernels/kernels.h"
#include "separatrix/nn/blocks/sequences.h"

// A recurrence that runs sequence by sequence needs of each the rows up to its last live one.
// Packed one sequence behind the other they are the rows of its matrix products.

namespace separatrix {

/// Consecutive rows of one sequence.
struct Run {
  Index row = 0, n = 0;  ///< rows row .. row + n - 1 of [B T, D]
  Index packed = 0;      ///< where the first of them is among the packed rows
  Index live = 0;        ///< and where the first live one of them is among the live rows
};

/// f(run, live_end) for the needed rows of each sequence that has live ones, which are
/// live.row(run.live) .. live.row(live_end - 1).
template <class F>
void for_prefixes(Shape s, Live live, const F& f) {
  Index packed = 0, first_live = 0;
  for_each_sequence(s, live, [&](const LiveSequence& q) {
    f(Run{q.origin, q.steps, packed, first_live}, first_live + q.n_live);
    packed += q.steps;
    first_live += q.n_live;
  });
}

/// f(run) for each maximal run of live rows in a sequence.
template <class F>
void for_live_runs(Shape s, Live live, const F& f) {
  for_prefixes(s, live, [&](const Run& prefix, Index live_end) {
    for (Index begin = prefix.live, end = 0; begin < live_end; begin = end) {
      const Index row = live.row(begin);
      for (end = begin + 1; end < live_end && live.row(end) == row + end - begin;) ++end;
      f(Run{row, end - begin, prefix.packed + row - prefix.row, begin});
    }
  });
}

/// The live rows of a prefix as kernels take them: row `start` of the list is its first position.
struct LiveRows {
  Rows rows;
  Index start = 0;
};
inline LiveRows live_rows(Live live, const Run& prefix, Index live_end) {
  const Index n = live_end - prefix.live;
  if (live.all()) return {{n, nullptr}, 0};
  return {{n, live.rows.data() + prefix.live}, prefix.row};
}

inline Index packed_rows(Shape s, Live live) {
  Index n = 0;
  for_prefixes(s, live, [&](const Run& run, Index) { n = run.packed + run.n; });
  return n;
}

}  // namespace separatrix
