// The four examples of docs/adding.md, which are compiled into this program.

#include <algorithm>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "separatrix/bounds/bound.h"
#include "separatrix/nn/model.h"
#include "separatrix/proofs/certificate.h"

namespace separatrix {

void register_majority(Registry<Task>& tasks);
void register_diagonal_ssm(Registry<Block>& blocks);
void register_majority_counts(Registry<BoundMethod>& bounds);
void register_uniform_majority(Registry<Construction>& constructions);

namespace {

std::unique_ptr<Task> majority(const Json& config = Json::object()) {
  Registry<Task> tasks("task");
  register_majority(tasks);
  return tasks.make("majority", config);
}

TEST(Adding, TaskCountsAndItsChanceIsThatOfAllInputs) {
  const auto task = majority();
  for (Index length = 1; length <= 9; ++length) {
    Index inputs = 0, mostly = 0;
    for_each_instance(*task, length, [&](std::span<const Token> tokens) {
      std::vector<Token> targets(tokens.size());
      task->label(tokens, targets);
      const Index ones = std::accumulate(tokens.begin(), tokens.end(), Index{0});
      EXPECT_EQ(targets.back(), ones > length - ones ? 1 : 0);
      ++inputs;
      mostly += targets.back();
      return true;
    });
    EXPECT_EQ(inputs, Index{1} << length);
    const double share = double(mostly) / double(inputs);
    EXPECT_NEAR(task->chance(length), std::max(share, 1 - share), 1e-12);
  }
  EXPECT_THROW(task->check_length(0), Error);
  EXPECT_THROW(majority({{"p_one", 1.5}}), Error);
}

TEST(Adding, BlockAgreesWithItsReferenceStepByStepAndByFiniteDifferences) {
  Registry<Block> blocks("block");
  register_diagonal_ssm(blocks);
  const auto made = blocks.make("diagonal-ssm");
  const auto& block = dynamic_cast<const RecurrentBlock&>(*made);
  const Shape s{2, 5, 3};
  const std::vector<Index> rows = {1, 3, 7};  // neither all nor the last ones
  const Live live{rows};
  Rng rng(1);
  const auto draw = [&](Index n) {
    std::vector<float> values(static_cast<std::size_t>(n));
    for (float& v : values) v = float(rng.normal());
    return values;
  };
  const auto w = draw(s.D), x = draw(s.rows() * s.D), dy = draw(s.rows() * s.D);
  std::vector<float> y(x.size(), -7), dx(x.size()), dw(w.size());
  std::vector<float> cache(static_cast<std::size_t>(block.cache_size(s)));
  std::vector<float> scratch(static_cast<std::size_t>(block.scratch_size(s)));
  const Slots slots{w.data(), dw.data(), cache.data(), scratch.data()};
  block.forward(s, live, x.data(), y.data(), slots);
  block.backward(s, live, x.data(), dy.data(), dx.data(), slots);

  const auto reference = [&](const std::vector<double>& weights, const std::vector<double>& input) {
    std::vector<double> out(input.size());
    for (Index b = 0; b < s.B; ++b)
      block.reference(weights, View<const double, 2>{input.data() + b * s.T * s.D, {s.T, s.D}},
                      View<double, 2>{out.data() + b * s.T * s.D, {s.T, s.D}}, 0);
    return out;
  };
  const auto loss = [&](const std::vector<double>& weights, const std::vector<double>& input) {
    const auto out = reference(weights, input);
    double sum = 0;
    for (Index row : rows)
      for (Index d = 0; d < s.D; ++d)
        sum += out[std::size_t(row * s.D + d)] * double(dy[std::size_t(row * s.D + d)]);
    return sum;
  };
  std::vector<double> wd(w.begin(), w.end()), xd(x.begin(), x.end());
  const auto expected = reference(wd, xd);
  // A handful of float operations on numbers of order 10: 1e-4 is a hundred times their rounding.
  constexpr double kTolerance = 1e-4, kStep = 1e-5;
  for (Index row = 0; row < s.rows(); ++row)
    for (Index d = 0; d < s.D; ++d) {
      const auto i = std::size_t(row * s.D + d);
      const bool is_live = std::find(rows.begin(), rows.end(), row) != rows.end();
      EXPECT_NEAR(double(y[i]), is_live ? expected[i] : -7, kTolerance);
    }
  const auto derivative = [&](std::vector<double>& at, std::size_t i) {
    const double old = at[i];
    at[i] = old + kStep;
    const double up = loss(wd, xd);
    at[i] = old - kStep;
    const double down = loss(wd, xd);
    at[i] = old;
    return (up - down) / (2 * kStep);
  };
  for (std::size_t i = 0; i < w.size(); ++i)
    EXPECT_NEAR(double(dw[i]), derivative(wd, i), kTolerance);
  for (std::size_t i = 0; i < x.size(); ++i)
    EXPECT_NEAR(double(dx[i]), derivative(xd, i), kTolerance);

  std::vector<float> state(std::size_t(block.state_size(s.D))), out(std::size_t(s.D));
  for (Index t = 0; t < s.T; ++t) {
    block.step(s.D, w.data(), state.data(), x.data() + t * s.D, out.data());
    for (Index d = 0; d < s.D; ++d)
      EXPECT_NEAR(double(out[std::size_t(d)]), expected[std::size_t(t * s.D + d)], kTolerance);
  }
}

TEST(Adding, BoundsWitnessHoldsAndABrokenOneDoesNot) {
  Registry<BoundMethod> bounds("bound");
  register_majority_counts(bounds);
  const auto method = bounds.make("majority-counts");
  const auto task = majority();
  for (Index length : {1, 2, 9, 16}) {
    const BoundRequest request{.task = *task, .task_name = "majority", .length = length};
    const std::vector<Bound> found = method->compute(request);
    ASSERT_EQ(found.size(), 1u);
    Bound bound = found.front();
    EXPECT_EQ(bound.count, length / 2 + 1);
    EXPECT_TRUE(method->check(request, bound).valid) << length;
    if (length < 2) continue;
    bound.witness["suffix_ones"][0] = 0;
    EXPECT_FALSE(method->check(request, bound).valid) << length;
  }
  EXPECT_TRUE(method->compute({.task = *task, .task_name = "mqar", .length = 8}).empty());
}

TEST(Adding, ConstructionIsProvedOnEveryInputAndAFlippedWeightIsRefuted) {
  Registry<Construction> constructions("construction");
  register_uniform_majority(constructions);
  Registry<Block> blocks("block");
  register_blocks(blocks);
  Registry<CertificateMethod> methods("certificate method");
  register_certificates(methods);
  const auto construction = constructions.make("uniform-majority");
  const auto task = majority();
  for (Index length : {1, 6, 9}) {
    const auto claim = construction->claim({{{"p_one", 0.5}}, length});
    ASSERT_TRUE(claim);
    Weights weights = construction->build({claim->task_config, length}, blocks).weights;
    const Certificate good = certify(*claim, {*task, weights, blocks}, methods);
    EXPECT_EQ(good.verdict, Verdict::proved) << good.reason;
    EXPECT_GE(good.margin, claim->margin);
    weights["head"][2] *= -1;
    weights["head"][3] *= -1;
    EXPECT_EQ(certify(*claim, {*task, weights, blocks}, methods).verdict, Verdict::refuted);
  }
}

}  // namespace
}  // namespace separatrix
