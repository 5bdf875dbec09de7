#include <cmath>

#include <gtest/gtest.h>

#include "separatrix/kernels/kernels.h"
#include "tests/support/kernel_memory.h"

namespace separatrix::test {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double gelu(double x) { return x * 0.5 * std::erfc(-x * std::sqrt(0.5)); }
double gelu_slope(double x) {
  return 0.5 * std::erfc(-x * std::sqrt(0.5)) + x * std::exp(-0.5 * x * x) * 0.3989422804014326779;
}

/// Fine steps where the functions bend, then to the ends of what a float holds.
std::vector<float> test_points() {
  std::vector<float> points = {0.0F, -0.0F, 1e-38F, -1e-38F, 1e5F, -1e5F, 3e38F, -3e38F};
  for (int i = -2000; i <= 2000; ++i) points.push_back(float(i) * 0.01F);
  for (int i = -100; i <= 100; ++i) points.push_back(float(i));
  return points;
}

TEST(Vector, EqualsDouble) {
  for_each_target([] {
    Rng rng(1);
    for (const Index n : kSizes) {
      Floats x(n, n, rng), y(n, 2 * n + 1, rng), z(n, 5);
      const auto restart = [&] { std::copy_n(y.data(), n, z.data()); };
      double inner = 0, norm = 0, size = 0;
      for (Index i = 0; i < n; ++i) {
        inner += double(x[i]) * double(y[i]);
        size += std::fabs(double(x[i]) * double(y[i]));
        norm += double(x[i]) * double(x[i]);
      }
      EXPECT_NEAR(double(dot(n, x, y)), inner, double(n + 5) * kUnit * size);
      EXPECT_NEAR(squared_norm(n, x), norm, 1e-14 * norm);
      restart(), add(n, x, z);
      for (Index i = 0; i < n; ++i) ASSERT_EQ(z[i], y[i] + x[i]);
      restart(), multiply(n, x, z);
      for (Index i = 0; i < n; ++i) ASSERT_EQ(z[i], y[i] * x[i]);
      restart(), scale(n, -1.5F, z);
      for (Index i = 0; i < n; ++i) ASSERT_EQ(z[i], y[i] * -1.5F);
      restart(), axpy(n, 0.3F, x, z);
      for (Index i = 0; i < n; ++i)
        ASSERT_NEAR(double(z[i]), double(y[i]) + 0.3 * double(x[i]), 4 * kUnit * (1 + size));
      const Index M = 7;
      Floats m(M * n, 3, rng), sums(n, 1), bias(n, 9, rng);
      const std::vector<float> before = m.copy();
      column_sums(M, n, m, sums);
      add_bias(M, n, bias, m);
      for (Index j = 0; j < n; ++j) {
        double sum = 0;
        for (Index i = 0; i < M; ++i) sum += double(before[std::size_t(i * n + j)]);
        ASSERT_NEAR(double(sums[j]), sum, 64 * kUnit);
        for (Index i = 0; i < M; ++i)
          ASSERT_EQ(m[i * n + j], before[std::size_t(i * n + j)] + bias[j]);
      }
    }
  });
}

TEST(RowKernels, MoveTheListedRowsOnly) {
  for_each_target([] {
    Rng rng(2);
    const std::vector<Index> list = {1, 2, 5};
    const Rows rows{3, list.data()};
    for (const Index D : kSizes) {
      Floats x(6 * D, 1, rng), small(3 * D, 2), y(6 * D, 3, rng);
      std::vector<float> expected = y.copy();
      gather_rows(rows, D, x, small);
      for (Index i = 0; i < 3 * D; ++i)
        ASSERT_EQ(small[i], x[list[std::size_t(i / D)] * D + i % D]);
      const auto expect = [&](float factor) {
        for (Index i = 0; i < 3 * D; ++i) {
          const auto at = std::size_t(list[std::size_t(i / D)] * D + i % D);
          expected[at] = expected[at] * factor + small[i];
        }
        ASSERT_EQ(y.copy(), expected);
      };
      scatter_rows(rows, D, small, y);
      expect(0);
      scatter_add_rows(rows, D, small, y);
      expect(1);
      add_rows(rows, D, x, y);
      expect(1);
    }
  });
}

TEST(Embedding, AddsPositionsAndItsGradientAddsUp) {
  for_each_target([] {
    Rng rng(3);
    const Index T = 3;
    const std::vector<std::int32_t> tokens = {4, 0, 4, 1, 4, 0};
    const std::vector<Index> list = {0, 2, 3, 5};
    for (const Index D : {1, 15, 16, 64}) {
      const Embedding e{T, D, tokens.data()};
      Floats table(5 * D, 1, rng), positions(T * D, 2, rng), y(6 * D), dy(6 * D, 3, rng);
      Floats dtable(5 * D), dpositions(T * D);
      for (const bool placed : {true, false}) {
        embed(e, {4, list.data()}, table, placed ? positions.data() : nullptr, y);
        for (const Index r : list)
          for (Index i = 0; i < D; ++i)
            ASSERT_EQ(y[r * D + i], table[tokens[std::size_t(r)] * D + i] +
                                        (placed ? positions[r % T * D + i] : 0));
      }
      embed_backward(e, {4, list.data()}, dy, dtable, dpositions);
      for (Index i = 0; i < D; ++i) {
        ASSERT_EQ(dtable[4 * D + i], dy[i] + dy[2 * D + i]);
        ASSERT_EQ(dtable[D + i], dy[3 * D + i]);
        ASSERT_EQ(dtable[2 * D + i], 0);
        ASSERT_EQ(dpositions[i], dy[i] + dy[3 * D + i]);
        ASSERT_EQ(dpositions[2 * D + i], dy[2 * D + i] + dy[5 * D + i]);
      }
    }
  });
}

TEST(Norm, ForwardAndBackwardEqualDouble) {
  for_each_target([] {
    Rng rng(4);
    for (const NormKind kind : {NormKind::layer, NormKind::rms})
      for (const Index D : {1, 2, 5, 16, 17, 33, 64, 101})
        for (const double offset : {0.0, 100.0}) {
          const bool layer = kind == NormKind::layer;
          Floats x(D, D, rng), gain(D, 1, rng), bias(D, 2, rng), dy(D, 3, rng);
          Floats y(D, 4), stats(2, 5), dx(D, 6), dgain(D, 7), dbias(D, 8);
          for (Index i = 0; i < D; ++i) x[i] += float(offset);
          const Norm n{kind, D, gain, layer ? bias.data() : nullptr};
          norm(n, {1, nullptr}, x, y, stats);
          norm_backward(n, {1, nullptr}, x, stats, dy, {dx, dgain, layer ? dbias.data() : nullptr});
          double mean = 0, square = 0, mean_g = 0, mean_gh = 0, most = 0;
          for (Index i = 0; i < D; ++i) mean += layer ? double(x[i]) / double(D) : 0;
          for (Index i = 0; i < D; ++i) square += std::pow(double(x[i]) - mean, 2) / double(D);
          const double rstd = 1 / std::sqrt(square + double(n.epsilon));
          for (Index i = 0; i < D; ++i) {
            const double hat = (double(x[i]) - mean) * rstd, g = double(dy[i]) * double(gain[i]);
            mean_g += layer ? g / double(D) : 0;
            mean_gh += g * hat / double(D);
            most = std::max(most, std::fabs(double(x[i])));
          }
          // The mean itself is rounded to a float: relative to |x|, seen through rstd.
          const double tolerance = 64 * kUnit * (8 + (most + 1) * rstd * (layer ? rstd + 8 : 1));
          for (Index i = 0; i < D; ++i) {
            const double hat = (double(x[i]) - mean) * rstd, g = double(dy[i]) * double(gain[i]);
            ASSERT_NEAR(double(y[i]), hat * double(gain[i]) + (layer ? double(bias[i]) : 0),
                        tolerance)
                << D << " " << offset;
            ASSERT_NEAR(double(dgain[i]), double(dy[i]) * hat, tolerance);
            ASSERT_EQ(dbias[i], layer ? dy[i] : 0);
            ASSERT_NEAR(double(dx[i]), rstd * (g - mean_g - hat * mean_gh),
                        4 * tolerance * (1 + rstd));
          }
        }
  });
}

TEST(Activation, ValueAndSlopeEqualDouble) {
  const std::vector<float> points = test_points();
  for_each_target([&] {
    const Index n = Index(points.size());
    Floats x(n, 3), y(n), slope(n, 1), both(n, 2), ones(n, 4);
    std::copy(points.begin(), points.end(), x.data());
    std::fill_n(ones.data(), n, 1.0F);
    for (const Activation f : {Activation::relu, Activation::gelu, Activation::tanh}) {
      activation(f, n, x, y);
      activation_backward(f, n, x, ones, slope);
      for (Index i = 0; i < n; ++i) {
        const double v = double(x[i]), t = std::tanh(v);
        double value = v > 0 ? v : 0, derivative = v > 0 ? 1 : 0, size = std::fabs(v);
        if (f == Activation::gelu) value = gelu(v), derivative = gelu_slope(v);
        if (f == Activation::tanh) value = t, derivative = 1 - t * t, size = std::fabs(t);
        ASSERT_NEAR(double(y[i]), value, 8 * kUnit * size + 1e-37) << "x = " << v;
        ASSERT_NEAR(double(slope[i]), derivative, 16 * kUnit) << "x = " << v;
      }
      bias_activation(f, 1, n, nullptr, x, both);
      EXPECT_EQ(both.copy(), y.copy());
      EXPECT_EQ(x.copy(), slope.copy()) << "x becomes the slope";
      std::copy(points.begin(), points.end(), x.data());
    }
    float nan = NAN;
    for (const Activation f : {Activation::relu, Activation::gelu, Activation::tanh}) {
      float out = 0;
      activation(f, 1, &nan, &out);
      EXPECT_TRUE(std::isnan(out));
    }
  });
}

TEST(Activation, BiasIsAddedToEveryRow) {
  for_each_target([] {
    Rng rng(5);
    for (const Index N : {1, 7, 16, 33}) {
      Floats x(3 * N, 1, rng), bias(N, 2, rng), y(3 * N), sums(3 * N), expected(3 * N);
      for (Index i = 0; i < 3 * N; ++i) sums[i] = x[i] + bias[i % N];
      activation(Activation::gelu, 3 * N, sums, expected);
      bias_activation(Activation::gelu, 3, N, bias, x, y);
      EXPECT_EQ(y.copy(), expected.copy());
    }
  });
}

TEST(Swiglu, ForwardAndBackwardEqualDouble) {
  for_each_target([] {
    Rng rng(6);
    for (const Index n : kSizes) {
      Floats g(n, n, rng, 4), u(n, 1, rng), dy(n, 2, rng), y(n, 3), dg(n, 4);
      swiglu(n, g, u, y);
      const std::vector<float> upstream = dy.copy();
      swiglu_backward(n, g, u, dy, dg, dy);
      for (Index i = 0; i < n; ++i) {
        const double gi = double(g[i]), s = sigmoid(gi), ui = double(u[i]);
        const double d = double(upstream[std::size_t(i)]);
        ASSERT_NEAR(double(y[i]), gi * s * ui, 64 * kUnit);
        ASSERT_NEAR(double(dy[i]), d * gi * s, 64 * kUnit);
        ASSERT_NEAR(double(dg[i]), d * ui * s * (1 + gi * (1 - s)), 128 * kUnit);
      }
    }
  });
}

TEST(Lstm, ForwardAndBackwardEqualDouble) {
  for_each_target([] {
    Rng rng(7);
    for (const Index H : {1, 5, 16, 33})
      for (const double size : {1.0, 1e4}) {
        const Index B = 2;
        Floats gates(B * 4 * H, 1, rng, size), bias(4 * H, 2, rng), c0(B * H, 3, rng), c(B * H, 4);
        Floats h(B * H, 5), dh(B * H, 6, rng), dc(B * H, 7, rng), dgates(B * 4 * H, 8);
        const std::vector<float> raw = gates.copy(), later = dc.copy();
        lstm_gates(B, H, bias, gates, c0, c, h);
        lstm_gates_backward({B, H, gates, c0, c, dh}, dc, dgates);
        for (Index b = 0; b < B; ++b)
          for (Index k = 0; k < H; ++k) {
            const auto gate = [&](Index g) {
              return double(raw[std::size_t((b * 4 + g) * H + k)] + bias[g * H + k]);
            };
            const double i = sigmoid(gate(0)), f = sigmoid(gate(1)), g = std::tanh(gate(2));
            const double o = sigmoid(gate(3)), before = double(c0[b * H + k]);
            const double cell = f * before + i * g, bent = std::tanh(cell);
            const double d = double(dh[b * H + k]);
            const double dcell = d * o * (1 - bent * bent) + double(later[std::size_t(b * H + k)]);
            const double tolerance = 128 * kUnit * 4;
            ASSERT_NEAR(double(c[b * H + k]), cell, tolerance);
            ASSERT_NEAR(double(h[b * H + k]), o * bent, tolerance);
            ASSERT_NEAR(double(dc[b * H + k]), dcell * f, tolerance);
            const float* dg = dgates + b * 4 * H + k;
            ASSERT_NEAR(double(dg[0]), dcell * g * i * (1 - i), tolerance);
            ASSERT_NEAR(double(dg[H]), dcell * before * f * (1 - f), tolerance);
            ASSERT_NEAR(double(dg[2 * H]), dcell * i * (1 - g * g), tolerance);
            ASSERT_NEAR(double(dg[3 * H]), d * bent * o * (1 - o), tolerance);
          }
      }
  });
}

TEST(AdamW, EqualsDouble) {
  for_each_target([] {
    Rng rng(8);
    for (const Index n : kSizes) {
      Floats g(n, n, rng), w(n, 1, rng), m(n, 2, rng, 0.1), v(n, 3, rng, 0.1);
      for (Index i = 0; i < n; ++i) v[i] = std::fabs(v[i]);
      const auto w0 = w.copy(), m0 = m.copy(), v0 = v.copy();
      AdamW a;
      a.lr = 0.01F, a.weight_decay = 0.1F, a.gradient_scale = 0.5F;
      a.correction1 = 0.271F, a.correction2 = 0.003F;
      adamw(a, n, g, w, m, v);
      for (Index i = 0; i < n; ++i) {
        const auto at = std::size_t(i);
        const double b1 = double(a.beta1), b2 = double(a.beta2), gi = 0.5 * double(g[i]);
        const double mi = b1 * double(m0[at]) + (1 - b1) * gi;
        const double vi = b2 * double(v0[at]) + (1 - b2) * gi * gi;
        const double step =
            0.1 * double(w0[at]) + mi / double(a.correction1) /
                                       (std::sqrt(vi / double(a.correction2)) + double(a.epsilon));
        ASSERT_NEAR(double(m[i]), mi, 8 * kUnit);
        ASSERT_NEAR(double(v[i]), vi, 8 * kUnit);
        ASSERT_NEAR(double(w[i]), double(w0[at]) - 0.01 * step,
                    8 * kUnit * (std::fabs(double(w0[at])) + std::fabs(step)));
      }
    }
  });
}

}  // namespace
}  // namespace separatrix::test
