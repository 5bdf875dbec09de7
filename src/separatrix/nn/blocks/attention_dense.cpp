#include <array>

#include "separatrix/nn/blocks/attention_parts.h"
#include "separatrix/nn/buffer.h"

namespace separatrix {
namespace {

/// Queries that share one product with the keys: enough rows for a fast product, few enough that
/// little is computed beyond the causal triangle.
constexpr Index kQueryBlock = 32;

/// Room for the weights of one head. With a window, of each block of queries only the columns
/// between the first and the last that one of them sees, and what alignment adds on both sides.
Index weights_of_head(const AttentionSizes& z) {
  const Index blocks = (z.T + kQueryBlock - 1) / kQueryBlock;
  const Index banded = kQueryBlock * (z.T + blocks * (z.reach() + 2 * kAlign));
  return z.window == 0 ? z.T * padded(z.T) : std::min(z.T * padded(z.T), banded);
}

struct Cache {
  /// [T, H dk], [T, G dk], [T, G dv]; of keys and values only the rows that are attended to, one
  /// after the other. Queries and keys are turned already where positions are rotary.
  float *q = nullptr, *k = nullptr, *v = nullptr;
  float* o = nullptr;  ///< [T, H dv] averaged values
  float* p = nullptr;  ///< attention weights, in the order of for_blocks, each [queries, ld]
  Index end = 0;
  Cache(const AttentionSizes& z, bool kept, float* base) {
    q = slice(base, end, z.T * z.qk());
    k = slice(base, end, z.T * z.keys_width());
    v = slice(base, end, z.T * z.values_width());
    o = slice(base, end, z.T * z.vv());
    if (kept) p = slice(base, end, z.H * weights_of_head(z));
  }
};

struct Scratch {
  float *x = nullptr, *y = nullptr;  ///< [T, D] live rows, where not all are
  float *dq = nullptr, *dk = nullptr, *dv = nullptr, *d_o = nullptr;  ///< as in Cache
  float* across = nullptr;   ///< [max(dk, dv), padded T] keys or values
  float* dp = nullptr;       ///< [kQueryBlock, padded T]; weights of one block that are not kept
  float* dropped = nullptr;  ///< [kQueryBlock, padded T]: those that dropout leaves
  Index end = 0;
  Scratch(const AttentionSizes& z, float* base) {
    x = slice(base, end, z.T * z.D);
    y = slice(base, end, z.T * z.D);
    dq = slice(base, end, z.T * z.qk());
    dk = slice(base, end, z.T * z.keys_width());
    dv = slice(base, end, z.T * z.values_width());
    d_o = slice(base, end, z.T * z.vv());
    across = slice(base, end, std::max(z.dk, z.dv) * padded(z.T));
    dp = slice(base, end, kQueryBlock * padded(z.T));
    dropped = slice(base, end, kQueryBlock * padded(z.T));
  }
};

/// Queries first .. first+count-1 of one head. Columns are the rows that are attended to, counted
/// as in Cache, of which these see some in from .. from+keys-1.
struct QueryBlock {
  Index first = 0, count = 0, from = 0, keys = 0, ld = 0;
  float* p = nullptr;  ///< their attention weights [count, ld]
  /// Of each, counted from `from` on: the columns that it sees, and its own.
  std::array<Index, kQueryBlock> begin{}, end{}, own{};
  Scores scores(const AttentionSizes& z, Index h) const {
    return {count,      keys,      ld, end.data(), z.scale, z.window == 0 ? nullptr : begin.data(),
            z.slope(h), own.data()};
  }
};

/// Calls f(block) for the blocks of a head; p moves on behind each block's weights if they are
/// kept.
template <class F>
void for_blocks(const AttentionSizes& z, const AttentionSequence& s, bool kept, float*& p, F f) {
  Index covered = 0, columns = 0;  // so many columns are for rows before `covered`
  for (Index first = 0; first < s.n; first += kQueryBlock) {
    QueryBlock block;
    block.first = first;
    block.count = std::min(kQueryBlock, s.n - first);
    for (Index i = 0; i < block.count; ++i) {
      const Index t = s.position(first + i);
      const Span seen = z.seen(t);
      columns += seen.end - std::max(seen.from, covered);
      covered = seen.end;
      const Index from = columns - seen.size();
      if (i == 0) block.from = from / kAlign * kAlign;
      block.begin[std::size_t(i)] = from - block.from;
      block.end[std::size_t(i)] = columns - block.from;
      block.own[std::size_t(i)] = from + t - seen.from - block.from;
    }
    block.keys = columns - block.from;
    block.ld = padded(block.keys);
    block.p = p;
    if (kept) p += block.count * block.ld;
    f(block);
  }
}

/// p [queries, ld] *= the dropout factors of the block's pairs of positions.
void drop_pairs(const AttentionSizes& z, const AttentionSequence& s, const QueryBlock& b, Index h,
                float* p) {
  if (!z.dropout.on()) return;
  const Index sequence = z.first_sequence + s.first / z.T;
  for (Index i = 0; i < b.count; ++i) {
    const Index t = s.position(b.first + i);
    const Index pair = ((sequence * z.H + h) * z.T + t) * z.T + z.seen(t).from;
    const Index begin = b.begin[std::size_t(i)];
    drop(z.dropout, std::uint64_t(pair), b.end[std::size_t(i)] - begin, p + i * b.ld + begin);
  }
}
/// The weights that the averages are formed with.
const float* dropped_weights(const AttentionSizes& z, const AttentionSequence& s,
                             const QueryBlock& b, Index h, float* memory) {
  if (!z.dropout.on()) return b.p;
  std::copy_n(b.p, b.count * b.ld, memory);
  drop_pairs(z, s, b, h, memory);
  return memory;
}

/// across [width, padded keys] = m^T of one head, m [keys, width] ld; zeros up to the padding.
void turn(Index keys, Index width, const float* m, Index ld, float* across) {
  for (Index i = 0; i < width; ++i)
    std::fill_n(across + i * padded(keys) + keys, padded(keys) - keys, 0.0F);
  transpose(keys, width, m, ld, across, padded(keys));
}

/// Turns queries and keys, or what are gradients of turned ones back.
void rotate_heads(const AttentionSizes& z, const AttentionSequence& s, bool back, float* q,
                  float* k) {
  if (!z.rotary()) return;
  const auto rows = [&](Index position, Index n, Index heads, float* x) {
    rotate({n, heads, z.dk, z.angles + position * 2 * z.dk, back}, x);
  };
  if (s.all()) rows(0, s.n, z.H, q);
  for (Index i = 0; i < s.n && !s.all(); ++i) rows(s.position(i), 1, z.H, q + i * z.qk());
  for_runs(z, s,
           [&](Span run, Index at) { rows(run.from, run.size(), z.G, k + at * z.keys_width()); });
}

}  // namespace

Index dense_cache_size(const AttentionSizes& z, bool kept) { return Cache(z, kept, nullptr).end; }
Index dense_scratch_size(const AttentionSizes& z) { return Scratch(z, nullptr).end; }

void dense_forward(const AttentionSizes& z, const AttentionSequence& s, const float* x, float* y,
                   Slots slots) {
  const Projections<const float> w(slots.w, z);
  const Cache cache(z, slots.kept, slots.cache);
  const Scratch scratch(z, slots.scratch);
  const Index D = z.D, qk = z.qk(), kk = z.keys_width(), vv = z.vv(), values = z.values_width();
  const float* in = x + s.first * D;
  if (!s.all()) gather_rows({s.n, s.rows}, D, x, scratch.x);
  gemm({.M = s.n, .N = qk, .K = D}, s.all() ? in : scratch.x, D, w.q, qk, cache.q, qk);
  for_runs(z, s, [&](Span run, Index at) {
    const float* rows = in + run.from * D;
    gemm({.M = run.size(), .N = kk, .K = D}, rows, D, w.k, kk, cache.k + at * kk, kk);
    gemm({.M = run.size(), .N = values, .K = D}, rows, D, w.v, values, cache.v + at * values,
         values);
  });
  rotate_heads(z, s, false, cache.q, cache.k);

  float* p = slots.kept ? cache.p : scratch.dp;
  for (Index h = 0; h < z.H; ++h) {
    const Index at_k = z.shared(h) * z.dk, at_v = z.shared(h) * z.dv;
    turn(s.keys, z.dk, cache.k + at_k, kk, scratch.across);
    for_blocks(z, s, slots.kept, p, [&](const QueryBlock& b) {
      gemm({.M = b.count, .N = b.ld, .K = z.dk}, cache.q + b.first * qk + h * z.dk, qk,
           scratch.across + b.from, padded(s.keys), b.p, b.ld);
      masked_softmax(b.scores(z, h), b.p);
      const float* weights = dropped_weights(z, s, b, h, scratch.dropped);
      gemm({.M = b.count, .N = z.dv, .K = b.keys}, weights, b.ld, cache.v + b.from * values + at_v,
           values, cache.o + b.first * vv + h * z.dv, vv);
    });
  }
  gemm({.M = s.n, .N = D, .K = vv}, cache.o, vv, w.o, D, s.all() ? y + s.first * D : scratch.y, D);
  if (!s.all()) scatter_rows({s.n, s.rows}, D, scratch.y, y);
}

namespace {

/// From d_o to dq, dk, dv, head by head and block by block, in the forward's order.
void backward_heads(const AttentionSizes& z, const AttentionSequence& s, const Cache& cache,
                    const Scratch& scratch) {
  const Index qk = z.qk(), kk = z.keys_width(), vv = z.vv(), values = z.values_width();
  std::fill_n(scratch.dk, s.keys * kk, 0.0F);
  std::fill_n(scratch.dv, s.keys * values, 0.0F);
  float* p = cache.p;
  for (Index h = 0; h < z.H; ++h) {
    const Index at_q = h * z.dk, at_k = z.shared(h) * z.dk, at_v = z.shared(h) * z.dv;
    turn(s.keys, z.dv, cache.v + at_v, values, scratch.across);
    for_blocks(z, s, true, p, [&](const QueryBlock& b) {
      const float* d_o = scratch.d_o + b.first * vv + h * z.dv;
      const float* weights = dropped_weights(z, s, b, h, scratch.dropped);
      gemm({.M = b.keys, .N = z.dv, .K = b.count, .a_transposed = true, .accumulate = true},
           weights, b.ld, d_o, vv, scratch.dv + b.from * values + at_v, values);
      gemm({.M = b.count, .N = b.ld, .K = z.dv}, d_o, vv, scratch.across + b.from, padded(s.keys),
           scratch.dp, b.ld);
      drop_pairs(z, s, b, h, scratch.dp);
      masked_softmax_backward(b.scores(z, h), b.p, scratch.dp);
      gemm({.M = b.count, .N = z.dk, .K = b.keys}, scratch.dp, b.ld, cache.k + b.from * kk + at_k,
           kk, scratch.dq + b.first * qk + at_q, qk);
      gemm({.M = b.keys, .N = z.dk, .K = b.count, .a_transposed = true, .accumulate = true},
           scratch.dp, b.ld, cache.q + b.first * qk + at_q, qk, scratch.dk + b.from * kk + at_k,
           kk);
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
  const Index D = z.D, qk = z.qk(), kk = z.keys_width(), vv = z.vv(), values = z.values_width();
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
  rotate_heads(z, s, true, scratch.dq, scratch.dk);
  gemm(weights(D, qk, s.n), queries, D, scratch.dq, qk, dw.q, qk);
  for_runs(z, s, [&](Span run, Index at) {
    const float* rows = in + run.from * D;
    gemm(weights(D, kk, run.size()), rows, D, scratch.dk + at * kk, kk, dw.k, kk);
    gemm(weights(D, values, run.size()), rows, D, scratch.dv + at * values, values, dw.v, values);
  });

  const auto inputs = [D](Index M, Index K, bool accumulate) {
    return Gemm{.M = M, .N = D, .K = K, .b_transposed = true, .accumulate = accumulate};
  };
  float* din = dx + s.first * D;
  for_runs(z, s, [&](Span run, Index at) {
    float* rows = din + run.from * D;
    gemm(inputs(run.size(), kk, true), scratch.dk + at * kk, kk, w.k, kk, rows, D);
    gemm(inputs(run.size(), values, true), scratch.dv + at * values, values, w.v, values, rows, D);
  });
  gemm(inputs(s.n, qk, s.all()), scratch.dq, qk, w.q, qk, s.all() ? din : scratch.x, D);
  if (!s.all()) scatter_add_rows(live, D, scratch.x, dx);
}

}  // namespace separatrix
