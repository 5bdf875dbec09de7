// What the draws and batches of every registered task must keep.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "separatrix/base/hash.h"
#include "separatrix/tasks/batch.h"
#include "tests/support/task_cases.h"

namespace separatrix {
namespace {

using test::Case;
using test::cases;
using test::Tasks;
using Tokens = test::Tokens;

TEST_F(Tasks, SamplesAreInstancesAndReachEveryOneOfThem) {
  for_each_small([](const Task& task, Index length) {
    const std::set<Tokens> all = instances(task, length);
    const bool few = all.size() <= 150;
    std::set<Tokens> seen;
    Rng rng(3);
    for (Index i = 0; i < (few ? 12000 : 300); ++i) {
      const Tokens tokens = draw(task, length, rng);
      ASSERT_TRUE(all.count(tokens)) << testing::PrintToString(tokens);
      seen.insert(tokens);
    }
    if (few) {
      EXPECT_EQ(seen.size(), all.size());
    }
  });
}

// Chance is the share of the most frequent class, and every class that exists is drawn.
TEST_F(Tasks, SamplesAreBalancedAsChanceSays) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.task + " " + c.config.dump());
    const auto task = make(c);
    std::vector<Index> lengths = c.small;
    lengths.push_back(c.sampled);
    std::set<Token> existing;
    for (const Tokens& tokens : instances(*task, c.small.back()))
      for (const Token target : label(*task, tokens)) existing.insert(target);
    existing.erase(kIgnore);
    for (const Index length : lengths) {
      constexpr int kDraws = 4000;
      Rng rng(17, RngUse::test, std::uint64_t(length));
      std::map<Token, double> share;
      double asked = 0;
      for (int i = 0; i < kDraws; ++i)
        for (const Token target : label(*task, draw(*task, length, rng)))
          if (target != kIgnore) ++share[target], ++asked;
      double best = 0;
      for (const auto& [target, count] : share) best = std::max(best, count / asked);
      const double p = task->chance(length);
      EXPECT_NEAR(best, p, 4.5 * std::sqrt(p * (1 - p) / kDraws) + 1e-9) << "length " << length;
      if (length < c.sampled) continue;
      std::set<Token> drawn;
      for (const auto& [target, count] : share) drawn.insert(target);
      EXPECT_TRUE(std::includes(drawn.begin(), drawn.end(), existing.begin(), existing.end()));
    }
  }
}

TEST_F(Tasks, DrawsDependOnTheSeedOnly) {
  for (const Case& c : cases()) {
    const auto one = make(c), two = make(c);
    Rng a(5), b(5), other(6);
    bool differs = false;
    for (int i = 0; i < 50; ++i) {
      const Tokens tokens = draw(*one, c.sampled, a);
      EXPECT_EQ(tokens, draw(*two, c.sampled, b)) << c.task;
      differs = differs || tokens != draw(*one, c.sampled, other);
    }
    EXPECT_EQ(differs, has_choice(*one, c.sampled)) << c.task;
  }
}

TEST_F(Tasks, BatchesKeepEvaluationInputsOutOfTraining) {
  constexpr Index kHoldout = 4;
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.task + " " + c.config.dump());
    const auto task = make(c);
    Rng rng(1);
    Batch batch;
    if (!has_choice(*task, c.sampled)) {  // it belongs to one of the two
      Index refused = 0;
      for (const Portion portion : {Portion::training, Portion::evaluation}) try {
          sample_batch(*task, c.sampled, 30, portion, kHoldout, rng, batch);
        } catch (const Error& e) {
          ++refused;
          EXPECT_EQ(e.where(), "holdout");
        }
      EXPECT_EQ(refused, 1);
      continue;
    }
    for (const Portion portion : {Portion::training, Portion::evaluation}) {
      sample_batch(*task, c.sampled, 30, portion, kHoldout, rng, batch);
      ASSERT_EQ(batch.B, 30);
      ASSERT_EQ(batch.T, task->info(c.sampled).n_tokens);
      for (Index b = 0; b < batch.B; ++b) {
        const auto row = batch.row(b), targets = batch.target_row(b);
        EXPECT_EQ(hash_tokens(row) % kHoldout == 0, portion == Portion::evaluation);
        EXPECT_EQ(Tokens(targets.begin(), targets.end()),
                  label(*task, Tokens(row.begin(), row.end())));
      }
    }
  }
}

TEST_F(Tasks, AnInputSpaceTooSmallToDivideIsAnError) {
  const auto task = registry_.make("index-lookup", {{"alphabet", 2}});
  Rng rng(1);
  Batch batch;
  try {
    sample_batch(*task, 1, 1, Portion::evaluation, Index{1} << 40, rng, batch);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::spec);
    EXPECT_EQ(e.where(), "holdout");
  }
  EXPECT_NO_THROW(sample_batch(*task, 1, 8, Portion::any, Index{1} << 40, rng, batch));
  EXPECT_NO_THROW(sample_batch(*task, 1, 8, Portion::evaluation, 0, rng, batch));
}

}  // namespace
}  // namespace separatrix
