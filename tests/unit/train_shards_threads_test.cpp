#include <gtest/gtest.h>

#include "separatrix/train/shards.h"
#include "tests/support/tiny_trial.h"

namespace separatrix {
namespace {

TEST(Shards, TheThreadsChangeNoBit) {
  TrialSpec spec = tiny_trial();
  spec.train.shards = 4;
  const TrialResult one = train_tiny(spec, {.threads = 1});
  for (const int threads : {2, 3, 8})
    EXPECT_EQ(train_tiny(spec, {.threads = threads}).weights.values, one.weights.values) << threads;
}

TEST(Shards, TheGradientIsThatOfTheWholeBatch) {
  const TrialSpec spec = tiny_trial();
  const auto task = all_tasks().make(spec.task, spec.task_config);
  const Weights w = initialize(spec.model, all_blocks(), 3);
  Batch batch;
  Rng rng(5);
  sample_batch(*task, spec.length, 13, Portion::any, 0, rng, batch);
  ShardedGradient whole(spec.model, all_blocks(), 1, 1), parts(spec.model, all_blocks(), 5, 2);
  const auto a = whole.compute(w.values, batch), b = parts.compute(w.values, batch);
  EXPECT_EQ(a.asked, 13);
  EXPECT_EQ(b.asked, 13);
  EXPECT_NEAR(a.sum, b.sum, 1e-5 * a.sum);
  for (std::size_t i = 0; i < whole.gradient().size(); ++i)
    // Float sums of 13 terms in another order.
    EXPECT_NEAR(double(whole.gradient()[i]), double(parts.gradient()[i]), 1e-6) << i;
}

TEST(Shards, TheyArePartOfTheIdentity) {
  TrialSpec spec = tiny_trial();
  const std::string id = spec.id();
  spec.train.shards = 2;
  EXPECT_NE(spec.id(), id);
}

}  // namespace
}  // namespace separatrix
