#include <algorithm>
#include <cassert>

#include "separatrix/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/gemm.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

// C is cut into register tiles of R rows times V vectors. A and op(A) differ only in two strides;
// op(B) must be contiguous along n, so a transposed B, and the ragged right edge of B, are copied
// into a block on the stack first. K is cut into blocks too; the chain of multiply-adds of an
// element just goes on from C, so neither cut changes a bit of the result.

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;  // 16 floats: the widest vector that the block sizes assume
using Vec = hn::Vec<D>;

constexpr bool kManyRegisters = HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64;
constexpr int kMaxVectors = kManyRegisters ? 4 : 2;
constexpr Index kBlockK = 256;
constexpr Index kBlockFloats = kBlockK * 64;

/// op(A)[i, k] = a[i * row + k * step].
struct Left {
  const float* a;
  Index row, step;
};

/// R x V tile: c[R, V*lanes] (=|+=) op(A)[R, K] b[K, V*lanes].
template <int R, int V>
HWY_INLINE void tile(Index K, Left left, const float* HWY_RESTRICT b, Index ldb, bool accumulate,
                     float* HWY_RESTRICT c, Index ldc) {
  const D d;
  const Index lanes = Index(hn::Lanes(d));
  Vec sum[R][V];
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v)
      sum[r][v] = accumulate ? hn::LoadU(d, c + r * ldc + v * lanes) : hn::Zero(d);
  for (Index k = 0; k < K; ++k) {
    Vec bk[V];
    for (int v = 0; v < V; ++v) bk[v] = hn::LoadU(d, b + k * ldb + v * lanes);
    const float* a = left.a + k * left.step;
    for (int r = 0; r < R; ++r) {
      const Vec ar = hn::Set(d, a[r * left.row]);
      for (int v = 0; v < V; ++v) sum[r][v] = hn::MulAdd(ar, bk[v], sum[r][v]);
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) hn::StoreU(sum[r][v], d, c + r * ldc + v * lanes);
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

/// block[K, width] = b[width, K]^T.
void transpose(Index K, Index width, const float* b, Index ldb, float* block, Index ld) {
  for (Index n = 0; n < width; ++n)
    for (Index k = 0; k < K; ++k) block[k * ld + n] = b[n * ldb + k];
}

/// The last columns, fewer than a vector: through padded copies of B and C.
void ragged_panel(Panel p, Index width, Index lanes) {
  constexpr Index kRows = 32;
  HWY_ALIGN float edge[kRows * 16];
  float* const c = p.c;
  const Index M = p.M, ldc = p.ldc;
  const Left left = p.left;
  for (Index i = 0; i < M; i += kRows) {
    p.M = std::min(kRows, M - i);
    if (p.accumulate)
      for (Index r = 0; r < p.M; ++r) std::copy_n(c + (i + r) * ldc, width, edge + r * lanes);
    p.left.a = left.a + i * left.row;
    p.c = edge;
    p.ldc = lanes;
    panel<1>(p);
    for (Index r = 0; r < p.M; ++r) std::copy_n(edge + r * lanes, width, c + (i + r) * ldc);
  }
}

void gemm_block(const Gemm& g, Left left, const float* B, Index ldb, float* C, Index ldc) {
  const Index lanes = Index(hn::Lanes(D()));
  HWY_ALIGN float block[kBlockFloats];
  for (Index n = 0; n < g.N;) {
    const Index vectors = std::min<Index>(kMaxVectors, (g.N - n) / lanes);
    const Index width = vectors > 0 ? vectors * lanes : g.N - n;
    const Index padded = std::max(width, lanes);
    Panel p{g.M, g.K, left, g.b_transposed ? B + n * ldb : B + n, ldb, g.accumulate, C + n, ldc};
    if (g.b_transposed || width < lanes) {
      if (width < lanes) std::fill_n(block, g.K * padded, 0.0F);
      if (g.b_transposed)
        transpose(g.K, width, p.b, ldb, block, padded);
      else
        for (Index k = 0; k < g.K; ++k) std::copy_n(p.b + k * ldb, width, block + k * padded);
      p.b = block;
      p.ldb = padded;
    }
    if (vectors > 0)
      panel_of(int(vectors), p);
    else
      ragged_panel(p, width, lanes);
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

}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace separatrix {

HWY_EXPORT(gemm_target);

void gemm(const Gemm& g, const float* A, Index lda, const float* B, Index ldb, float* C,
          Index ldc) {
  assert(lda >= (g.a_transposed ? g.M : g.K) && ldb >= (g.b_transposed ? g.K : g.N) && ldc >= g.N);
  HWY_DYNAMIC_DISPATCH(gemm_target)(g, A, lda, B, ldb, C, ldc);
}

}  // namespace separatrix
#endif
