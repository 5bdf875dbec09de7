#include <array>

#include "separatrix/nn/blocks/attention_parts.h"
#include "separatrix/nn/buffer.h"

namespace separatrix {
namespace {

/// Queries that share one product with the keys: enough rows for a fast product, few enough that
/// little is computed beyond the causal triangle.
constexpr Index kQueryBlock = 32;

struct Cache {
  float *q = nullptr, *k = nullptr, *v = nullptr;  ///< [T, H dk], [T, H dk], [T, H dv]
  float* o = nullptr;                              ///< [T, H dv] averaged values
  float* p = nullptr;  ///< attention weights, in the order of for_blocks, each [queries, ld]
  Index end = 0;
  Cache(const AttentionSizes& z, bool kept, float* base) {
    q = slice(base, end, z.T * z.qk());
    k = slice(base, end, z.T * z.qk());
    v = slice(base, end, z.T * z.vv());
    o = slice(base, end, z.T * z.vv());
    if (kept) p = slice(base, end, z.H * z.T * padded(z.T));
  }
};

struct Scratch {
  float *x = nullptr, *y = nullptr;  ///< [T, D] live rows, where not all are
  float *dq = nullptr, *dk = nullptr, *dv = nullptr, *d_o = nullptr;  ///< as in Cache
  float* across = nullptr;  ///< [max(dk, dv), padded T] keys or values
  float* dp = nullptr;      ///< [kQueryBlock, padded T]; weights of one block that are not kept
  Index end = 0;
  Scratch(const AttentionSizes& z, float* base) {
    x = slice(base, end, z.T * z.D);
    y = slice(base, end, z.T * z.D);
    dq = slice(base, end, z.T * z.qk());
    dk = slice(base, end, z.T * z.qk());
    dv = slice(base, end, z.T * z.vv());
    d_o = slice(base, end, z.T * z.vv());
    across = slice(base, end, std::max(z.dk, z.dv) * padded(z.T));
    dp = slice(base, end, kQueryBlock * padded(z.T));
  }
};

/// Queries first .. first+count-1 of one head, which see up to `keys` rows, the i-th visible[i].
struct QueryBlock {
  Index first = 0, count = 0, keys = 0, ld = 0;
  float* p = nullptr;  ///< their attention weights [count, ld]
  std::array<Index, kQueryBlock> visible{};
  Scores scores(const AttentionSizes& z) const {
    return {count, keys, ld, visible.data(), z.scale};
  }
};

/// Calls f(block) for the blocks of a head; p moves on behind each block's weights if they are
/// kept.
template <class F>
void for_blocks(const AttentionSizes& z, const AttentionSequence& s, bool kept, float*& p, F f) {
  for (Index first = 0; first < s.n; first += kQueryBlock) {
    QueryBlock block;
    block.first = first;
    block.count = std::min(kQueryBlock, s.n - first);
    for (Index i = 0; i < block.count; ++i)
      block.visible[std::size_t(i)] = s.visible(first + i, z.causal);
    block.keys = block.visible[std::size_t(block.count - 1)];
    block.ld = padded(block.keys);
    block.p = p;
    if (kept) p += block.count * block.ld;
    f(block);
  }
}

/// across [width, padded keys] = m^T of one head, m [keys, width] ld; zeros up to the padding.
void turn(Index keys, Index width, const float* m, Index ld, float* across) {
  for (Index i = 0; i < width; ++i)
    std::fill_n(across + i * padded(keys) + keys, padded(keys) - keys, 0.0F);
  transpose(keys, width, m, ld, across, padded(keys));
}

}  // namespace

Index dense_cache_size(const AttentionSizes& z, bool kept) { return Cache(z, kept, nullptr).end; }
Index dense_scratch_size(const AttentionSizes& z) { return Scratch(z, nullptr).end; }

void dense_forward(const AttentionSizes& z, const AttentionSequence& s, const float* x, float* y,
                   Slots slots) {
  const Projections<const float> w(slots.w, z);
  const Cache cache(z, slots.kept, slots.cache);
  const Scratch scratch(z, slots.scratch);
  const Index D = z.D, qk = z.qk(), vv = z.vv();
  const float* in = x + s.first * D;
  if (!s.all()) gather_rows({s.n, s.rows}, D, x, scratch.x);
  gemm({.M = s.n, .N = qk, .K = D}, s.all() ? in : scratch.x, D, w.q, qk, cache.q, qk);
  gemm({.M = s.keys, .N = qk, .K = D}, in, D, w.k, qk, cache.k, qk);
  gemm({.M = s.keys, .N = vv, .K = D}, in, D, w.v, vv, cache.v, vv);

  float* p = slots.kept ? cache.p : scratch.dp;
  for (Index h = 0; h < z.H; ++h) {
    turn(s.keys, z.dk, cache.k + h * z.dk, qk, scratch.across);
    for_blocks(z, s, slots.kept, p, [&](const QueryBlock& b) {
      gemm({.M = b.count, .N = b.ld, .K = z.dk}, cache.q + b.first * qk + h * z.dk, qk,
           scratch.across, padded(s.keys), b.p, b.ld);
      masked_softmax(b.scores(z), b.p);
      gemm({.M = b.count, .N = z.dv, .K = b.keys}, b.p, b.ld, cache.v + h * z.dv, vv,
           cache.o + b.first * vv + h * z.dv, vv);
    });
  }
  gemm({.M = s.n, .N = D, .K = vv}, cache.o, vv, w.o, D, s.all() ? y + s.first * D : scratch.y, D);
  if (!s.all()) scatter_rows({s.n, s.rows}, D, scratch.y, y);
}

namespace {

/// From d_o to dq, dk, dv, head by head and block by block, in the forward's order.
void backward_heads(const AttentionSizes& z, const AttentionSequence& s, const Cache& cache,
                    const Scratch& scratch) {
  const Index qk = z.qk(), vv = z.vv();
  std::fill_n(scratch.dk, s.keys * qk, 0.0F);
  std::fill_n(scratch.dv, s.keys * vv, 0.0F);
  float* p = cache.p;
  for (Index h = 0; h < z.H; ++h) {
    const Index at_k = h * z.dk, at_v = h * z.dv;
    turn(s.keys, z.dv, cache.v + at_v, vv, scratch.across);
    for_blocks(z, s, true, p, [&](const QueryBlock& b) {
      const float* d_o = scratch.d_o + b.first * vv + at_v;
      gemm({.M = b.keys, .N = z.dv, .K = b.count, .a_transposed = true, .accumulate = true}, b.p,
           b.ld, d_o, vv, scratch.dv + at_v, vv);
      gemm({.M = b.count, .N = b.ld, .K = z.dv}, d_o, vv, scratch.across, padded(s.keys),
           scratch.dp, b.ld);
      masked_softmax_backward(b.scores(z), b.p, scratch.dp);
      gemm({.M = b.count, .N = z.dk, .K = b.keys}, scratch.dp, b.ld, cache.k + at_k, qk,
           scratch.dq + b.first * qk + at_k, qk);
      gemm({.M = b.keys, .N = z.dk, .K = b.count, .a_transposed = true, .accumulate = true},
           scratch.dp, b.ld, cache.q + b.first * qk + at_k, qk, scratch.dk + at_k, qk);
    });
  }
}

}  // namespace

void dense_backward(const AttentionSizes& z, const AttentionSequence& s, const float* x,
                    const float* dy, float* dx, Slots slots) {
  const Projections<const float> w(slots.w, z);
  const Projections<float> dw(slots.dw, z);
  const Cache cache(z, true, slots.cache);
  const Scratch scratch(z, slots.scratch);
  const Index D = z.D, qk = z.qk(), vv = z.vv();
  const Rows live{s.n, s.rows};
  const float* in = x + s.first * D;
  const float* queries = s.all() ? in : scratch.x;
  const float* dout = s.all() ? dy + s.first * D : scratch.y;
  if (!s.all()) {
    gather_rows(live, D, x, scratch.x);
    gather_rows(live, D, dy, scratch.y);
  }
  const auto weights = [](Index M, Index N, Index K) {
    return Gemm{.M = M, .N = N, .K = K, .a_transposed = true, .accumulate = true};
  };
  gemm(weights(vv, D, s.n), cache.o, vv, dout, D, dw.o, D);
  gemm({.M = s.n, .N = vv, .K = D, .b_transposed = true}, dout, D, w.o, D, scratch.d_o, vv);
  backward_heads(z, s, cache, scratch);
  gemm(weights(D, qk, s.n), queries, D, scratch.dq, qk, dw.q, qk);
  gemm(weights(D, qk, s.keys), in, D, scratch.dk, qk, dw.k, qk);
  gemm(weights(D, vv, s.keys), in, D, scratch.dv, vv, dw.v, vv);

  const auto inputs = [D](Index M, Index K, bool accumulate) {
    return Gemm{.M = M, .N = D, .K = K, .b_transposed = true, .accumulate = accumulate};
  };
  float* din = dx + s.first * D;
  gemm(inputs(s.keys, qk, true), scratch.dk, qk, w.k, qk, din, D);
  gemm(inputs(s.keys, vv, true), scratch.dv, vv, w.v, vv, din, D);
  gemm(inputs(s.n, qk, s.all()), scratch.dq, qk, w.q, qk, s.all() ? din : scratch.x, D);
  if (!s.all()) scatter_add_rows(live, D, scratch.x, dx);
}

}  // namespace separatrix
