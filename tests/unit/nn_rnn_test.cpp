// The straight-through gradient of bit states, which no difference quotient shows, against the
// formulas of docs/derivations/rnn.md written plainly in double.

#include <cmath>

#include <gtest/gtest.h>

#include "separatrix/model/interval.h"
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

}  // namespace
}  // namespace separatrix::test
