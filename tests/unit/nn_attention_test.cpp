// What the options of attention mean, beyond the equality of kernels and reference that
// registered/blocks_test holds for every block.

#include <cmath>
#include <cstdlib>

#include <gtest/gtest.h>

#include "separatrix/nn/attention_block.h"
#include "tests/support/block_run.h"
#include "tests/support/models.h"
#include "tests/support/random.h"
#include "tests/support/tolerance.h"

namespace separatrix::test {
namespace {

std::unique_ptr<Block> attention(const Json& config) {
  return all_blocks().make("attention", config);
}

BlockInput random_input(const Block& block, Shape s, std::vector<Index> rows = {}) {
  Rng rng(11);
  BlockInput in;
  in.shape = s;
  in.w = random_parameters(block.params(s.D), rng);
  in.x = normals(rng, s.rows() * s.D);
  in.dy = normals(rng, s.rows() * s.D);
  in.rows = std::move(rows);
  return in;
}

/// a[t][h][j] of one sequence, from averages().
std::vector<std::vector<std::vector<double>>> weights_of(const Block& block, const BlockInput& in) {
  const std::vector<double> w = to_double(in.w), x = to_double(in.x);
  const auto& averaging = dynamic_cast<const AttentionBlock&>(block);
  std::vector<std::vector<std::vector<double>>> a(std::size_t(in.shape.T));
  averaging.averages(w, View<const double, 2>{x.data(), {in.shape.T, in.shape.D}}, 0,
                     [&](Index t, Index h, std::span<const double> of) {
                       EXPECT_EQ(Index(a[std::size_t(t)].size()), h);
                       a[std::size_t(t)].emplace_back(of.begin(), of.end());
                     });
  return a;
}

/// All inputs equal: then so are q and k of all positions, and what is left of a score is what the
/// positions add. Differences of logarithms of the weights are differences of scores.
double score_difference(const Block& block, BlockInput in, Index t, Index j, Index other) {
  for (Index row = 1; row < in.shape.T; ++row)
    std::copy_n(in.x.begin(), in.shape.D, in.x.begin() + row * in.shape.D);
  const auto a = weights_of(block, in);
  const auto& of = a[std::size_t(t)][0];
  return std::log(of[std::size_t(j)]) - std::log(of[std::size_t(other)]);
}

TEST(Attention, RotaryScoresDependOnTheDifferenceOfPositions) {
  const Shape s{1, 24, 8};
  for (const bool causal : {true, false}) {
    const auto block = attention({{"positions", "rotary"}, {"causal", causal}});
    const BlockInput in = random_input(*block, s);
    bool turns = false;
    for (Index back = 1; back <= 6; ++back) {
      const double expected = score_difference(*block, in, 7, 7 - back, 7);
      turns |= std::fabs(expected) > 0.1;
      for (Index t = 8; t < s.T; ++t)
        EXPECT_NEAR(score_difference(*block, in, t, t - back, t), expected, 1e-9);
    }
    EXPECT_TRUE(turns);
  }
}

TEST(Attention, RotaryTurnsNeighboursByThePublishedAngles) {
  // q = k = x in one head of width 4, without scale: x_t = (1, 0, 0, 0) or (0, 0, 1, 0).
  const auto block =
      attention({{"positions", "rotary"}, {"scale", "none"}, {"rotary_base", 100.0}});
  const Shape s{1, 9, 4};
  BlockInput in = random_input(*block, s);
  for (const Index pair : {0, 1}) {
    std::fill(in.w.begin(), in.w.end(), 0.0F);
    for (Index i = 0; i < 4; ++i)
      in.w[std::size_t(5 * i)] = in.w[std::size_t(16 + 5 * i)] = 1;  // q, k: identities
    std::fill(in.x.begin(), in.x.end(), 0.0F);
    for (Index t = 0; t < s.T; ++t) in.x[std::size_t(4 * t + 2 * pair)] = 1;
    const double theta = pair == 0 ? 1 : 0.1;  // 100^(-2j / 4)
    for (Index back = 1; back < s.T; ++back)
      EXPECT_NEAR(score_difference(*block, in, 8, 8 - back, 8), std::cos(double(back) * theta) - 1,
                  1e-12);
  }
}

TEST(Attention, AlibiTakesThePublishedSlopes) {
  // As listed in the paper for 8 heads, and for 6: those of 4, then every second one of 8.
  const std::vector<std::vector<double>> published = {
      {1.0 / 256},
      {1.0 / 16, 1.0 / 256},
      {1.0 / 16, 1.0 / 256, 1.0 / 4},
      {1.0 / 4, 1.0 / 16, 1.0 / 64, 1.0 / 256, 1.0 / 2, 1.0 / 8},
      {0.5, 0.25, 0.125, 1.0 / 16, 1.0 / 32, 1.0 / 64, 1.0 / 128, 1.0 / 256}};
  for (const auto& slopes : published)
    for (const bool causal : {true, false}) {
      const auto block = attention({{"n_heads", Index(slopes.size())},
                                    {"d_head", 3},
                                    {"positions", "alibi"},
                                    {"causal", causal}});
      BlockInput in = random_input(*block, {1, 9, 5});
      std::fill(in.w.begin(), in.w.end(), 0.0F);  // then the scores are the biases
      const auto a = weights_of(*block, in);
      for (std::size_t h = 0; h < slopes.size(); ++h)
        for (Index t = 0; t < 9; ++t)
          for (Index j = 0; j < (causal ? t + 1 : 9); ++j) {
            const auto& of = a[std::size_t(t)][h];
            EXPECT_NEAR(std::log(of[std::size_t(t)] / of[std::size_t(j)]),
                        slopes[h] * double(std::abs(t - j)), 1e-12);
          }
    }
}

/// y, dx and dw equal, bit for bit.
void expect_same(const Json& one, const Json& other, Shape s, const std::vector<Index>& rows) {
  const auto a = attention(one), b = attention(other);
  const BlockInput in = random_input(*a, s, rows);
  const BlockOutput left = run_block(*a, in), right = run_block(*b, in);
  EXPECT_EQ(left.y, right.y) << other;
  EXPECT_EQ(left.dx, right.dx) << other;
  EXPECT_EQ(left.dw, right.dw) << other;
}

/// All rows live, the last of each sequence, or many.
std::vector<std::vector<Index>> some_rows(Shape s) {
  std::vector<std::vector<Index>> sets(3);
  for (Index b = 0; b < s.B; ++b) sets[1].push_back((b + 1) * s.T - 1);
  for (Index row = 0; row < s.rows(); ++row)
    if (row % 3 != 1) sets[2].push_back(row);
  return sets;
}

TEST(Attention, OptionsThatChangeNothingChangeNoBit) {
  const Shape s{2, 37, 12};
  for (const auto& rows : some_rows(s))
    for (const bool causal : {true, false}) {
      const Json plain = {{"n_heads", 3}, {"causal", causal}};
      expect_same(plain, {{"n_heads", 3}, {"causal", causal}, {"n_kv_heads", 3}}, s, rows);
      expect_same(plain, {{"n_heads", 3}, {"causal", causal}, {"window", s.T}}, s, rows);
      expect_same(plain, {{"n_heads", 3}, {"causal", causal}, {"window", 10 * s.T}}, s, rows);
    }
}

TEST(Attention, FarBeyondOneBlockOfQueriesAWindowIsTheReference) {
  for (const bool causal : {true, false})
    for (const Index window : {1, 16, 33, 64, 150}) {
      const Shape s{1, 200, 6};
      const auto block = attention({{"n_heads", 2},
                                    {"n_kv_heads", 1},
                                    {"positions", "alibi"},
                                    {"window", window},
                                    {"causal", causal}});
      std::vector<Index> far;  // rows whose windows overlap, touch and stay apart
      for (const Index row : {3, 5, 38, 71, 72, 73, 140, 199}) far.push_back(row);
      std::vector<Index> second;
      for (Index row = 0; row < s.T; row += 2) second.push_back(row);
      for (const auto& rows : {std::vector<Index>(), far, second}) {
        const BlockInput in = random_input(*block, s, rows);
        const auto expected = run_reference(*block, s, to_double(in.w), to_double(in.x));
        const BlockOutput out = run_block(*block, in);
        for (std::size_t i = 0; i < out.y.size(); ++i) {
          if (!is_live(in, Index(i) / s.D)) continue;
          ASSERT_NEAR(double(out.y[i]), expected[i], float_tolerance(400, 1)) << window;
        }
      }
    }
}

TEST(Attention, AWindowNeedsTheRowsThatItSeesAndNoOthers) {
  const Shape s{2, 20, 4};
  std::vector<Index> storage;
  storage.reserve(std::size_t(s.rows()));
  const auto needed = [&](const Json& config, const std::vector<Index>& rows) {
    const Live live = attention(config)->needs(s, {rows}, storage);
    return std::vector<Index>(live.rows.begin(), live.rows.end());
  };
  const std::vector<Index> rows = {4, 6, 13, 39};
  EXPECT_EQ(needed({{"window", 3}}, rows),
            (std::vector<Index>{2, 3, 4, 5, 6, 11, 12, 13, 37, 38, 39}));
  EXPECT_EQ(needed({{"window", 2}, {"causal", false}}, rows),
            (std::vector<Index>{3, 4, 5, 6, 7, 12, 13, 14, 38, 39}));
  EXPECT_EQ(needed({{"window", 1}}, rows), rows);
}

TEST(Attention, AWindowsMemoryAndWorkAreLinearInTheLength) {
  const auto windowed = attention({{"n_heads", 2}, {"window", 64}});
  const auto full = attention({{"n_heads", 2}});
  const Shape one{1, 800, 64}, four{1, 3200, 64};
  EXPECT_LT(double(windowed->cache_size(four)), 4.2 * double(windowed->cache_size(one)));
  EXPECT_GT(double(full->cache_size(four)), 12 * double(full->cache_size(one)));
  EXPECT_LT(windowed->flops(four, {}), 4.1 * windowed->flops(one, {}));
  EXPECT_LT(windowed->cache_size(one), full->cache_size(one) / 2);
}

TEST(Attention, SharedHeadsAreTheFullOnesWithEqualKeysAndValues) {
  const Shape s{1, 11, 8};
  const auto shared = attention({{"n_heads", 4}, {"n_kv_heads", 2}});
  const auto full = attention({{"n_heads", 4}});
  const BlockInput in = random_input(*shared, s);
  BlockInput wide = random_input(*full, s);
  wide.x = in.x;
  const Index D = 8, half = D * 4;  // k and v are [8, 4] each where shared, [8, 8] where not
  std::copy_n(in.w.begin(), D * D, wide.w.begin());
  for (const Index part : {0, 1})
    for (Index i = 0; i < D; ++i)
      for (Index h = 0; h < 4; ++h)
        for (Index d = 0; d < 2; ++d)
          wide.w[std::size_t(D * D * (1 + part) + i * D + h * 2 + d)] =
              in.w[std::size_t(D * D + part * half + i * 4 + h / 2 * 2 + d)];
  std::copy_n(in.w.end() - D * D, D * D, wide.w.end() - D * D);
  EXPECT_EQ(run_reference(*shared, s, to_double(in.w), to_double(in.x)),
            run_reference(*full, s, to_double(wide.w), to_double(wide.x)));
}

TEST(Attention, WhatDoesNotFitIsAnError) {
  for (const Json& config :
       {Json{{"n_kv_heads", -1}}, Json{{"n_heads", 4}, {"n_kv_heads", 3}}, Json{{"window", -1}},
        Json{{"positions", "learned"}}, Json{{"positions", "rotary"}, {"d_head", 3}},
        Json{{"rotary_base", 0.0}}})
    EXPECT_THROW(attention(config)->params(8), Error) << config;
}

}  // namespace
}  // namespace separatrix::test
