#include <cmath>
#include <map>
#include <set>

#include <gmpxx.h>
#include <gtest/gtest.h>

#include "separatrix/base/error.h"
#include "separatrix/bounds/one_layer/communication.h"
#include "separatrix/bounds/one_layer/fooling.h"
#include "separatrix/bounds/one_layer/inequality.h"
#include "separatrix/bounds/one_layer/partition_search.h"
#include "separatrix/bounds/one_layer/rank.h"
#include "separatrix/bounds/one_layer/witness.h"
#include "tests/support/any_function.h"

namespace separatrix::one_layer {
namespace {

/// Gaussian elimination over the rationals.
Index rational_rank(std::vector<std::vector<mpq_class>> m) {
  std::size_t rank = 0;
  for (std::size_t c = 0; !m.empty() && c < m[0].size() && rank < m.size(); ++c) {
    std::size_t pivot = rank;
    while (pivot < m.size() && m[pivot][c] == 0) ++pivot;
    if (pivot == m.size()) continue;
    std::swap(m[pivot], m[rank]);
    for (std::size_t r = rank + 1; r < m.size(); ++r) {
      const mpq_class times = m[r][c] / m[rank][c];
      for (std::size_t j = c; j < m[0].size(); ++j) m[r][j] -= times * m[rank][j];
    }
    ++rank;
  }
  return Index(rank);
}

TEST(Rank, IsTheRationalOneOnSmallMatrices) {
  Rng rng(1);
  for (int round = 0; round < 60; ++round) {
    const Index n = 1 + rng.below(18), k = 1 + rng.below(18), inner = 1 + rng.below(10);
    std::vector<std::vector<mpq_class>> exact(static_cast<std::size_t>(n));
    for (auto& row : exact) row.resize(static_cast<std::size_t>(k));
    std::vector<Index> a(std::size_t(n * inner)), b(std::size_t(inner * k));
    for (Index& x : a) x = rng.below(3);
    for (Index& x : b) x = rng.below(3);
    std::vector<std::uint32_t> m;
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j < k; ++j) {
        Index sum = 0;
        for (Index l = 0; l < inner; ++l)
          sum += a[std::size_t(i * inner + l)] * b[std::size_t(l * k + j)];
        exact[std::size_t(i)][std::size_t(j)] = long(sum);
        m.push_back(std::uint32_t(sum));
      }
    const Rank rank = rank_modulo(m, n, k, 1);
    EXPECT_EQ(Index(rank.rows.size()), rational_rank(exact));
    EXPECT_EQ(rank.rows.size(), rank.columns.size());
  }
}

/// Wider than a panel, of a rank that is known, with residues of every size.
TEST(Rank, LowRankProductsOfSeveralPanelsForAnyThreads) {
  for (const auto& [n, k, inner] : {std::tuple{200, 150, 70}, {130, 260, 129}, {65, 64, 64}}) {
    Rng rng(2);
    std::vector<std::uint64_t> a(std::size_t(n * inner)), b(std::size_t(inner * k));
    for (auto& x : a) x = std::uint64_t(rng.below(kRankPrime));
    for (auto& x : b) x = std::uint64_t(rng.below(kRankPrime));
    std::vector<std::uint32_t> m;
    for (int i = 0; i < n; ++i)
      for (int j = 0; j < k; ++j) {
        std::uint64_t sum = 0;
        for (int l = 0; l < inner; ++l)
          sum = (sum + a[std::size_t(i * inner + l)] * b[std::size_t(l * k + j)]) % kRankPrime;
        m.push_back(std::uint32_t(sum));
      }
    const Rank one = rank_modulo(m, n, k, 1), three = rank_modulo(m, n, k, 3);
    EXPECT_EQ(Index(one.rows.size()), inner);
    EXPECT_EQ(one.rows, three.rows);
    EXPECT_EQ(one.columns, three.columns);
    // The pivots are a submatrix of full rank.
    std::vector<std::uint32_t> pivots;
    for (const Index r : one.rows)
      for (const Index c : one.columns) pivots.push_back(m[std::size_t(r * k + c)]);
    EXPECT_EQ(Index(rank_modulo(pivots, inner, inner, 1).rows.size()), inner);
  }
}

/// Largest fooling set by trying every subset of the cells of an answer.
std::size_t brute_fooling(const AnswerMatrix& m, Token answer) {
  std::vector<std::pair<Index, Index>> cells;
  for (Index r = 0; r < m.n_rows(); ++r)
    for (Index c = 0; c < m.n_columns(); ++c)
      if (m.at(r, c) == answer) cells.emplace_back(r, c);
  std::size_t best = 0;
  for (std::size_t subset = 0; subset < std::size_t{1} << cells.size(); ++subset) {
    std::vector<std::pair<Index, Index>> in;
    for (std::size_t i = 0; i < cells.size(); ++i)
      if ((subset >> i & 1) != 0) in.push_back(cells[i]);
    bool good = true;
    for (std::size_t i = 0; i < in.size() && good; ++i)
      for (std::size_t j = 0; j < i && good; ++j)
        good =
            m.at(in[i].first, in[j].second) != answer || m.at(in[j].first, in[i].second) != answer;
    if (good) best = std::max(best, in.size());
  }
  return best;
}

TEST(FoolingSets, AreValidAndOnSmallMatricesLargest) {
  Rng rng(3);
  Index largest = 0, rounds = 30;
  for (Index round = 0; round < rounds; ++round) {
    AnswerMatrix m{
        {}, std::vector<std::vector<Token>>(4), std::vector<std::vector<Token>>(4), {}, true};
    for (int i = 0; i < 16; ++i) m.answers.push_back(Token(rng.below(2)));
    const FoolingSet found = find_fooling_set(m);
    for (const auto& [r, c] : found.cells) EXPECT_EQ(m.at(r, c), found.answer);
    for (std::size_t i = 0; i < found.cells.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        EXPECT_TRUE(m.at(found.cells[i].first, found.cells[j].second) != found.answer ||
                    m.at(found.cells[j].first, found.cells[i].second) != found.answer);
    const std::size_t best = std::max(brute_fooling(m, 0), brute_fooling(m, 1));
    EXPECT_LE(found.cells.size(), best);
    largest += found.cells.size() == best;
  }
  EXPECT_GE(largest, rounds - 2);
}

/// Distinct rows for every partition, from the function itself.
Index brute_rows(const Task& task, Index n, std::uint64_t alice) {
  std::map<std::vector<Token>, std::map<std::vector<Token>, Token>> rows;
  for_each_instance(task, n, [&](std::span<const Token> tokens) {
    std::vector<Token> a, b, targets(tokens.size());
    task.label(tokens, targets);
    for (Index t = 0; t < n; ++t) ((alice >> t & 1) != 0 ? a : b).push_back(tokens[std::size_t(t)]);
    rows[a][b] = targets.back();
    return true;
  });
  std::set<std::map<std::vector<Token>, Token>> distinct;
  for (const auto& [a, row] : rows) distinct.insert(row);
  return Index(distinct.size());
}

TEST(PartitionSearch, FindsTheMostRowsOfRandomFunctions) {
  for (const auto& [q, n] : {std::pair<Index, Index>{2, 6}, {3, 4}, {2, 7}}) {
    const AnyFunction task = random_function(std::uint64_t(n), q, n == 7 ? 3 : 2);
    Index most = 0;
    for (std::uint64_t alice = 0; alice < std::uint64_t{1} << n; ++alice)
      most = std::max(most, brute_rows(task, n, alice));
    const std::vector<Evidence> found = search_one_layer(ask(task, n), Measure::rows);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].count, long(most));
    EXPECT_TRUE(found[0].exact);
    Index prefix = 0;
    for (Index t = 0; t <= n; ++t)
      prefix = std::max(prefix, brute_rows(task, n, (std::uint64_t{1} << t) - 1));
    EXPECT_EQ(search_one_layer(ask(task, n), Measure::prefix_rows)[0].count, long(prefix));
  }
}

