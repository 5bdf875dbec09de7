#include <cmath>
#include <cstdlib>
#include <limits>

#include <gtest/gtest.h>

#include "separatrix/kernels/kernels.h"
#include "tests/support/kernel_memory.h"

namespace separatrix::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

/// Softmax of scale s[0..n) in double; all zero if everything is -inf. The product with the scale
/// is rounded to float, as the kernel's is: at scores of 1e5 that rounding is no small matter.
std::vector<double> softmax_of(const float* s, Index n, float scale = 1) {
  std::vector<double> p(std::size_t(n), 0);
  double top = -double(kInf), sum = 0;
  for (Index i = 0; i < n; ++i) top = std::max(top, double(scale * s[i]));
  if (std::isinf(top)) return p;
  for (Index i = 0; i < n; ++i) sum += p[std::size_t(i)] = std::exp(double(scale * s[i]) - top);
  for (double& v : p) v /= sum;
  return p;
}

double softmax_tolerance(double p, Index n) { return double(n + 16) * 2 * kUnit * p + 1e-37; }

/// What scores look like: ordinary, huge of both signs, and with -inf.
void fill_scores(Floats& s, int kind, Rng& rng) {
  for (Index i = 0; i < s.size(); ++i) {
    if (kind == 1) s[i] = rng.coin() ? 1e5F : -1e5F;
    if (kind == 2) s[i] = 1e5F + float(rng.below(3));
    if (kind == 3 && rng.coin()) s[i] = -kInf;
    if (kind == 4) s[i] = -kInf;
  }
}

TEST(Softmax, EqualsDoubleForAnyFiniteScoresAndMinusInfinity) {
  for_each_target([] {
    Rng rng(1);
    for (const Index n : kSizes)
      for (int kind = 0; kind < 5; ++kind) {
        const Index M = 3, ld = n + 2;
        Floats s(M * ld, n, rng, 3), p(M * ld, 1);
        fill_scores(s, kind, rng);
        softmax_rows(M, n, s, p, ld);
        for (Index i = 0; i < M; ++i) {
          const auto expected = softmax_of(s + i * ld, n);
          for (Index j = 0; j < n; ++j)
            ASSERT_NEAR(double(p[i * ld + j]), expected[std::size_t(j)],
                        softmax_tolerance(expected[std::size_t(j)], n))
                << "n " << n << " kind " << kind;
        }
        softmax_rows(M, n, s, s, ld);
        for (Index i = 0; i < M; ++i)
          for (Index j = 0; j < n; ++j) ASSERT_EQ(s[i * ld + j], p[i * ld + j]) << "in place";
      }
  });
}

TEST(Softmax, DoesNotSwallowNans) {
  for_each_target([] {
    for (const Index n : {2, 17, 40}) {
      Floats s(n);
      s[n - 1] = NAN;
      softmax_rows(1, n, s, s, n);
      for (Index i = 0; i < n; ++i) ASSERT_TRUE(std::isnan(s[i]));
    }
  });
}

TEST(MaskedSoftmax, ForwardAndBackwardEqualDoubleAndZeroTheInvisible) {
  for_each_target([] {
    Rng rng(2);
    for (const Index N : {1, 5, 16, 33, 101}) {
      const Index M = 7, ld = (N + 15) / 16 * 16;
      const float scale = 0.125F;
      std::vector<Index> visible;
      for (Index i = 0; i < M; ++i) visible.push_back(1 + rng.below(N));
      Floats s(M * ld, N, rng, 10), dp(M * ld, 3, rng);
      const std::vector<float> scores = s.copy(), upstream = dp.copy();
      const Scores shape{M, N, ld, visible.data(), scale};
      masked_softmax(shape, s);
      masked_softmax_backward(shape, s, dp);
      for (Index i = 0; i < M; ++i) {
        const Index n = visible[std::size_t(i)];
        const auto p = softmax_of(scores.data() + i * ld, n, scale);
        double mean = 0;
        for (Index j = 0; j < n; ++j)
          mean += p[std::size_t(j)] * double(upstream[std::size_t(i * ld + j)]);
        for (Index j = 0; j < ld; ++j) {
          const double pj = j < n ? p[std::size_t(j)] : 0;
          ASSERT_NEAR(double(s[i * ld + j]), pj, softmax_tolerance(pj, n));
          const double d = double(scale) * pj * (double(upstream[std::size_t(i * ld + j)]) - mean);
          ASSERT_NEAR(double(dp[i * ld + j]), d, double(n + 16) * 16 * kUnit * pj);
        }
      }
    }
  });
}

