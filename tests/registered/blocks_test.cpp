// Properties of every registered block.

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "separatrix/model/interval.h"
#include "separatrix/nn/block.h"
#include "separatrix/nn/state_format.h"
#include "tests/support/block_cases.h"
#include "tests/support/block_run.h"
#include "tests/support/random.h"
#include "tests/support/tolerance.h"

namespace separatrix::test {
namespace {

/// 1, odd, and around the lane counts 4, 8 and 16 of the instruction sets.
const std::vector<Index> kWidths = {1, 3, 4, 7, 8, 9, 15, 16, 17, 33};
const std::vector<std::pair<Index, Index>> kBatchTimes = {{1, 1}, {1, 2}, {3, 1}, {2, 5}, {5, 9}};
/// Inputs long enough that different ways of computing one thing (few or many live rows) are met.
constexpr Shape kLong{3, 40, 32};

Registry<Block> registry() {
  Registry<Block> blocks("block");
  register_blocks(blocks);
  return blocks;
}

std::vector<Shape> shapes(const BlockCase& c) {
  std::vector<Shape> out;
  for (std::size_t i = 0; i < kWidths.size(); ++i) {
    const Index D = kWidths[i] + (c.divisor - kWidths[i] % c.divisor) % c.divisor;
    for (std::size_t j = 0; j < kBatchTimes.size(); ++j)
      if ((i + j) % 2 == 0) out.push_back({kBatchTimes[j].first, kBatchTimes[j].second, D});
  }
  out.push_back({1, 17, 5 * c.divisor});
  out.push_back({1, 33, 3 * c.divisor});
  out.push_back(kLong);
  return out;
}

/// All; the last of each sequence; a few in one sequence only; each with probability 1/2.
std::vector<std::vector<Index>> live_sets(Shape s, Rng& rng) {
  std::vector<std::vector<Index>> sets(4);
  for (Index b = 0; b < s.B; ++b) sets[1].push_back((b + 1) * s.T - 1);
  sets[2].push_back((s.B / 2) * s.T + s.T / 3);
  if (s.T > 3) sets[2].push_back((s.B / 2) * s.T + s.T / 3 + 2);
  for (Index row = 0; row < s.rows(); ++row)
    if (rng.coin()) sets[3].push_back(row);
  return sets;
}

BlockInput random_input(const Block& block, Shape s, Rng& rng) {
  BlockInput in;
  in.shape = s;
  in.w = random_parameters(block.params(s.D), rng);
  in.x = normals(rng, s.rows() * s.D);
  in.dy = normals(rng, s.rows() * s.D);
  return in;
}

/// sum over the live rows of dy . reference(x, w): what backward is the gradient of.
double objective(const Block& block, const BlockInput& in, const std::vector<double>& w,
                 const std::vector<double>& x) {
  const std::vector<double> y = run_reference(block, in.shape, w, x);
  double sum = 0;
  for (std::size_t i = 0; i < y.size(); ++i)
    if (is_live(in, Index(i) / in.shape.D)) sum += double(in.dy[i]) * y[i];
  return sum;
}

/// Central differences along `direction`, of the values `at`.
template <class F>
double derivative(const F& f, const std::vector<double>& at, const std::vector<double>& direction,
                  double step) {
  std::vector<double> up = at, down = at;
  for (std::size_t i = 0; i < at.size(); ++i) {
    up[i] += step * direction[i];
    down[i] -= step * direction[i];
  }
  return (f(up) - f(down)) / (2 * step);
}

double largest(const std::vector<float>& values) {
  double most = 0;
  for (const float v : values) most = std::max(most, std::fabs(double(v)));
  return most;
}

/// Compares `gradient` with differences of f at `at`: every coordinate when there are few,
/// otherwise some, and random directions, which see all of them at once.
template <class F>
void expect_gradient(const F& f, const std::vector<double>& at, const std::vector<float>& gradient,
                     Index terms, double step, Rng& rng, const std::string& what) {
  constexpr std::size_t kCoordinates = 12;
  const double scale = largest(gradient);
  const std::size_t n = at.size();
  std::vector<double> direction(n, 0);
  for (std::size_t k = 0; k < std::min(n, kCoordinates); ++k) {
    const std::size_t i = n <= kCoordinates ? k : std::size_t(rng.below(Index(n)));
    direction[i] = 1;
    // Differences in double err by 1e-16 |f| / step + step^2 |f'''|, far below the tolerance.
    EXPECT_NEAR(double(gradient[i]), derivative(f, at, direction, step),
                float_tolerance(terms, scale))
        << what << " " << i;
    direction[i] = 0;
  }
  for (int k = 0; k < 2; ++k) {
    double expected_sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      direction[i] = rng.coin() ? 1 : -1;
      expected_sum += direction[i] * double(gradient[i]);
    }
    EXPECT_NEAR(expected_sum, derivative(f, at, direction, step),
                float_tolerance(terms * Index(n), scale))
        << what << " along a random direction";
  }
}

class Blocks : public testing::TestWithParam<BlockCase> {
 protected:
  std::unique_ptr<Block> block_ = registry().make(GetParam().block, GetParam().config);
  Rng rng_{7};
};

TEST(BlockCases, CoverTheRegistry) {
  const auto listed = block_cases();
  for (const std::string& name : registry().names())
    EXPECT_TRUE(std::any_of(listed.begin(), listed.end(),
                            [&](const BlockCase& c) { return c.block == name; }))
        << name << " has no entry in block_cases()";
}

TEST_P(Blocks, ForwardIsTheReferenceOnLiveRowsAndNothingElseIsTouched) {
  for (const Shape s : shapes(GetParam())) {
    BlockInput in = random_input(*block_, s, rng_);
    const auto expected = run_reference(*block_, s, to_double(in.w), to_double(in.x));
    for (const auto& rows : live_sets(s, rng_)) {
      in.rows = rows;
      const BlockOutput out = run_block(*block_, in);
      SCOPED_TRACE(testing::Message() << "B T D " << s.B << " " << s.T << " " << s.D << ", "
                                      << rows.size() << " live");
      // Longest chain of roundings: sums over the width, once per time step.
      const double tolerance = float_tolerance(4 * s.D * s.T, 1);
      for (std::size_t i = 0; i < out.y.size(); ++i) {
        const Index row = Index(i) / s.D;
        if (is_live(in, row))
          ASSERT_NEAR(double(out.y[i]), expected[i],
                      tolerance * std::max(1.0, std::fabs(expected[i])));
        else
          ASSERT_EQ(out.y[i], kUntouched) << "row " << row << " is not live";
        if (!out.needed[std::size_t(row)])
          ASSERT_EQ(out.dx[i], kUntouched) << "row " << row << " is not needed";
        else
          ASSERT_TRUE(std::isfinite(out.dx[i]));
      }
    }
  }
}

TEST_P(Blocks, NeedsContainTheLiveRows) {
  for (const Shape s : shapes(GetParam()))
    for (const auto& rows : live_sets(s, rng_)) {
      std::vector<Index> storage;
      storage.reserve(std::size_t(s.rows()));
      const Index* before = storage.data();
      const Live needed = block_->needs(s, {rows}, storage);
      EXPECT_EQ(storage.data(), before) << "allocated";
      std::vector<Index> list;
      for (Index i = 0; i < needed.count(s); ++i) list.push_back(needed.row(i));
      EXPECT_TRUE(std::is_sorted(list.begin(), list.end()));
      EXPECT_TRUE(std::adjacent_find(list.begin(), list.end()) == list.end());
      for (const Index row : rows) EXPECT_TRUE(std::binary_search(list.begin(), list.end(), row));
    }
}

TEST_P(Blocks, BackwardIsTheGradientOfTheReference) {
  if (!GetParam().differentiable) GTEST_SKIP() << "straight-through: see nn_state_format_test";
  for (const Shape s : shapes(GetParam())) {
    BlockInput in = random_input(*block_, s, rng_);
    const std::vector<double> w = to_double(in.w), x = to_double(in.x);
    const auto sets = live_sets(s, rng_);
    in.rows = sets[std::size_t(rng_.below(Index(sets.size())))];
    const BlockOutput out = run_block(*block_, in);
    SCOPED_TRACE(testing::Message() << "B T D " << s.B << " " << s.T << " " << s.D << ", "
                                    << in.rows.size() << " live");
    const Index terms = s.rows() * 4 * s.D;
    expect_gradient([&](const std::vector<double>& v) { return objective(*block_, in, v, x); }, w,
                    out.dw, terms, GetParam().step, rng_, "dw");
    std::vector<float> dx = out.dx;  // rows that nobody needs have no influence: 0
    for (std::size_t i = 0; i < dx.size(); ++i)
      if (!out.needed[i / std::size_t(s.D)]) dx[i] = 0;
    expect_gradient([&](const std::vector<double>& v) { return objective(*block_, in, w, v); }, x,
                    dx, terms, GetParam().step, rng_, "dx");
  }
}

TEST_P(Blocks, SecondCallGivesEqualBits) {
  for (const Shape s : {kLong, Shape{2, 5, 4}}) {
    BlockInput in = random_input(*block_, s, rng_);
    for (const auto& rows : live_sets(s, rng_)) {
      in.rows = rows;
      const BlockOutput first = run_block(*block_, in), second = run_block(*block_, in);
      EXPECT_EQ(first.y, second.y);
      EXPECT_EQ(first.dx, second.dx);
      EXPECT_EQ(first.dw, second.dw);
    }
  }
}

TEST_P(Blocks, IntervalsContainTheReference) {
  for (const Shape s : {Shape{1, 1, 2}, Shape{1, 6, 4}, Shape{1, 4, 6}}) {
    const BlockInput in = random_input(*block_, s, rng_);
    const std::vector<double> w = to_double(in.w);
    for (const double radius : {0.0, 1e-3, 0.5}) {
      std::vector<Interval> box, y(in.x.size());
      for (const float x : in.x) box.emplace_back(double(x) - radius, double(x) + radius);
      block_->reference(w, View<const Interval, 2>{box.data(), {s.T, s.D}},
                        View<Interval, 2>{y.data(), {s.T, s.D}}, 0);
      for (int sample = 0; sample < 20; ++sample) {
        std::vector<double> x;
        for (const Interval& side : box)
          x.push_back(
              std::clamp(side.lower() + rng_.uniform() * side.width(), side.lower(), side.upper()));
        const std::vector<double> inside = run_reference(*block_, s, w, x);
        for (std::size_t i = 0; i < y.size(); ++i) {
          // The double evaluation itself rounds: a few units of 1e-16 per operation.
          const double slack = 1e-13 * std::max(1.0, std::fabs(inside[i]));
          ASSERT_LE(y[i].lower() - slack, inside[i]) << "radius " << radius;
          ASSERT_GE(y[i].upper() + slack, inside[i]) << "radius " << radius;
        }
      }
      if (radius == 0 && GetParam().differentiable) {
        for (const Interval& v : y) EXPECT_LT(v.width(), 1e-10) << "a point must stay narrow";
      }
    }
  }
}

TEST_P(Blocks, CausalOnesIgnoreTheFuture) {
  const Shape s{1, 9, 6};
  const BlockInput in = random_input(*block_, s, rng_);
  const auto y = run_reference(*block_, s, to_double(in.w), to_double(in.x));
  bool later_matters = false;
  for (Index t = 1; t < s.T; ++t) {
    BlockInput changed = in;
    for (Index i = t * s.D; i < s.T * s.D; ++i) changed.x[std::size_t(i)] += 1;
    const auto after = run_reference(*block_, s, to_double(in.w), to_double(changed.x));
    for (Index i = 0; i < t * s.D; ++i) {
      if (GetParam().causal)
        ASSERT_EQ(y[std::size_t(i)], after[std::size_t(i)]) << "position " << i / s.D;
      else
        later_matters |= y[std::size_t(i)] != after[std::size_t(i)];
    }
  }
  EXPECT_TRUE(GetParam().causal || later_matters) << "declared not causal, but is";
}

TEST_P(Blocks, StepByStepEqualsForward) {
  const auto* recurrent = dynamic_cast<const RecurrentBlock*>(block_.get());
  ASSERT_EQ(recurrent != nullptr, block_->mixing() == Mixing::recurrent);
  if (recurrent == nullptr) GTEST_SKIP() << "keeps no state";
  for (const Shape s : {Shape{2, 9, 5}, Shape{1, 12, 17}}) {
    const BlockInput in = random_input(*block_, s, rng_);
    const BlockOutput out = run_block(*block_, in);
    std::vector<float> state, y;
    y.assign(std::size_t(s.D), 0);
    for (Index row = 0; row < s.rows(); ++row) {
      if (row % s.T == 0) state.assign(std::size_t(recurrent->state_size(s.D)), 0);
      recurrent->step(s.D, in.w.data(), state.data(), in.x.data() + row * s.D, y.data());
      for (Index d = 0; d < s.D; ++d)
        ASSERT_NEAR(double(y[std::size_t(d)]), double(out.y[std::size_t(row * s.D + d)]),
                    float_tolerance(4 * s.D * s.T, 1) *
                        std::max(1.0, std::fabs(double(y[std::size_t(d)]))));
    }
  }
}

TEST_P(Blocks, EveryStateElementMattersAndBitsAreCounted) {
  const auto* recurrent = dynamic_cast<const RecurrentBlock*>(block_.get());
  if (recurrent == nullptr) GTEST_SKIP() << "keeps no state";
  const Index D = 6, steps = 8;
  const Index size = recurrent->state_size(D);
  const std::string format = GetParam().config.value("state_format", "float32");
  const bool bits = format == "bit";
  const std::map<std::string, Index> kBits = {{"float32", 32}, {"bfloat16", 16}, {"float16", 16},
                                              {"int8", 8},     {"int4", 4},      {"int2", 2},
                                              {"bit", 1}};
  EXPECT_EQ(recurrent->state_bits(D), kBits.at(format) * size);
  // A changed element need not show in one model; over a few models each must show once.
  std::vector<char> matters(std::size_t(size), 0);
  for (int model = 0; model < 8; ++model) {
    const BlockInput in = random_input(*block_, {1, 2 * steps, D}, rng_);
    std::vector<float> prefix, y;
    prefix.assign(std::size_t(size), 0);
    y.assign(std::size_t(D), 0);
    for (Index t = 0; t < steps; ++t)
      recurrent->step(D, in.w.data(), prefix.data(), in.x.data() + t * D, y.data());
    const auto future = [&](std::vector<float> state) {
      std::vector<float> outputs;
      for (Index t = steps; t < 2 * steps; ++t) {
        recurrent->step(D, in.w.data(), state.data(), in.x.data() + t * D, y.data());
        outputs.insert(outputs.end(), y.begin(), y.end());
      }
      return outputs;
    };
    const std::vector<float> expected = future(prefix);
    for (Index j = 0; j < size; ++j) {
      const float old = prefix[std::size_t(j)];
      const StateFormat stored({format, GetParam().config.value("state_range", 1.0)});
      ASSERT_EQ(float(stored.rounded(double(old))), old) << "is not what the format holds";
      std::vector<float> changed = prefix;
      changed[std::size_t(j)] = bits ? 1 - old : old + 0.5F;
      matters[std::size_t(j)] |= future(changed) != expected;
    }
  }
  for (Index j = 0; j < size; ++j) EXPECT_TRUE(matters[std::size_t(j)]) << "state element " << j;
}

std::string case_name(const testing::TestParamInfo<BlockCase>& info) {
  std::string name = info.param.block;
  for (const auto& item : info.param.config.items())
    name += "_" + item.key() + "_" + item.value().dump();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
  return name + "_" + std::to_string(info.index);
}

INSTANTIATE_TEST_SUITE_P(All, Blocks, testing::ValuesIn(block_cases()), case_name);

}  // namespace
}  // namespace separatrix::test
