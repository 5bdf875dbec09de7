#include <algorithm>
#include <cassert>

#include "separatrix/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/gemm.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "separatrix/kernels/simd.inl"

// C is cut into register tiles of R rows times V vectors. A and op(A) differ only in two strides;
// op(B) must be contiguous along n, so a transposed B, and the ragged right edge of B, are copied
// into a block on the stack first. K is cut into blocks too; the chain of multiply-adds of an
// element just goes on from C, so neither cut changes a bit of the result.

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {

constexpr int kMaxVectors = kManyRegisters ? 4 : 2;
constexpr Index kBlockK = 256;
constexpr Index kBlockFloats = kBlockK * 64;

/// op(A)[i, k] = a[i * row + k * step].
struct Left {
  const float* a;
  Index row, step;
};

/// R x V tile: c[R, V*L] (=|+=) op(A)[R, K] b[K, V*L].
template <int R, int V>
HWY_INLINE void tile(Index K, Left left, const float* HWY_RESTRICT b, Index ldb, bool accumulate,
                     float* HWY_RESTRICT c, Index ldc) {
  const Floats d;
  const Index L = lanes();
  Vec sum[R][V];
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v)
      sum[r][v] = accumulate ? hn::LoadU(d, c + r * ldc + v * L) : hn::Zero(d);
  for (Index k = 0; k < K; ++k) {
    Vec bk[V];
    for (int v = 0; v < V; ++v) bk[v] = hn::LoadU(d, b + k * ldb + v * L);
    const float* a = left.a + k * left.step;
    for (int r = 0; r < R; ++r) {
      const Vec ar = hn::Set(d, a[r * left.row]);
      for (int v = 0; v < V; ++v) sum[r][v] = hn::MulAdd(ar, bk[v], sum[r][v]);
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) hn::StoreU(sum[r][v], d, c + r * ldc + v * L);
}

struct Panel {
  Index M, K;
  Left left;
  const float* b;
  Index ldb;
  bool accumulate;
  float* c;
  Index ldc;
};

template <int R, int V>
void rows_of_tiles(const Panel& p, Index& i) {
  for (; i + R <= p.M; i += R) {
    const Left left{p.left.a + i * p.left.row, p.left.row, p.left.step};
    tile<R, V>(p.K, left, p.b, p.ldb, p.accumulate, p.c + i * p.ldc, p.ldc);
  }
}

/// All M rows of a panel that is V vectors wide.
template <int V>
void panel(const Panel& p) {
  constexpr int kRows = kManyRegisters ? (V == 4 ? 6 : V == 3 ? 8 : 12) : (V == 2 ? 6 : 8);
  Index i = 0;
  rows_of_tiles<kRows, V>(p, i);
  if constexpr (kRows > 8) rows_of_tiles<6, V>(p, i);
  if constexpr (kRows > 4) rows_of_tiles<4, V>(p, i);
  rows_of_tiles<2, V>(p, i);
  rows_of_tiles<1, V>(p, i);
}

void panel_of(int vectors, const Panel& p) {
  if constexpr (kMaxVectors == 4) {
    if (vectors == 4) return panel<4>(p);
    if (vectors == 3) return panel<3>(p);
  }
  if (vectors == 2) return panel<2>(p);
  panel<1>(p);
}

/// The four numbers at column p of rows r, r + 4, ... of a matrix: one vector.
HWY_INLINE Vec load_quads(const float* p, Index ld) {
  const hn::CappedTag<float, 4> quad;
  const auto at = [&](int r) HWY_ATTR { return hn::LoadU(quad, p + 4 * r * ld); };
#if HWY_MAX_BYTES >= 64
  const hn::CappedTag<float, 8> half;
  const Floats d;
  return hn::Combine(d, hn::Combine(half, at(3), at(2)), hn::Combine(half, at(1), at(0)));
#elif HWY_MAX_BYTES >= 32
  return hn::Combine(Floats(), at(1), at(0));
#else
  return at(0);
#endif
}

/// y[0..3, 0..L) = x[0..L, 0..3]^T for one vector of rows.
HWY_INLINE void transpose_quad(const float* x, Index ldx, float* y, Index ldy) {
  const Floats d;
  const Doubles pairs;
  const auto wide = [&](Vec v) HWY_ATTR { return hn::BitCast(pairs, v); };
  const Vec r0 = load_quads(x, ldx), r1 = load_quads(x + ldx, ldx);
  const Vec r2 = load_quads(x + 2 * ldx, ldx), r3 = load_quads(x + 3 * ldx, ldx);
  const auto a = wide(hn::InterleaveLower(d, r0, r1)), b = wide(hn::InterleaveLower(d, r2, r3));
  const auto e = wide(hn::InterleaveUpper(d, r0, r1)), f = wide(hn::InterleaveUpper(d, r2, r3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, a, b)), d, y);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, a, b)), d, y + ldy);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, e, f)), d, y + 2 * ldy);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, e, f)), d, y + 3 * ldy);
}