TEST(MaskedSoftmax, AWindowAndABiasByDistance) {
  for_each_target([] {
    Rng rng(5);
    for (const Index N : {1, 5, 16, 33, 101}) {
      const Index M = 7, ld = (N + 15) / 16 * 16;
      const float scale = 0.5F, slope = 0.25F;
      std::vector<Index> from, visible, at;
      for (Index i = 0; i < M; ++i) {
        visible.push_back(1 + rng.below(N));
        from.push_back(rng.below(visible.back()));
        at.push_back(rng.below(N));
      }
      Floats s(M * ld, N, rng, 10), dp(M * ld, 3, rng);
      const std::vector<float> scores = s.copy(), upstream = dp.copy();
      const Scores shape{M, N, ld, visible.data(), scale, from.data(), slope, at.data()};
      masked_softmax(shape, s);
      masked_softmax_backward(shape, s, dp);
      for (Index i = 0; i < M; ++i) {
        const Index first = from[std::size_t(i)], n = visible[std::size_t(i)] - first;
        std::vector<float> biased;
        for (Index j = first; j < first + n; ++j)
          biased.push_back(scale * scores[std::size_t(i * ld + j)] -
                           slope * float(std::abs(j - at[std::size_t(i)])));
        const auto p = softmax_of(biased.data(), n);
        double mean = 0;
        for (Index j = 0; j < n; ++j)
          mean += p[std::size_t(j)] * double(upstream[std::size_t(i * ld + first + j)]);
        for (Index j = 0; j < ld; ++j) {
          const bool sees = j >= first && j < first + n;
          const double pj = sees ? p[std::size_t(j - first)] : 0;
          // The bias and its sum with the score are rounded: 2^-24 of up to 50 each.
          ASSERT_NEAR(double(s[i * ld + j]), pj, softmax_tolerance(pj, n) + 200 * kUnit * pj);
          const double d = double(scale) * pj * (double(upstream[std::size_t(i * ld + j)]) - mean);
          ASSERT_NEAR(double(dp[i * ld + j]), d, double(n + 200) * 16 * kUnit * pj);
        }
      }
    }
  });
}

TEST(Attend, TakesTheBiasOfMaskedSoftmax) {
  for_each_target([] {
    Rng rng(6);
    for (const Index n : {1, 5, 37})
      for (const Index at : {Index(0), n / 2, n - 1}) {
        const Index D = 7;
        const float slope = 0.125F;
        Floats u(D, n, rng), x(n * D, D, rng), a(n), plain(n), c(D), expected(D);
        attend({n, D, D, 0.5F, slope, at}, u, x, a, c);
        attend({n, D, D, 0.5F}, u, x, plain, expected);
        std::vector<float> scores;  // of the plain weights, up to a constant
        for (Index j = 0; j < n; ++j)
          scores.push_back(std::log(plain[j]) - slope * float(std::abs(j - at)));
        const auto p = softmax_of(scores.data(), n);
        for (Index i = 0; i < D; ++i) expected[i] = 0;
        for (Index j = 0; j < n; ++j) {
          ASSERT_NEAR(double(a[j]), p[std::size_t(j)], 1e-5 * p[std::size_t(j)]);
          for (Index i = 0; i < D; ++i) expected[i] += a[j] * x[j * D + i];
        }
        for (Index i = 0; i < D; ++i) ASSERT_NEAR(double(c[i]), double(expected[i]), 1e-5);
      }
  });
}

TEST(Rotate, TurnsNeighboursByTheTablesAnglesAndBack) {
  const double base = 10000;
  for (const Index width : {2, 6, 16, 34, 64}) {
    const Index T = 3000;
    std::vector<float> table(std::size_t(T * 2 * width));
    rotary_table(T, width, base, table.data());
    for_each_target([&] {
      Rng rng(7);
      for (const Index first : {0, 1, 2990}) {
        const Index n = 5, heads = 3;
        Floats x(n * heads * width, width, rng);
        const std::vector<float> before = x.copy();
        const float* rows = table.data() + first * 2 * width;
        rotate({n, heads, width, rows, false}, x);
        for (Index i = 0; i < n * heads; ++i)
          for (Index j = 0; j < width / 2; ++j) {
            const double angle =
                double(first + i / heads) * std::pow(base, -2 * double(j) / double(width));
            const auto at = std::size_t(i * width + 2 * j);
            const double a = double(before[at]), b = double(before[at + 1]);
            ASSERT_NEAR(double(x[Index(at)]), a * std::cos(angle) - b * std::sin(angle), 2e-6);
            ASSERT_NEAR(double(x[Index(at) + 1]), b * std::cos(angle) + a * std::sin(angle), 2e-6);
          }
        rotate({n, heads, width, rows, true}, x);
        for (std::size_t i = 0; i < before.size(); ++i)
          ASSERT_NEAR(double(x[Index(i)]), double(before[i]), 2e-6);
      }
    });
  }
}

