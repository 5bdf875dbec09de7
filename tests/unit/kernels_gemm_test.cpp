#include <cmath>

#include <gtest/gtest.h>

#include "separatrix/kernels/kernels.h"
#include "tests/support/kernel_memory.h"

namespace separatrix::test {
namespace {

struct Operand {
  Index rows, columns, ld;
  bool transposed;
  Floats values;
  Operand(Index r, Index c, Index pad, bool t, Rng& rng)
      : rows(t ? c : r),
        columns(t ? r : c),
        ld(columns + pad),
        transposed(t),
        values(rows * ld, pad, rng) {}
  double at(Index i, Index j) {
    return double(values.data()[transposed ? j * ld + i : i * ld + j]);
  }
};

void expect_product(Gemm g, Index pad, Rng& rng) {
  SCOPED_TRACE(testing::Message() << g.M << " x " << g.N << " x " << g.K << " " << g.a_transposed
                                  << g.b_transposed << g.accumulate << " pad " << pad);
  Operand a(g.M, g.K, pad, g.a_transposed, rng), b(g.K, g.N, pad, g.b_transposed, rng);
  const Index ldc = g.N + pad;
  Floats c(g.M * ldc, pad, rng);
  const std::vector<float> before = c.copy();
  gemm(g, a.values, a.ld, b.values, b.ld, c, ldc);
  for (Index i = 0; i < g.M; ++i) {
    for (Index j = 0; j < g.N; ++j) {
      const float start = before[std::size_t(i * ldc + j)];
      double sum = g.accumulate ? double(start) : 0, size = std::fabs(sum);
      for (Index k = 0; k < g.K; ++k) {
        sum += a.at(i, k) * b.at(k, j);
        size += std::fabs(a.at(i, k) * b.at(k, j));
      }
      // SSE4 has no fused multiply-add: two roundings per term.
      ASSERT_NEAR(double(c.data()[i * ldc + j]), sum, 2 * double(g.K + 1) * kUnit * size + 1e-30);
    }
    for (Index j = g.N; j < ldc; ++j)
      ASSERT_EQ(c.data()[i * ldc + j], before[std::size_t(i * ldc + j)]) << "beyond the row";
  }
}

TEST(Gemm, EqualsThePlainSumForAllFlagsAndOddSizes) {
  for_each_target([] {
    Rng rng(1);
    for (int flags = 0; flags < 8; ++flags)
      for (const Index M : {0, 1, 2, 5, 6, 7, 13, 34})
        for (const Index N : {0, 1, 3, 4, 7, 16, 17, 31, 48, 65, 81})
          for (const Index K : {0, 1, 3, 4, 18, 33}) {
            if ((M * 7 + N * 3 + K + flags) % 3 != 0) continue;
            const Gemm g{M, N, K, (flags & 1) != 0, (flags & 2) != 0, (flags & 4) != 0};
            expect_product(g, rng.below(4), rng);
          }
  });
}

TEST(Gemm, EqualsThePlainSumAtModelShapes) {
  for_each_target([] {
    Rng rng(2);
    for (int flags = 0; flags < 8; ++flags)
      for (const Gemm& shape : {Gemm{101, 64, 64}, Gemm{32, 112, 16}, Gemm{64, 40, 303}}) {
        Gemm g = shape;
        g.a_transposed = (flags & 1) != 0;
        g.b_transposed = (flags & 2) != 0;
        g.accumulate = (flags & 4) != 0;
        expect_product(g, flags, rng);
      }
  });
}

// What makes a batch's result independent of how it is cut into tiles and shards.
TEST(Gemm, CuttingRowsOrTermsDoesNotChangeABit) {
  for_each_target([] {
    Rng rng(3);
    const Index M = 23, N = 37, K = 300;
    Floats a(M * K, 0, rng), b(K * N, 0, rng), whole(M * N), parts(M * N), terms(M * N);
    gemm({M, N, K}, a, K, b, N, whole, N);
    for (Index i = 0; i < M; i += 4)
      gemm({std::min<Index>(4, M - i), N, K}, a + i * K, K, b, N, parts + i * N, N);
    EXPECT_EQ(whole.copy(), parts.copy());
    for (Index k = 0; k < K; k += 70) {
      Gemm g{M, N, std::min<Index>(70, K - k)};
      g.accumulate = k > 0;
      gemm(g, a + k, K, b + k * N, N, terms, N);
    }
    EXPECT_EQ(whole.copy(), terms.copy());
  });
}

TEST(Gemm, KeepsInfinitiesAndNans) {
  for_each_target([] {
    Floats a(2), b(2), c(1);
    a[0] = a[1] = b[0] = 1;
    b[1] = INFINITY;
    gemm({1, 1, 2}, a, 2, b, 1, c, 1);
    EXPECT_EQ(c[0], INFINITY);
    b[0] = NAN;
    gemm({1, 1, 2}, a, 2, b, 1, c, 1);
    EXPECT_TRUE(std::isnan(c[0]));
  });
}

TEST(Transpose, MovesEveryElement) {
  for_each_target([] {
    Rng rng(4);
    for (const Index M : kSizes)
      for (const Index N : kSizes) {
        const Index ldx = N + rng.below(3), ldy = M + rng.below(3);
        Floats x(M * ldx, M, rng), y(N * ldy, N);
        transpose(M, N, x, ldx, y, ldy);
        for (Index i = 0; i < M; ++i)
          for (Index j = 0; j < N; ++j) ASSERT_EQ(y[j * ldy + i], x[i * ldx + j]);
      }
  });
}

}  // namespace
}  // namespace separatrix::test
