// State formats: what they hold, and the straight-through gradient, which no difference quotient
// shows: of bit states against the formulas of docs/derivations/rnn.md written plainly in double,
// of fine formats against the gradient without rounding.

#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "separatrix/model/interval.h"
#include "separatrix/nn/state_format.h"
#include "tests/support/block_run.h"
#include "tests/support/models.h"
#include "tests/support/tolerance.h"

namespace separatrix::test {
namespace {

struct PlainRnn {
  std::vector<double> y, dx, dw;
};

/// One sequence; activation tanh or relu, then the rounding.
PlainRnn plain(const BlockInput& in, bool relu) {
  const Index T = in.shape.T, D = in.shape.D;
  const auto w_x = [&](Index i, Index d) { return double(in.w[std::size_t(i * D + d)]); };
  const auto w_h = [&](Index i, Index d) { return double(in.w[std::size_t(D * D + i * D + d)]); };
  PlainRnn r;
  r.y.assign(std::size_t(T * D), 0);
  r.dx = r.y;
  r.dw.assign(in.w.size(), 0);
  std::vector<double> slope = r.y;
  const auto h = [&](Index t, Index i) { return t < 0 ? 0 : r.y[std::size_t(t * D + i)]; };
  const auto x = [&](Index t, Index i) { return double(in.x[std::size_t(t * D + i)]); };
  for (Index t = 0; t < T; ++t)
    for (Index d = 0; d < D; ++d) {
      auto a = double(in.w[std::size_t(2 * D * D + d)]);
      for (Index i = 0; i < D; ++i) a += x(t, i) * w_x(i, d) + h(t - 1, i) * w_h(i, d);
      const double act = relu ? std::max(a, 0.0) : std::tanh(a);
      slope[std::size_t(t * D + d)] = relu ? double(a > 0) : 1 - act * act;
      r.y[std::size_t(t * D + d)] = act >= 0.5 ? 1 : 0;
    }
  std::vector<double> dh(in.dy.begin(), in.dy.end());
  for (Index t = T - 1; t >= 0; --t)
    for (Index d = 0; d < D; ++d) {
      const double da = dh[std::size_t(t * D + d)] * slope[std::size_t(t * D + d)];
      r.dw[std::size_t(2 * D * D + d)] += da;
      for (Index i = 0; i < D; ++i) {
        r.dw[std::size_t(i * D + d)] += x(t, i) * da;
        r.dw[std::size_t(D * D + i * D + d)] += h(t - 1, i) * da;
        r.dx[std::size_t(t * D + i)] += w_x(i, d) * da;
        if (t > 0) dh[std::size_t((t - 1) * D + i)] += w_h(i, d) * da;
      }
    }
  return r;
}

void expect_near(const std::vector<float>& actual, const std::vector<double>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i)
    ASSERT_NEAR(double(actual[i]), expected[i], float_tolerance(400, std::fabs(expected[i]))) << i;
}

TEST(BitRnn, OutputsAreBitsAndTheGradientPassesTheRounding) {
  for (const bool relu : {false, true}) {
    const auto block =
        all_blocks().make("rnn", {{"activation", relu ? "relu" : "tanh"}, {"state_format", "bit"}});
    Rng rng(11);
    BlockInput in;
    in.shape = {1, 6, 7};
    in.w = random_parameters(block->params(7), rng);
    in.x = normals(rng, 42);
    in.dy = normals(rng, 42);
    const BlockOutput out = run_block(*block, in);
    const PlainRnn expected = plain(in, relu);
    Index ones = 0;
    for (const float bit : out.y) {
      ASSERT_TRUE(bit == 0 || bit == 1);
      ones += bit == 1;
    }
    EXPECT_GT(ones, 0);
    EXPECT_LT(ones, Index(out.y.size()));
    expect_near(out.y, expected.y);
    expect_near(out.dx, expected.dx);
    expect_near(out.dw, expected.dw);
  }
}

TEST(BitRnn, HalfIsRoundedUpAndStraddlingIntervalsKeepBothBits) {
  const auto block = all_blocks().make("rnn", {{"activation", "relu"}, {"state_format", "bit"}});
  const std::vector<double> w{1, 0, 0};  // h_t = round(relu(x_t))
  const auto run = [&](Interval x) {
    Interval y;
    block->reference(w, View<const Interval, 2>{&x, {1, 1}}, View<Interval, 2>{&y, {1, 1}}, 0);
    return y;
  };
  const auto expect = [&](Interval x, double lower, double upper) {
    EXPECT_EQ(run(x).lower(), lower);
    EXPECT_EQ(run(x).upper(), upper);
  };
  expect(Interval(0.5), 1, 1);
  expect(Interval(0.5, 7), 1, 1);
  expect(Interval(-1, 0.499), 0, 0);
  expect(Interval(0.4, 0.5), 0, 1);
}

TEST(StateFormat, RoundsToTheNearestOfWhatItHolds) {
  const auto rounded = [](const char* format, double x, double range = 1) {
    return StateFormat({format, range}).rounded(x);
  };
  EXPECT_EQ(rounded("float32", 0.1), 0.1);
  EXPECT_EQ(rounded("bfloat16", 1 + 0x1p-9), 1);
  EXPECT_EQ(rounded("bfloat16", 1 + 0x1p-7), 1 + 0x1p-7);
  EXPECT_EQ(rounded("float16", 1e9), 65504) << "saturates";
  EXPECT_EQ(rounded("float16", -1e9), -65504);
  EXPECT_EQ(rounded("int2", 0.49), 0);
  EXPECT_EQ(rounded("int2", 0.51), 1);
  EXPECT_EQ(rounded("int2", -7), -1);
  EXPECT_EQ(rounded("int2", -7, 4), -4);
  EXPECT_NEAR(rounded("int4", 0.3), 2.0 / 7, 1e-15);
  EXPECT_NEAR(rounded("int8", 0.3), 38.0 / 127, 1e-15);
  EXPECT_EQ(rounded("bit", 0.5), 1);
  EXPECT_EQ(rounded("bit", 0.4999), 0);
  for (const char* format : {"float32", "bfloat16", "float16", "int8", "int4", "int2", "bit"}) {
    const StateFormat f({format, 2.5});
    Rng rng(3);
    std::set<float> values;
    for (int i = 0; i < 5000; ++i) {
      auto x = float(4 * rng.uniform() - 2);
      f.round(1, &x);
      const float once = x;
      f.round(1, &x);
      EXPECT_EQ(x, once) << format << ": rounding twice is rounding once";
      values.insert(x);
    }
    if (f.bits() <= 8) {
      EXPECT_LE(values.size(), std::size_t(1) << f.bits()) << format;
    }
    EXPECT_EQ(f.rounded(0.0), 0) << format;
  }
}

TEST(StateFormat, UnknownOnesAndRangesAreErrors) {
  EXPECT_THROW(StateFormat({"int3", 1}), Error);
  EXPECT_THROW(StateFormat({"int8", 0}), Error);
  EXPECT_THROW(StateFormat({"int8", std::numeric_limits<double>::infinity()}), Error);
}

/// Every block with a state: the gradient with a state of 16 bits is nearly the exact one.
TEST(StateFormat, TheGradientPassesTheRoundingOfEveryBlock) {
  const auto blocks = all_blocks();
  for (const auto& entry : blocks.entries()) {
    const auto exact = entry.make(Json::object(), "");
    if (exact->mixing() != Mixing::recurrent) continue;
    const auto rough = entry.make({{"state_format", "bfloat16"}}, "");
    Rng rng(5);
    BlockInput in;
    in.shape = {2, 6, 8};
    in.w = random_parameters(exact->params(8), rng);
    in.x = normals(rng, in.shape.rows() * 8);
    in.dy = normals(rng, in.shape.rows() * 8);
    const BlockOutput a = run_block(*exact, in), b = run_block(*rough, in);
    const auto distance = [](const std::vector<float>& u, const std::vector<float>& v) {
      double difference = 0, size = 0;
      for (std::size_t i = 0; i < u.size(); ++i) {
        difference += std::pow(double(u[i]) - double(v[i]), 2);
        size += std::pow(double(u[i]), 2);
      }
      return std::sqrt(difference / size);
    };
    EXPECT_NE(a.y, b.y) << entry.name << " does not round its state";
    EXPECT_LT(distance(a.y, b.y), 0.05) << entry.name;
    EXPECT_LT(distance(a.dx, b.dx), 0.1) << entry.name;
    EXPECT_LT(distance(a.dw, b.dw), 0.1) << entry.name;
  }
}

}  // namespace
}  // namespace separatrix::test