TEST(Attend, ForwardAndBackwardEqualDouble) {
  for_each_target([] {
    Rng rng(3);
    for (const Index n : {1, 2, 5, 21, 101})
      for (const Index D : {1, 7, 16, 33, 64, 100})
        for (const double size : {1.0, 300.0}) {
          const Index ld = D + 1;
          const float scale = 0.25F;
          Floats u(D, n, rng, size), x(n * ld, D, rng, size), dc(D, 2, rng);
          Floats a(n), c(D, 1), du(D, 1), dx(n * ld, 5, rng), work(n);
          const std::vector<float> dx0 = dx.copy();
          attend({n, D, ld, scale}, u, x, a, c);
          attend_backward({n, D, ld, scale}, {u, x, a, dc}, du, dx, work);
          std::vector<double> s(std::size_t(n), 0), da(s);
          double top = -double(kInf), sum = 0, mean = 0, magnitude = 0;
          for (Index j = 0; j < n; ++j) {
            double m = 0;
            for (Index i = 0; i < D; ++i) {
              const double term = double(scale) * double(u[i]) * double(x[j * ld + i]);
              s[std::size_t(j)] += term;
              m += std::fabs(term);
              da[std::size_t(j)] += double(dc[i]) * double(x[j * ld + i]);
            }
            magnitude = std::max(magnitude, m);
            top = std::max(top, s[std::size_t(j)]);
          }
          for (double& v : s) sum += v = std::exp(v - top);
          for (Index j = 0; j < n; ++j) mean += (s[std::size_t(j)] /= sum) * da[std::size_t(j)];
          // The error of a score is a relative error of its weight.
          const double relative = std::min(1.0, 8 * kUnit * (magnitude + double(n)));
          for (Index j = 0; j < n; ++j)
            ASSERT_NEAR(double(a[j]), s[std::size_t(j)], relative * s[std::size_t(j)] + 1e-30)
                << n << " " << D << " " << size;
          if (size > 1) continue;  // below, differences of weights times values: small scores only
          const double tolerance = 64 * relative * std::sqrt(double(D));
          for (Index i = 0; i < D; ++i) {
            double ci = 0, dui = 0;
            for (Index j = 0; j < n; ++j) {
              const double xj = double(x[j * ld + i]), aj = s[std::size_t(j)];
              const double ds = double(scale) * aj * (da[std::size_t(j)] - mean);
              ci += aj * xj;
              dui += ds * xj;
              ASSERT_NEAR(
                  double(dx[j * ld + i]),
                  double(dx0[std::size_t(j * ld + i)]) + aj * double(dc[i]) + ds * double(u[i]),
                  tolerance);
            }
            ASSERT_NEAR(double(c[i]), ci, tolerance);
            ASSERT_NEAR(double(du[i]), dui, tolerance * double(n));
          }
        }
  });
}

TEST(CrossEntropy, EqualsDoubleAndSkipsIgnoredRows) {
  for_each_target([] {
    Rng rng(4);
    for (const Index C : {1, 2, 7, 16, 33, 64})
      for (const double size : {1.0, 1e5}) {
        const Index M = 5;
        Floats x(M * C, C, rng, size), dx(M * C, 1);
        std::vector<std::int32_t> targets;
        for (Index i = 0; i < M; ++i) targets.push_back(i == 2 ? -1 : std::int32_t(rng.below(C)));
        double expected = 0, largest = 1;
        for (Index i = 0; i < M; ++i) {
          if (targets[std::size_t(i)] < 0) continue;
          double top = -double(kInf), sum = 0;
          for (Index j = 0; j < C; ++j) top = std::max(top, double(x[i * C + j]));
          for (Index j = 0; j < C; ++j) sum += std::exp(double(x[i * C + j]) - top);
          expected += std::log(sum) + top - double(x[i * C + targets[std::size_t(i)]]);
          largest = std::max(largest, std::fabs(top));
        }
        const double loss = cross_entropy(M, C, x, targets.data(), 0.5F, dx);
        EXPECT_NEAR(loss, expected, double(M * (C + 16)) * kUnit * (1 + std::fabs(expected)));
        EXPECT_EQ(loss, cross_entropy(M, C, x, targets.data(), 0.5F, nullptr));
        for (Index i = 0; i < M; ++i) {
          const Index t = targets[std::size_t(i)];
          const auto p = softmax_of(x + i * C, C);
          for (Index j = 0; j < C; ++j)
            ASSERT_NEAR(double(dx[i * C + j]),
                        t < 0 ? 0 : 0.5 * (p[std::size_t(j)] - (j == t ? 1 : 0)),
                        double(C + 16) * 4 * kUnit);
        }
        cross_entropy(M, C, x, targets.data(), 0.5F, x);  // in place
        EXPECT_EQ(x.copy(), dx.copy());
      }
  });
}

TEST(CrossEntropy, ShowsNansAndKeepsSmallGradients) {
  for_each_target([] {
    Floats x(20), dx(20);
    const std::int32_t target = 3;
    x[3] = 30;  // p_3 = 1 - 2e-12: 1 - p would be 0 in float
    cross_entropy(1, 20, x, &target, 1, dx);
    EXPECT_NEAR(double(dx[3]) / (-19 * std::exp(-30.0)), 1, 1e-5);
    x[7] = NAN;
    EXPECT_TRUE(std::isnan(cross_entropy(1, 20, x, &target, 1, dx)));
  });
}

}  // namespace
}  // namespace separatrix::test