/// A promise: only inputs with as many ones as zeros, and some that are not asked.
AnyFunction promise() {
  return AnyFunction(
      2,
      [](std::span<const Token> t) {
        if (t[0] == 1 && t[1] == 1 && t[2] == 1) return kIgnore;
        Rng rng(9, RngUse::test, code_of(t, 2));
        return Token(rng.below(2));
      },
      [](std::span<const Token> t) {
        return std::count(t.begin(), t.end(), 1) == Index(t.size()) / 2;
      });
}

TEST(PartitionSearch, PromisesGiveSoundRowsThatCheck) {
  const AnyFunction task = promise();
  for (const Measure measure : {Measure::rows, Measure::prefix_rows, Measure::leaves}) {
    const Evidence found = search_one_layer(ask(task, 8), measure)[0];
    EXPECT_FALSE(found.exact);
    EXPECT_GE(found.count, 2);
    const WitnessCheck check = check_witness(ask(task, 8), as_bound(found, 8));
    EXPECT_TRUE(check.valid) << check.how;
    Bound exact = as_bound(found, 8);
    exact.exact = true;
    EXPECT_FALSE(check_witness(ask(task, 8), exact).valid);
  }
}

TEST(Inequalities, TheSmallestWidthIsTheSmallest) {
  for (const auto arithmetic :
       {OneLayerArithmetic::fixed_shifted, OneLayerArithmetic::fixed_unshifted,
        OneLayerArithmetic::streaming, OneLayerArithmetic::margin})
    for (const Index heads : {1, 2, 7})
      for (const Index needed : {0, 1, 40, 777, 10000}) {
        OneLayerNumbers numbers;
        numbers.heads = heads;
        const OneLayerClaim claim{arithmetic, 100, 1, needed, "x | y"};
        const Inequality free = one_layer_inequality(numbers, claim);
        EXPECT_EQ(free.satisfied, std::nullopt);
        ASSERT_EQ(free.smallest_width % heads, 0);
        numbers.value_width = free.smallest_width / heads;
        EXPECT_EQ(one_layer_inequality(numbers, claim).satisfied, true) << free.formula;
        if (--numbers.value_width == 0) continue;
        EXPECT_EQ(one_layer_inequality(numbers, claim).satisfied, false) << free.formula;
      }
}

TEST(Inequalities, ByHand) {
  OneLayerNumbers n;  // p = 32, H = 1, V = 1, S = 16, Lambda = 1, mu = 0.5
  const auto least = [&](OneLayerArithmetic a, Index needed, Index tokens) {
    return one_layer_inequality(n, {a, tokens, 1, needed, ""}).smallest_width;
  };
  EXPECT_EQ(least(OneLayerArithmetic::streaming, 1024, 2048), 30);
  EXPECT_EQ(least(OneLayerArithmetic::fixed_shifted, 1025, 2048), 22);
  EXPECT_EQ(least(OneLayerArithmetic::fixed_unshifted, 1024, 2048), 23);  // 24 * 43 = 1032
  // ceil(log2(4 + 1)) = 3 bits a value, ceil(log2(ceil(36.6) + 1)) = 6 for the weight.
  EXPECT_EQ(least(OneLayerArithmetic::margin, 50, 100), 15);
  n.heads = 2;
  EXPECT_EQ(least(OneLayerArithmetic::streaming, 1024, 2048), 28);
  n.margin = 0;
  EXPECT_THROW(least(OneLayerArithmetic::margin, 50, 100), Error);
}

}  // namespace
}  // namespace separatrix::one_layer