void transpose_target(Index M, Index N, const float* x, Index ldx, float* y, Index ldy) {
  const Index L = lanes();
  Index i = 0;
  for (; i + L <= M; i += L) {
    Index j = 0;
    for (; j + 4 <= N; j += 4) transpose_quad(x + i * ldx + j, ldx, y + j * ldy + i, ldy);
    for (; j < N; ++j)
      for (Index r = i; r < i + L; ++r) y[j * ldy + r] = x[r * ldx + j];
  }
  for (; i < M; ++i)
    for (Index j = 0; j < N; ++j) y[j * ldy + i] = x[i * ldx + j];
}

/// The last columns, fewer than a vector: through padded copies of B and C.
void ragged_panel(Panel p, Index width) {
  constexpr Index kRows = 32;
  const Index L = lanes();
  HWY_ALIGN float edge[kRows * 16];
  float* const c = p.c;
  const Index M = p.M, ldc = p.ldc;
  const Left left = p.left;
  for (Index i = 0; i < M; i += kRows) {
    p.M = std::min(kRows, M - i);
    if (p.accumulate)
      for (Index r = 0; r < p.M; ++r) std::copy_n(c + (i + r) * ldc, width, edge + r * L);
    p.left.a = left.a + i * left.row;
    p.c = edge;
    p.ldc = L;
    panel<1>(p);
    for (Index r = 0; r < p.M; ++r) std::copy_n(edge + r * L, width, c + (i + r) * ldc);
  }
}

void gemm_block(const Gemm& g, Left left, const float* B, Index ldb, float* C, Index ldc) {
  const Index L = lanes();
  HWY_ALIGN float block[kBlockFloats];
  for (Index n = 0; n < g.N;) {
    const Index vectors = std::min<Index>(kMaxVectors, (g.N - n) / L);
    const Index width = vectors > 0 ? vectors * L : g.N - n;
    const Index padded = std::max(width, L);
    Panel p{g.M, g.K, left, g.b_transposed ? B + n * ldb : B + n, ldb, g.accumulate, C + n, ldc};
    if (g.b_transposed || width < L) {
      if (width < L) std::fill_n(block, g.K * padded, 0.0F);
      if (g.b_transposed)
        transpose_target(width, g.K, p.b, ldb, block, padded);
      else
        for (Index k = 0; k < g.K; ++k) std::copy_n(p.b + k * ldb, width, block + k * padded);
      p.b = block;
      p.ldb = padded;
    }
    if (vectors > 0)
      panel_of(int(vectors), p);
    else
      ragged_panel(p, width);
    n += width;
  }
}

void gemm_target(const Gemm& g, const float* A, Index lda, const float* B, Index ldb, float* C,
                 Index ldc) {
  Gemm part = g;
  for (Index k = 0; k == 0 || k < g.K; k += kBlockK) {
    part.K = std::min(kBlockK, g.K - k);
    part.accumulate = g.accumulate || k > 0;
    const Left left{g.a_transposed ? A + k * lda : A + k, g.a_transposed ? 1 : lda,
                    g.a_transposed ? lda : 1};
    gemm_block(part, left, g.b_transposed ? B + k : B + k * ldb, ldb, C, ldc);
  }
}

}  // namespace
}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace separatrix {

HWY_EXPORT(gemm_target);
HWY_EXPORT(transpose_target);

void gemm(const Gemm& g, const float* A, Index lda, const float* B, Index ldb, float* C,
          Index ldc) {
  assert(lda >= (g.a_transposed ? g.M : g.K) && ldb >= (g.b_transposed ? g.K : g.N) && ldc >= g.N);
  HWY_DYNAMIC_DISPATCH(gemm_target)(g, A, lda, B, ldb, C, ldc);
}

void transpose(Index M, Index N, const float* x, Index ldx, float* y, Index ldy) {
  assert(ldx >= N && ldy >= M);
  HWY_DYNAMIC_DISPATCH(transpose_target)(M, N, x, ldx, y, ldy);
}

}  // namespace separatrix
#endif
