#pragma once

#include <algorithm>

#include "separatrix/kernels/kernels.h"
#include "separatrix/nn/block.h"

namespace separatrix {

// The two ways in which the block "attention" computes the same function, for attention.cpp.

/// The sizes of one call.
struct AttentionSizes {
  Index T = 0, D = 0, H = 0, dk = 0, dv = 0;
  bool causal = true;
  float scale = 1;
  Index qk() const { return H * dk; }
  Index vv() const { return H * dv; }
};

/// Where the four projections start in the parameters or their gradients: [D, H dk], [D, H dk],
/// [D, H dv], [H dv, D].
template <class T>
struct Projections {
  Projections(T* w, const AttentionSizes& z)
      : q(w), k(q + z.D * z.qk()), v(k + z.D * z.qk()), o(v + z.D * z.vv()) {}
  T *q, *k, *v, *o;
};

/// One sequence of a tile and the rows of it that somebody reads.
struct AttentionSequence {
  Index first = 0;              ///< its row 0 in the tile
  Index keys = 0;               ///< its rows first .. first+keys-1 are attended to
  Index n = 0;                  ///< live rows
  const Index* rows = nullptr;  ///< their numbers in the tile; null = first .. first+n-1
  bool all() const { return rows == nullptr; }
  /// Row i of the list sees the rows first .. first+visible-1.
  Index visible(Index i, bool causal) const {
    if (!causal) return keys;
    return (rows == nullptr ? i : rows[i] - first) + 1;
  }
};

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
      if (z.causal) s.keys = live.rows[next - 1] - s.first + 1;
    }
    f(s);
  }
}

/// Dense: keys and values of all visible rows are projected. One sequence per call; `cache` and
/// `scratch` hold the floats that the size functions name. The weights of all pairs of positions
/// are kept for a backward only.
Index dense_cache_size(const AttentionSizes& z, bool kept);
Index dense_scratch_size(const AttentionSizes& z);
void dense_forward(const AttentionSizes& z, const AttentionSequence& s, const float* x, float* y,
                   Slots slots);
void dense_backward(const AttentionSizes& z, const AttentionSequence& s, const float* x,
                    const float* dy, float* dx, Slots slots);

/// Sparse, for few live rows: u = k_h (x_t q_h), score = <u, x_j>, and the average is taken over
/// x_j before the value projection: O(T D) per live row and head where dense takes O(T D^2). True
/// if that is the cheaper way; depends on the sequence alone.
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
