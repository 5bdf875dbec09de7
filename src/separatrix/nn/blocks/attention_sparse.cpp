#include "separatrix/nn/blocks/attention_parts.h"
#include "separatrix/nn/buffer.h"

namespace separatrix {
namespace {

/// What a multiply-add costs when one query is worked on alone, relative to a matrix product.
constexpr Index kAlonePenalty = 5;

struct Cache {
  float *q = nullptr, *u = nullptr;  ///< [n, H dk], [n, H D]: queries, and folded into the keys
  float* a = nullptr;                ///< [n, H, padded reach] attention weights
  float *c = nullptr, *o = nullptr;  ///< [n, H D], [n, H dv]: averaged inputs, and as values
  Index end = 0;
  Cache(const AttentionSizes& z, Index n, float* base) {
    q = slice(base, end, n * z.qk());
    u = slice(base, end, n * z.H * z.D);
    a = slice(base, end, n * z.H * padded(z.reach()));
    c = slice(base, end, n * z.H * z.D);
    o = slice(base, end, n * z.vv());
  }
};

struct Scratch {
  float *x = nullptr, *y = nullptr, *dq = nullptr, *d_o = nullptr;  ///< [n, D | D | H dk | H dv]
  float *dc = nullptr, *du = nullptr;                               ///< [n, H D]
  float* work = nullptr;                                            ///< [T]
  Index end = 0;
  Scratch(const AttentionSizes& z, Index n, float* base) {
    x = slice(base, end, n * z.D);
    y = slice(base, end, n * z.D);
    dq = slice(base, end, n * z.qk());
    d_o = slice(base, end, n * z.vv());
    dc = slice(base, end, n * z.H * z.D);
    du = slice(base, end, n * z.H * z.D);
    work = slice(base, end, z.T);
  }
};

/// Calls f(sequence, at): the live rows of the sequence are rows at .. at+n-1 of the compact
/// arrays.
template <class F>
void for_sparse(const AttentionSizes& z, const SparseTile& tile, F f) {
  Index at = 0;
  for_sequences(tile.B, tile.live, z, [&](const AttentionSequence& s) {
    if (!prefers_sparse(z, s)) return;
    f(s, at);
    at += s.n;
  });
}

Rows rows_of(const AttentionSequence& s) { return {s.n, s.rows}; }

/// One head of one live row and what it sees.
struct Looking {
  Attend shape;
  Index first = 0;  ///< its row 0 in the tile
};
Looking looking(const AttentionSizes& z, const AttentionSequence& s, Index i, Index h) {
  const Index t = s.position(i);
  const Span seen = z.seen(t);
  return {{seen.size(), z.D, z.D, z.scale, z.slope(h), t - seen.from}, s.first + seen.from};
}

/// One head of one live row: its part of a [n, H, width] array.
Index head_at(const AttentionSizes& z, Index row, Index h, Index width) {
  return (row * z.H + h) * width;
}

/// The most live rows for which sparse is cheaper when `keys` rows are visible; grows with `keys`.
/// Heads that share keys and values are counted like others: measured, sparse wins there as long.
Index limit(const AttentionSizes& z, Index keys) {
  if (z.rotary()) return 0;
  const Index heads = z.dk + z.dv, each = std::min(keys, z.reach());
  const Index dense = keys * z.D * heads;
  const Index alone = 2 * kAlonePenalty * each * z.D + z.D * heads - each * heads;
  return alone <= 0 ? keys - 1 : std::min(keys - 1, dense / alone);
}

}  // namespace

bool prefers_sparse(const AttentionSizes& z, const AttentionSequence& s) {
  return !s.all() && !z.dropout.on() && s.n <= limit(z, s.keys);
}
Index sparse_limit(const AttentionSizes& z) { return limit(z, z.T); }

Index sparse_cache_size(const AttentionSizes& z, Index n) { return Cache(z, n, nullptr).end; }
Index sparse_scratch_size(const AttentionSizes& z, Index n) { return Scratch(z, n, nullptr).end; }

void sparse_forward(const AttentionSizes& z, const SparseTile& tile, const float* x, float* y,
                    Slots slots) {
  const Projections<const float> w(slots.w, z);
  const Cache cache(z, tile.n, slots.cache);
  const Scratch scratch(z, tile.n, slots.scratch);
  const Index n = tile.n, D = z.D, qk = z.qk(), kk = z.keys_width(), vv = z.vv();
  for_sparse(z, tile, [&](const AttentionSequence& s, Index at) {
    gather_rows(rows_of(s), D, x, scratch.x + at * D);
  });
  gemm({.M = n, .N = qk, .K = D}, scratch.x, D, w.q, qk, cache.q, qk);
  for (Index h = 0; h < z.H; ++h)
    gemm({.M = n, .N = D, .K = z.dk, .b_transposed = true}, cache.q + h * z.dk, qk,
         w.k + z.shared(h) * z.dk, kk, cache.u + h * D, z.H * D);
  for_sparse(z, tile, [&](const AttentionSequence& s, Index at) {
    for (Index i = 0; i < s.n; ++i)
      for (Index h = 0; h < z.H; ++h) {
        const Index wide = head_at(z, at + i, h, D);
        const Looking from = looking(z, s, i, h);
        attend(from.shape, cache.u + wide, x + from.first * D,
               cache.a + head_at(z, at + i, h, padded(z.reach())), cache.c + wide);
      }
  });
  for (Index h = 0; h < z.H; ++h)
    gemm({.M = n, .N = z.dv, .K = D}, cache.c + h * D, z.H * D, w.v + z.shared(h) * z.dv,
         z.values_width(), cache.o + h * z.dv, vv);
  gemm({.M = n, .N = D, .K = vv}, cache.o, vv, w.o, D, scratch.y, D);
  for_sparse(z, tile, [&](const AttentionSequence& s, Index at) {
    scatter_rows(rows_of(s), D, scratch.y + at * D, y);
  });
}

void sparse_backward(const AttentionSizes& z, const SparseTile& tile, const float* x,
                     const float* dy, float* dx, Slots slots) {
  const Projections<const float> w(slots.w, z);
  const Projections<float> dw(slots.dw, z);
  const Cache cache(z, tile.n, slots.cache);
  const Scratch scratch(z, tile.n, slots.scratch);
  const Index n = tile.n, D = z.D, qk = z.qk(), vv = z.vv(), HD = z.H * D;
  const Index kk = z.keys_width(), values = z.values_width();
  const auto weights = [n](Index M, Index N) {
    return Gemm{.M = M, .N = N, .K = n, .a_transposed = true, .accumulate = true};
  };
  for_sparse(z, tile, [&](const AttentionSequence& s, Index at) {
    gather_rows(rows_of(s), D, x, scratch.x + at * D);
    gather_rows(rows_of(s), D, dy, scratch.y + at * D);
  });
  gemm(weights(vv, D), cache.o, vv, scratch.y, D, dw.o, D);
  gemm({.M = n, .N = vv, .K = D, .b_transposed = true}, scratch.y, D, w.o, D, scratch.d_o, vv);
  for (Index h = 0; h < z.H; ++h) {
    const Index at_v = z.shared(h) * z.dv;
    gemm(weights(D, z.dv), cache.c + h * D, HD, scratch.d_o + h * z.dv, vv, dw.v + at_v, values);
    gemm({.M = n, .N = D, .K = z.dv, .b_transposed = true}, scratch.d_o + h * z.dv, vv, w.v + at_v,
         values, scratch.dc + h * D, HD);
  }
  for_sparse(z, tile, [&](const AttentionSequence& s, Index at) {
    for (Index i = 0; i < s.n; ++i)
      for (Index h = 0; h < z.H; ++h) {
        const Index wide = head_at(z, at + i, h, D);
        const Looking from = looking(z, s, i, h);
        attend_backward(from.shape,
                        {cache.u + wide, x + from.first * D,
                         cache.a + head_at(z, at + i, h, padded(z.reach())), scratch.dc + wide},
                        scratch.du + wide, dx + from.first * D, scratch.work);
      }
  });
  for (Index h = 0; h < z.H; ++h) {
    const Index at_k = z.shared(h) * z.dk;
    gemm({.M = n, .N = z.dk, .K = D}, scratch.du + h * D, HD, w.k + at_k, kk, scratch.dq + h * z.dk,
         qk);
    gemm(weights(D, z.dk), scratch.du + h * D, HD, cache.q + h * z.dk, qk, dw.k + at_k, kk);
  }
  gemm(weights(D, qk), scratch.x, D, scratch.dq, qk, dw.q, qk);
  gemm({.M = n, .N = D, .K = qk, .b_transposed = true}, scratch.dq, qk, w.q, qk, scratch.x, D);
  for_sparse(z, tile, [&](const AttentionSequence& s, Index at) {
    scatter_add_rows(rows_of(s), D, scratch.x + at * D, dx);
  });
}

}  // namespace separatrix
