#include <cmath>

#include <gtest/gtest.h>

#include "separatrix/bounds/bound.h"

namespace separatrix {
namespace {

double cost(double a, Index n, Index q) {
  const double e = 1 - a;
  double h = 0;
  if (e > 0) h -= e * std::log2(e);
  if (a > 0) h -= a * std::log2(a);
  return double(n) * (std::log2(double(q)) - h - e * std::log2(double(q - 1)));
}

TEST(RecallCeiling, EndsAreChanceAndOne) {
  for (const Index q : {2, 3, 64}) {
    EXPECT_NEAR(recall_ceiling(0, 20, q), 1.0 / double(q), 1e-7);
    const double all = 20 * std::log2(double(q));
    EXPECT_EQ(recall_ceiling(all, 20, q), 1);
    EXPECT_EQ(recall_ceiling(2 * all, 20, q), 1);
    EXPECT_LT(recall_ceiling(all * 0.999, 20, q), 1);
  }
  EXPECT_EQ(recall_ceiling(0, 20, 1), 1);
}

TEST(RecallCeiling, SolvesItsEquationAndGrows) {
  for (const Index q : {2, 5, 64})
    for (const Index n : {1, 7, 1000}) {
      const double all = double(n) * std::log2(double(q));
      double last = 0;
      for (int i = 1; i < 40; ++i) {
        const double bits = all * i / 40;
        const double a = recall_ceiling(bits, n, q);
        EXPECT_NEAR(cost(a, n, q), bits, 1e-9 * all + 1e-9);
        EXPECT_GT(a, last);
        last = a;
      }
    }
}

/// The ceiling is above what a real memory does: keep b/log2 q symbols, guess the others.
TEST(RecallCeiling, IsAboveStoringSomeAndGuessingTheRest) {
  for (const Index q : {2, 4, 64})
    for (Index kept = 0; kept <= 16; ++kept) {
      const double stored = (double(kept) + double(16 - kept) / double(q)) / 16;
      EXPECT_GE(recall_ceiling(double(kept) * std::log2(double(q)), 16, q), stored - 1e-7);
    }
}

TEST(Bound, BitsIsTheCeilingOfTheLogarithm) {
  Bound bound;
  const std::pair<long, Index> cases[] = {{1, 0}, {2, 1}, {3, 2}, {4, 2}, {5, 3}, {64, 6}, {65, 7}};
  for (const auto& [count, bits] : cases) {
    bound.count = count;
    EXPECT_EQ(bound.bits(), bits) << count;
  }
  mpz_ui_pow_ui(bound.count.get_mpz_t(), 64, 20);
  EXPECT_EQ(bound.bits(), 120);
  bound.count += 1;
  EXPECT_EQ(bound.bits(), 121);
  EXPECT_EQ(to_json(bound).at("resource"), "recurrent_state_bits");
  EXPECT_EQ(to_json(bound).at("count"), bound.count.get_str());
}

}  // namespace
}  // namespace separatrix
