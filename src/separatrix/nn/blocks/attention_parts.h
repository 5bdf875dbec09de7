#pragma once

#include <algorithm>
#include <cmath>

#include "separatrix/kernels/kernels.h"
#include "separatrix/nn/block.h"

namespace separatrix {

// The two ways in which the block "attention" computes the same function, for attention.cpp.

/// What a score knows of the two positions: nothing, the angle between them, or their distance.
enum class AttentionPositions { none, rotary, alibi };

/// Rows from .. end-1 of a sequence.
struct Span {
  Index from = 0, end = 0;
  Index size() const { return end - from; }
};

/// The sizes of one call.
struct AttentionSizes {
  Index T = 0, D = 0, H = 0, dk = 0, dv = 0;
  bool causal = true;
  float scale = 1;
  Index G = 0;       ///< heads of keys and values; H / G heads of queries share each
  Index window = 0;  ///< rows that a row sees on each side, itself included; 0 = all
  AttentionPositions positions = AttentionPositions::none;
  const float* angles = nullptr;  ///< rotary_table of T rows and width dk
  Dropout dropout = {};           ///< of the weights, see Slots
  Index first_sequence = 0;
  Index qk() const { return H * dk; }
  Index vv() const { return H * dv; }
  Index keys_width() const { return G * dk; }
  Index values_width() const { return G * dv; }
  Index shared(Index h) const { return h / (H / G); }  ///< head h's head of keys and values
  bool rotary() const { return positions == AttentionPositions::rotary; }
  /// What a score loses per position between the two, as published: 2^(-8 (h + 1) / H) for H a
  /// power of two, else first those of the power of two below, then every second of twice that
  /// power.
  double exponent(Index h) const {
    Index power = 1;
    while (2 * power <= H) power *= 2;
    return h < power ? -8 * double(h + 1) / double(power)
                     : -8 * double(2 * (h - power) + 1) / double(2 * power);
  }
  float slope(Index h) const {
    return positions == AttentionPositions::alibi ? float(std::exp2(exponent(h))) : 0.0F;
  }
  Span seen(Index t) const {
    const Index from = window == 0 ? 0 : std::max<Index>(0, t - window + 1);
    return {from, causal ? t + 1 : window == 0 ? T : std::min(T, t + window)};
  }
  /// The most rows that one row sees.
  Index reach() const { return window == 0 ? T : std::min(T, causal ? window : 2 * window - 1); }
};

/// Where the four projections start in the parameters or their gradients: [D, H dk], [D, G dk],
/// [D, G dv], [H dv, D].
template <class T>
struct Projections {
  Projections(T* w, const AttentionSizes& z)
      : q(w), k(q + z.D * z.qk()), v(k + z.D * z.keys_width()), o(v + z.D * z.values_width()) {}
  T *q, *k, *v, *o;
};

/// One sequence of a tile and the rows of it that somebody reads.
struct AttentionSequence {
  Index first = 0;              ///< its row 0 in the tile
  Index keys = 0;               ///< how many of its rows are attended to
  Index n = 0;                  ///< live rows
  const Index* rows = nullptr;  ///< their numbers in the tile; null = first .. first+n-1
  bool all() const { return rows == nullptr; }
  /// Of row i of the list.
  Index position(Index i) const { return rows == nullptr ? i : rows[i] - first; }
};

/// Calls f(run, at) for the runs of consecutive rows of which each is attended to, ascending; `at`
/// is the number of such rows before the run. Without a window that is one run from row 0 on.
template <class F>
void for_runs(const AttentionSizes& z, const AttentionSequence& s, F f) {
  Span run = z.seen(s.position(0));
  Index at = 0;
  for (Index i = 1; i < s.n; ++i) {
    const Span seen = z.seen(s.position(i));
    if (seen.from > run.end) {
      f(run, at);
      at += run.size();
      run.from = seen.from;
    }
    run.end = seen.end;
  }
  f(run, at);
}

/// Calls f(sequence) for each of the B sequences that has a live row.
template <class F>
void for_sequences(Index B, Live live, const AttentionSizes& z, F f) {
  std::size_t next = 0;
  for (Index b = 0; b < B; ++b) {
    AttentionSequence s{b * z.T, z.T, z.T, nullptr};
    if (!live.all()) {
      const std::size_t begin = next;
      while (next < live.rows.size() && live.rows[next] < s.first + z.T) ++next;
      s.n = Index(next - begin);
      if (s.n == 0) continue;
      if (s.n < z.T) s.rows = live.rows.data() + begin;
      if (z.window == 0)
        s.keys = z.seen(live.rows[next - 1] - s.first).end;
      else
        for_runs(z, s, [&](Span run, Index at) { s.keys = at + run.size(); });
    }
    f(s);
  }
}

/// Dense: keys and values of all visible rows are projected. One sequence per call; `cache` and
/// `scratch` hold the floats that the size functions name. The weights of all pairs of positions
/// that see each other are kept for a backward only.
Index dense_cache_size(const AttentionSizes& z, bool kept);
Index dense_scratch_size(const AttentionSizes& z);
void dense_forward(const AttentionSizes& z, const AttentionSequence& s, const float* x, float* y,
                   Slots slots);
void dense_backward(const AttentionSizes& z, const AttentionSequence& s, const float* x,
                    const float* dy, float* dx, Slots slots);

/// Sparse, for few live rows: u = k_h (x_t q_h), score = <u, x_j>, and the average is taken over
/// x_j before the value projection: O(T D) per live row and head where dense takes O(T D^2). True
/// if that is the cheaper way; depends on the sequence alone. Never for rotary positions: they turn
/// each key by its own angle after the projection. Nor with dropout, whose masks the fused kernel
/// does not know.
bool prefers_sparse(const AttentionSizes& z, const AttentionSequence& s);
/// The most live rows for which it is, among sequences of up to T rows.
Index sparse_limit(const AttentionSizes& z);
/// All sequences of the tile that prefer sparse in one call; n is the sum of their live rows.
struct SparseTile {
  Index B = 0, n = 0;
  Live live;
};
Index sparse_cache_size(const AttentionSizes& z, Index n);
Index sparse_scratch_size(const AttentionSizes& z, Index n);
void sparse_forward(const AttentionSizes& z, const SparseTile& tile, const float* x, float* y,
                    Slots slots);
void sparse_backward(const AttentionSizes& z, const SparseTile& tile, const float* x,
                     const float* dy, float* dx, Slots slots);

}  // namespace separatrix
