#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "separatrix/train/optimizer.h"

namespace separatrix {
namespace {

TEST(LearningRate, WarmsUpThenStaysOrFalls) {
  TrainConfig c;
  c.lr = 0.1;
  c.warmup = 10;
  c.steps = 110;
  EXPECT_DOUBLE_EQ(learning_rate(c, 0), 0.01);
  EXPECT_DOUBLE_EQ(learning_rate(c, 9), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(c, 109), 0.1);
  c.schedule = "cosine";
  EXPECT_DOUBLE_EQ(learning_rate(c, 10), 0.1);
  EXPECT_NEAR(learning_rate(c, 60), 0.05, 1e-12);
  EXPECT_NEAR(learning_rate(c, 109), 0.1 * (1 + std::cos(std::numbers::pi * 0.99)) / 2, 1e-12);
}

/// 0 only after the last epoch; within one epoch, even one that the steps cut off, nothing changes.
TEST(LearningRate, FallsOncePerEpoch) {
  TrainConfig c;
  c.lr = 0.1;
  c.warmup = 0;
  c.schedule = "cosine-epoch";
  c.batch_size = 8;
  c.examples = 20;  // 3 steps
  c.steps = 11;     // 4 epochs
  for (Index step = 0; step < 11; ++step)
    EXPECT_DOUBLE_EQ(learning_rate(c, step),
                     0.1 * (1 + std::cos(std::numbers::pi * double(step / 3) / 4)) / 2);
  c.warmup = 4;
  EXPECT_DOUBLE_EQ(learning_rate(c, 3), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(c, 4), 0.1 * (1 + std::cos(std::numbers::pi / 4)) / 2);
}

struct State {
  std::vector<float> w, m, v, g;
  OptimizerBuffers buffers() { return {w, m, v, g}; }
};

/// Three steps against the definition in double, with and without clipping and decay.
TEST(Optimizer, FollowsTheDefinition) {
  for (const double clip : {0.0, 0.5}) {
    TrainConfig c;
    c.lr = 0.01;
    c.warmup = 0;
    c.weight_decay = 0.1;
    c.clip_norm = clip;
    const std::size_t n = 37;
    State s{std::vector<float>(n), std::vector<float>(n), std::vector<float>(n),
            std::vector<float>(n)};
    Rng rng(1);
    std::vector<double> w(n), m(n), v(n);
    for (std::size_t i = 0; i < n; ++i) w[i] = double(s.w[i] = float(rng.normal()));
    for (Index step = 0; step < 3; ++step) {
      double norm = 0;
      for (std::size_t i = 0; i < n; ++i) {
        s.g[i] = float(rng.normal());
        norm += double(s.g[i]) * double(s.g[i]);
      }
      norm = std::sqrt(norm);
      const double factor = clip > 0 && norm > clip ? clip / norm : 1;
      ASSERT_TRUE(optimizer_step(c, step, s.buffers()));
      for (std::size_t i = 0; i < n; ++i) {
        const double g = factor * double(s.g[i]);
        m[i] = 0.9 * m[i] + 0.1 * g;
        v[i] = 0.999 * v[i] + 0.001 * g * g;
        const double m_hat = m[i] / (1 - std::pow(0.9, double(step + 1)));
        const double v_hat = v[i] / (1 - std::pow(0.999, double(step + 1)));
        w[i] -= c.lr * (m_hat / (std::sqrt(v_hat) + c.epsilon) + c.weight_decay * w[i]);
        // A dozen float operations on values of order 1; the update itself is below 0.011.
        EXPECT_NEAR(double(s.w[i]), w[i], 1e-6) << i;
      }
    }
  }
}

TEST(Optimizer, ANonFiniteGradientChangesNothing) {
  for (const float bad :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    State s{{1, 2}, {3, 4}, {5, 6}, {0, bad}};
    const State before = s;
    EXPECT_FALSE(optimizer_step(TrainConfig(), 0, s.buffers()));
    EXPECT_EQ(s.w, before.w);
    EXPECT_EQ(s.m, before.m);
    EXPECT_EQ(s.v, before.v);
  }
}

}  // namespace
}  // namespace separatrix
