#pragma once

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "separatrix/codes/address_code.h"

// Codes measured on the entries that they write.

namespace separatrix::test {

inline constexpr double kSlack = 1e-9;  // of sums of doubles, relative

inline Registry<AddressCode> all_codes() {
  Registry<AddressCode> codes("code");
  register_codes(codes);
  return codes;
}

/// All keys and queries of a code, and what their products do; of wide codes only every `step`-th
/// query is compared with all keys.
struct Measured {
  std::vector<std::vector<float>> keys, queries;
  double peak = -INFINITY, lowest = INFINITY, gap = INFINITY;
  double coherence = -INFINITY, two_sided = 0;  // of pairs p != j, relative to s(p, p)
  std::vector<std::vector<double>> deficits;

  Measured(const AddressCode& code, const CodeNumbers& n) {
    const auto book = code.codebook(n.positions, n.format);
    const auto width = std::size_t(n.width);
    for (Index j = 0; j < n.positions; ++j) {
      book->key(j, keys.emplace_back(width, NAN));
      book->query(j, queries.emplace_back(width, NAN));
    }
    const Index step = n.width * n.positions > 256 * 300 ? 37 : 1;
    for (Index p = 0; p < n.positions; p += step) {
      const double own = score(p, p);
      peak = std::max(peak, own);
      deficits.emplace_back();
      for (Index j = 0; j < n.positions; ++j) {
        const double s = score(p, j);
        lowest = std::min(lowest, s);
        if (j == p) continue;
        gap = std::min(gap, own - s);
        coherence = std::max(coherence, s / own);
        two_sided = std::max(two_sided, std::abs(s) / own);
        deficits.back().push_back(own - s);
      }
    }
  }

  double score(Index p, Index j) const {
    double sum = 0;
    for (std::size_t i = 0; i < keys.front().size(); ++i)
      sum += double(queries[std::size_t(p)][i]) * double(keys[std::size_t(j)][i]);
    return sum;
  }
  /// The largest sum of the other positions' weights, relative to the right one's.
  double leak(double temperature) const {
    double worst = 0;
    for (const auto& row : deficits) {
      double sum = 0;
      for (const double d : row) sum += std::exp(-temperature * d);
      worst = std::max(worst, sum);
    }
    return worst;
  }
};

/// Float32 sums in three orders, compared with the exact sum.
inline bool float32_sums_are_exact(const Measured& m, Index p, Index j, double temperature) {
  const auto& q = m.queries[std::size_t(p)];
  const auto& k = m.keys[std::size_t(j)];
  const double exact = temperature * m.score(p, j);
  float forward = 0, backward = 0, even = 0, odd = 0;
  for (std::size_t i = 0; i < q.size(); ++i) {
    const std::size_t r = q.size() - 1 - i;
    forward += float(temperature) * q[i] * k[i];
    backward += float(temperature) * q[r] * k[r];
    (i % 2 == 0 ? even : odd) += float(temperature) * q[i] * k[i];
  }
  return double(forward) == exact && double(backward) == exact && double(even + odd) == exact;
}

inline void check_formats(const CodeNumbers& n, const Measured& m) {
  for (const auto* vectors : {&m.keys, &m.queries})
    for (const auto& entries : *vectors)
      for (const float x : entries)
        ASSERT_TRUE(is_representable(n.format, double(x))) << x << " in " << to_string(n.format);
  if (!n.exact) return;
  const Index step = std::max<Index>(1, n.positions / 16);
  for (Index p = 0; p < n.positions; p += step)
    for (Index j = 0; j < n.positions; ++j) {
      for (const double temperature : {1.0, 4.0, 0.125})
        ASSERT_TRUE(float32_sums_are_exact(m, p, j, temperature)) << p << " " << j;
      if (n.exact_scores) {
        ASSERT_TRUE(is_representable(n.format, m.score(p, j)));
      }
    }
}

inline void check_against_enumeration(const AddressCode& code, const CodeNumbers& n) {
  const Measured m(code, n);
  EXPECT_EQ(std::set<std::vector<float>>(m.keys.begin(), m.keys.end()).size(),
            std::size_t(n.positions));
  check_formats(n, m);
  EXPECT_LE(m.peak, n.peak + kSlack);
  EXPECT_GE(m.lowest, n.lowest - kSlack);
  if (n.positions == 1) {
    EXPECT_EQ(code.leak(n, 0.5), 0);
    EXPECT_EQ(code.temperature(n, 0.01), 0);
    return;
  }
  EXPECT_GE(m.gap, n.gap * (1 - kSlack));
  EXPECT_GT(n.gap, 0);
  ASSERT_EQ(n.coherence.has_value(), n.one_length);
  ASSERT_EQ(n.two_sided.has_value(), n.one_length);
  if (n.one_length) {
    EXPECT_LE(m.coherence, *n.coherence + kSlack);
    EXPECT_LE(m.two_sided, *n.two_sided + kSlack);
    EXPECT_EQ(m.keys, m.queries);
  }
  for (const double leak : {0.5, 1.0 / 64, 1e-4}) {
    const double least = code.temperature(n, leak), power = code.power_of_two_temperature(n, leak);
    EXPECT_LE(code.leak(n, least), leak);
    EXPECT_GT(code.leak(n, least * (1 - 1e-9)), leak);
    EXPECT_LE(m.leak(least), leak * (1 + kSlack));
    EXPECT_EQ(std::exp2(std::round(std::log2(power))), power);
    EXPECT_GE(power, least);
    EXPECT_LT(power, 2 * least);
    if (n.leak_attained) {
      EXPECT_NEAR(m.leak(least) / leak, 1, kSlack);
      EXPECT_GT(m.leak(least * 0.999), leak);
    }
  }
}

/// Linear codes need no pairs: s(p, j) = s(0, p xor j). Kerdock: pairs with the words of RM(1, m +
/// 1) shift the linear part, so words with linear part 0 against all are enough.
inline double largest_product_with(const Codebook& book, Index p, Index positions,
                                   std::size_t width) {
  std::vector<float> own(width), other(width);
  book.key(p, own);
  double largest = -INFINITY;
  for (Index j = 0; j < positions; ++j) {
    if (j == p) continue;
    book.key(j, other);
    double sum = 0;
    for (std::size_t i = 0; i < width; ++i) sum += double(own[i] * other[i]);
    largest = std::max(largest, sum);
  }
  return largest;
}

}  // namespace separatrix::test
