// The kernels of linear recurrences and convolutions on every instruction set; the registered tests
// of the blocks that call them compare with the references on the widest one.

#include <cmath>

#include <gtest/gtest.h>

#include "separatrix/kernels/diagonal.h"
#include "separatrix/kernels/scan.h"
#include "separatrix/model/scalar.h"
#include "tests/support/block_run.h"
#include "tests/support/kernel_memory.h"
#include "tests/support/models.h"
#include "tests/support/tolerance.h"

namespace separatrix::test {
namespace {

constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

TEST(Softplus, EqualsDoubleWithItsSlope) {
  for_each_target([] {
    for (const Index n : kSizes) {
      Rng rng(1);
      const Index M = 2;
      Floats x(M * n, 3, rng, 8), y(M * n, 5), bias(n, 1, rng);
      if (n > 3) x[0] = 80, x[1] = -80, x[2] = 0, bias[2] = 0;
      const std::vector<float> in = x.copy();
      bias_softplus(M, n, bias, x, y);
      for (Index i = 0; i < M * n; ++i) {
        const auto a = double(in[std::size_t(i)] + bias[i % n]);
        EXPECT_NEAR(double(y[i]) / softplus(a), 1, 12 * kUnit) << a;
        EXPECT_NEAR(double(x[i]) / sigmoid(a), 1, 12 * kUnit) << a;
      }
    }
  });
}

/// One step from h = 1 without input leaves the decay.
double decay_of(double dt, double rate, bool with_sign) {
  float h[2] = {1, 0}, y = 0;
  const auto dt_one = float(dt), rate_one = float(rate);
  const float zero = 0;
  SelectiveScan s{.T = 1, .E = 1, .N = 1, .signed_decay = with_sign};
  s.rate = &rate_one;
  s.skip = s.u = s.B = s.C = &zero;
  s.dt = &dt_one;
  s.ld = 1;
  s.h = h;
  selective_scan(s, &y);
  return double(h[1]);
}

TEST(SelectiveScan, DecaysArePowersOfTwo) {
  for_each_target([] {
    for (double x = 0; x > -124; x = 1.03 * x - 0.0137) {
      const auto rounded = double(float(x));
      EXPECT_NEAR(decay_of(1, x, false) / std::exp2(rounded), 1, 4 * kUnit) << x;
      EXPECT_NEAR(decay_of(1, x, true), 2 * std::exp2(rounded) - 1, 8 * kUnit) << x;
    }
    EXPECT_EQ(decay_of(1, 0, false), 1) << "exactly";
    for (const double large : {-200.0, -1e4, -1e30}) {
      EXPECT_GT(decay_of(2, large, false), 0) << "no denormal numbers";
      EXPECT_LT(decay_of(2, large, false), 1e-37);
    }
    EXPECT_TRUE(std::isnan(decay_of(kNoNumber, -1, false)));
    EXPECT_TRUE(std::isnan(decay_of(1, kNoNumber, true)));
  });
}

const std::vector<std::pair<std::string, Json>> kBlocks = {
    {"conv", {{"kernel", 3}, {"activation", "silu"}}},
    {"conv", {{"kernel", 6}, {"activation", "silu"}}},
    {"mamba", Json::object()},
    {"mamba", {{"eigenvalues", "signed"}, {"d_state", 3}}},
    {"s4d", {{"form", "convolution"}, {"d_state", 10}}},
    {"s4d", {{"form", "recurrence"}, {"d_state", 10}}},
    {"dss", {{"kernel", "softmax"}, {"length", 50}, {"d_state", 3}}},
};

BlockInput input_of(const Block& block, Shape s) {
  Rng rng(4);
  BlockInput in;
  in.shape = s;
  in.w = random_parameters(block.params(s.D), rng);
  in.x = normals(rng, s.rows() * s.D);
  in.dy = normals(rng, s.rows() * s.D);
  return in;
}

void expect_near(const std::vector<float>& actual, const std::vector<float>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  double scale = 0;
  for (const float v : expected) scale = std::max(scale, std::fabs(double(v)));
  for (std::size_t i = 0; i < actual.size(); ++i)
    ASSERT_NEAR(double(actual[i]), double(expected[i]), float_tolerance(400, scale)) << i;
}
void expect_near(const BlockOutput& actual, const BlockOutput& expected) {
  expect_near(actual.y, expected.y);
  expect_near(actual.dx, expected.dx);
  expect_near(actual.dw, expected.dw);
}

TEST(LinearRecurrences, AreTheSameOnEveryInstructionSet) {
  for (const auto& [name, config] : kBlocks) {
    SCOPED_TRACE(name + " " + config.dump());
    const auto block = all_blocks().make(name, config);
    for (const Index D : {1, 5, 19}) {
      BlockInput in = input_of(*block, {2, 21, D});
      for (const std::vector<Index>& rows : {std::vector<Index>{}, {20, 41}, {3, 4, 11, 30}}) {
        in.rows = rows;
        const BlockOutput widest = run_block(*block, in);
        for_each_target([&] { expect_near(run_block(*block, in), widest); });
      }
    }
  }
}

TEST(LinearRecurrences, ConvolutionAndRecurrenceAgreeOnLongInputs) {
  for (const std::string name : {"s4d", "dss"}) {
    const auto make = [&](const char* form) {
      return all_blocks().make(name, {{"form", form}, {"d_state", 4}});
    };
    const auto block = make("convolution");
    BlockInput in = input_of(*block, {2, 150, 3});
    for (const std::vector<Index>& rows : {std::vector<Index>{}, {149, 200}}) {
      in.rows = rows;
      const BlockOutput expected = run_block(*block, in);
      expect_near(run_block(*make("recurrence"), in), expected);
      expect_near(run_block(*make("auto"), in), expected);
    }
  }
}

}  // namespace
}  // namespace separatrix::test
