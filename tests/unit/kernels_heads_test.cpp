// The kernels of linear recurrences against plain loops in double, on every instruction set.

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "separatrix/kernels/delta_rule.h"
#include "separatrix/kernels/heads.h"
#include "tests/support/kernel_memory.h"

namespace separatrix::test {
namespace {

using Doubles = std::vector<double>;

Doubles doubles(Floats& x) {
  const std::vector<float> values = x.copy();
  return {values.begin(), values.end()};
}

void expect_near(Floats& actual, const Doubles& expected, double tolerance) {
  for (Index i = 0; i < actual.size(); ++i) {
    const double size = std::max(1.0, std::fabs(expected[std::size_t(i)]));
    ASSERT_NEAR(double(actual[i]), expected[std::size_t(i)], tolerance * size) << i;
  }
}

TEST(HeadKernels, NormalizeRowsAndItsGradient) {
  for_each_target([] {
    Rng rng(1);
    for (const Index D : kSizes)
      for (const bool mean : {true, false}) {
        const Index rows = 3;
        const double weight = mean && D > 0 ? 1 / double(D) : 1, epsilon = 1e-2, scale = 0.7;
        Floats x(rows * D, 1, rng), dy(rows * D, 2, rng), y(rows * D, 3), r(rows), dx(rows * D, 4);
        const RowNorm n{rows, D, float(weight), float(epsilon), float(scale)};
        normalize_rows(n, x, y, r);
        normalize_rows_backward(n, x, r, dy, dx);
        Doubles value(std::size_t(rows * D)), gradient = value;
        for (Index k = 0; k < rows; ++k) {
          double squares = 0, along = 0;
          for (Index i = k * D; i < (k + 1) * D; ++i) {
            squares += double(x[i]) * double(x[i]);
            along += double(x[i]) * double(dy[i]);
          }
          const double root = 1 / std::sqrt(weight * squares + epsilon);
          for (Index i = k * D; i < (k + 1) * D; ++i) {
            value[std::size_t(i)] = scale * root * double(x[i]);
            gradient[std::size_t(i)] =
                scale * root * (double(dy[i]) - weight * root * root * along * double(x[i]));
          }
        }
        expect_near(y, value, 64 * kUnit);
        expect_near(dx, gradient, 512 * kUnit);
      }
  });
}

TEST(HeadKernels, EluPlusOne) {
  for_each_target([] {
    Rng rng(2);
    for (const Index n : kSizes) {
      Floats x(n, 1, rng, 3), y(n, 2), dy(n, 3, rng), dx(n, 4);
      elu_plus_one(n, x, y);
      elu_plus_one_backward(n, y, dy, dx);
      for (Index i = 0; i < n; ++i) {
        const auto v = double(x[i]), slope = v > 0 ? 1 : std::exp(v);
        const double expected = v > 0 ? v + 1 : std::exp(v);
        ASSERT_NEAR(double(y[i]), expected, 4 * kUnit * expected);
        ASSERT_NEAR(double(dx[i]), slope * double(dy[i]), 8 * kUnit * slope * 5);
      }
    }
    Floats wrong(1);
    wrong[0] = std::numeric_limits<float>::quiet_NaN();
    elu_plus_one(1, wrong, wrong);
    EXPECT_TRUE(std::isnan(wrong[0])) << "hides a divergence";
  });
}

TEST(HeadKernels, RotatePairsTurnsAndTurnsBack) {
  for_each_target([] {
    Rng rng(3);
    for (const Index d : kSizes) {
      const Index H = 3;
      Floats x(H * d, 1, rng), cosines(d, 2), sines(d, 3);
      for (Index i = 0; i < d; ++i) {
        const double angle = (i ^ 1) < d ? 0.3 + double(i / 2) : 0;
        cosines[i] = float(std::cos(angle));
        sines[i] = float((i % 2 == 0 ? -1 : 1) * std::sin(angle));
      }
      const Doubles before = doubles(x);
      rotate_pairs(H, d, cosines, sines, 1, x);
      Doubles expected = before;
      for (Index h = 0; h < H; ++h)
        for (Index i = 0; i + 1 < d; i += 2) {
          const double angle = 0.3 + double(i / 2);
          const auto at = std::size_t(h * d + i);
          expected[at] = std::cos(angle) * before[at] - std::sin(angle) * before[at + 1];
          expected[at + 1] = std::cos(angle) * before[at + 1] + std::sin(angle) * before[at];
        }
      expect_near(x, expected, 16 * kUnit);
      rotate_pairs(H, d, cosines, sines, -1, x);
      expect_near(x, before, 32 * kUnit);
    }
  });
}

TEST(HeadKernels, Exponentials) {
  for_each_target([] {
    Rng rng(4);
    for (const Index n : kSizes) {
      Floats x(n, 1, rng, 5);
      for (Index i = 0; i < n; ++i) x[i] = -std::fabs(x[i]);
      const Doubles before = doubles(x);
      exponentials(n, x);
      for (Index i = 0; i < n; ++i)
        ASSERT_NEAR(double(x[i]), std::exp(before[std::size_t(i)]), 4 * kUnit);
    }
  });
}

/// Two heads side by side, of which the second is run; reads at the steps 5, 7, ... of a longer
/// list, of which the first is number 3 after the chunk's beginning.
struct DeltaCase {
  static constexpr Index kSteps = 6, kHeads = 2;
  Index dk, dv;
  std::vector<Index> reads = {12, 13, 15};  // with offset 10
  Floats k, v, beta, decay, q, dout, S;
  DeltaCase(Index keys, Index values, Rng& rng)
      : dk(keys),
        dv(values),
        k(kSteps * kHeads * dk, 1, rng, 0.5),
        v(kSteps * kHeads * dv, 2, rng),
        beta(kSteps * kHeads, 3, rng),
        decay(kSteps * kHeads, 4, rng, 0.5),
        q(3 * kHeads * dk, 5, rng),
        dout(3 * kHeads * dv, 6, rng),
        S(dk * dv, 7, rng) {}
  DeltaRule rule() {
    return {.steps = kSteps,
            .dk = dk,
            .dv = dv,
            .k = k + dk,
            .beta = beta + 1,
            .decay = decay + 1,
            .ldk = kHeads * dk,
            .ldv = kHeads * dv,
            .gate_step = kHeads};
  }
  /// Plainly: sum of dout . o over the reads; `e` and the last state, where asked.
  double loss(const Doubles& start, const Doubles& values, const Doubles& factors,
              Doubles* e = nullptr, Doubles* last = nullptr) {
    Doubles state = start;
    double sum = 0;
    Index read = 0;
    for (Index t = 0; t < kSteps; ++t) {
      const float *key = k + (t * kHeads + 1) * dk, *query = q + (read * kHeads + 1) * dk;
      const bool is_read = read < 3 && reads[std::size_t(read)] == 10 + t;
      for (double& s : state) s *= double(decay[t * kHeads + 1]);
      for (Index j = 0; j < dv; ++j) {
        double found = 0, out = 0;
        for (Index i = 0; i < dk; ++i) found += state[std::size_t(i * dv + j)] * double(key[i]);
        const double written = factors[std::size_t(t)] * (values[std::size_t(t * dv + j)] - found);
        for (Index i = 0; i < dk; ++i) {
          double& s = state[std::size_t(i * dv + j)];
          s += double(key[i]) * written;
          if (is_read) out += s * double(query[i]);
        }
        if (e != nullptr) e->push_back(written);
        if (is_read) sum += out * double(dout[(read * kHeads + 1) * dv + j]);
      }
      read += is_read;
    }
    if (last != nullptr) *last = state;
    return sum;
  }
};

TEST(HeadKernels, DeltaRuleAndItsGradient) {
  for_each_target([] {
    Rng rng(5);
    for (const Index dv : kSizes)
      for (const Index dk : {1, 5}) {
        constexpr Index kSteps = DeltaCase::kSteps;
        DeltaCase c(dk, dv, rng);
        const Doubles start = doubles(c.S);
        Doubles values, factors, expected, last;
        for (Index t = 0; t < kSteps; ++t) {
          factors.push_back(double(c.beta[t * 2 + 1]));
          for (Index j = 0; j < dv; ++j) values.push_back(double(c.v[(t * 2 + 1) * dv + j]));
        }
        c.loss(start, values, factors, &expected, &last);
        Floats e(kSteps * 2 * dv, 8);
        delta_rule(c.rule(), c.v + dv, c.S, e + dv);
        expect_near(c.S, last, 1024 * kUnit);
        Floats dS(dk * dv, 9), gradient(kSteps * 2 * dv, 10), de_e(kSteps * 2, 11);
        const StateReads reads{3, c.reads.data(), 10, c.q + dk, c.dout + dv};
        delta_rule_backward(c.rule(), reads, e + dv, {dS, gradient + dv, de_e + 1});
        const auto slope = [&](Doubles& at, std::size_t i) {  // the loss is linear in each
          const double old = at[i], step = 1e-3;
          at[i] = old + step;
          const double up = c.loss(start, values, factors);
          at[i] = old - step;
          const double down = c.loss(start, values, factors);
          at[i] = old;
          return (up - down) / (2 * step);
        };
        for (Index t = 0; t < kSteps; ++t) {
          for (Index j = 0; j < dv; ++j) {
            const auto i = std::size_t(t * dv + j);
            const double want = slope(values, i), size = std::max(10.0, std::fabs(want));
            ASSERT_NEAR(double(e[(t * 2 + 1) * dv + j]), expected[i], 1024 * kUnit * 10);
            ASSERT_EQ(e[t * 2 * dv + j], 0) << "the other head";
            ASSERT_NEAR(double(gradient[(t * 2 + 1) * dv + j]), want, 1024 * kUnit * size);
          }
          const double want = slope(factors, std::size_t(t)) * factors[std::size_t(t)];
          ASSERT_NEAR(double(de_e[t * 2 + 1]), want, 2e-4 * std::max(10.0, std::fabs(want))) << t;
        }
      }
  });
}

}  // namespace
}  // namespace separatrix::test
