#include <cmath>

#include <gtest/gtest.h>

#include "separatrix/refute/distinguished_points.h"

namespace separatrix {
namespace {

constexpr int kRangeBits = 22;

/// A random-looking function onto 2^22 values, spread over 64 bits.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  x ^= x >> 31;
  x &= (std::uint64_t(1) << kRangeBits) - 1;
  return (x + 1) * 0x9e3779b97f4a7c15;
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> search(int threads, Index& evaluations) {
  DistinguishedPoints points([](std::size_t, std::uint64_t x) { return mix(x); }, 5);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> all;
  for (std::uint64_t round = 0; round < 16; ++round) {
    std::vector<std::uint64_t> starts;
    for (std::uint64_t i = 0; i < 16; ++i) starts.push_back(1'000'003 * (16 * round + i) + 7);
    const auto found = points.walk(starts, threads);
    all.insert(all.end(), found.begin(), found.end());
  }
  evaluations = points.evaluations();
  return all;
}

TEST(DistinguishedPoints, FindsCollisionsAboutAsSoonAsExpected) {
  Index evaluations = 0;
  const auto collisions = search(1, evaluations);
  // 256 trails of 32 steps each: 8 192 points, four times the expected birthday bound of 2 567.
  ASSERT_FALSE(collisions.empty());
  for (const auto& [x, y] : collisions) {
    EXPECT_NE(x, y);
    EXPECT_EQ(mix(x), mix(y));
  }
  EXPECT_LT(double(evaluations), 16 * std::sqrt(std::ldexp(1, kRangeBits)));
}

TEST(DistinguishedPoints, ThreadsChangeNothing) {
  Index one = 0, three = 0;
  EXPECT_EQ(search(1, one), search(3, three));
  EXPECT_EQ(one, three);
}

}  // namespace
}  // namespace separatrix
