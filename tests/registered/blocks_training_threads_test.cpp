// Every block in a model that trains: the same bits with any number of threads, finite numbers, and
// no allocation once the first step is done.

#include <cmath>

#include <gtest/gtest.h>

#include "separatrix/train/shards.h"
#include "tests/support/allocations.h"
#include "tests/support/block_cases.h"
#include "tests/support/tiny_trial.h"

namespace separatrix {
namespace {

using test::BlockCase;

/// The block, then an MLP: of an odd width where the block allows it.
TrialSpec trial_with(const BlockCase& c) {
  TrialSpec spec = tiny_trial();
  spec.model.d_model = 3 * c.divisor + (c.divisor == 1 ? 4 : 0);
  spec.model.layers = {{.block = c.block, .config = c.config}, {.block = "mlp"}};
  spec.model = resolve(spec.model, all_blocks());
  spec.train.steps = 20;
  spec.train.eval_every = 10;
  return spec;
}

class BlocksTraining : public testing::TestWithParam<BlockCase> {};

TEST_P(BlocksTraining, ThreadsChangeNoBitAndNumbersStayFinite) {
  TrialSpec spec = trial_with(GetParam());
  spec.train.shards = 3;
  const TrialResult one = train_tiny(spec, {.threads = 1}), two = train_tiny(spec, {.threads = 2});
  EXPECT_EQ(one.weights.values, two.weights.values);
  EXPECT_EQ(one.last.step, 20);
  for (const float w : one.weights.values) ASSERT_TRUE(std::isfinite(w));
  const Weights start = initialize(spec.model, all_blocks(), spec.seed);
  EXPECT_NE(one.weights.values, start.values);
}

TEST_P(BlocksTraining, AStepAllocatesNothing) {
  const TrialSpec spec = trial_with(GetParam());
  const auto task = all_tasks().make(spec.task, spec.task_config);
  const Weights w = initialize(spec.model, all_blocks(), 3);
  std::vector<float> dw(w.values.size(), 0);
  Batch batch;
  Rng rng(5);
  sample_batch(*task, spec.length, 9, Portion::any, 0, rng, batch);
  Model model(spec.model, all_blocks());
  model.forward_backward(w.values, batch, {0, batch.B, 1}, dw);
  const std::size_t before = test::allocations();
  model.forward_backward(w.values, batch, {0, batch.B, 1}, dw);
  EXPECT_EQ(test::allocations(), before);
}

INSTANTIATE_TEST_SUITE_P(All, BlocksTraining, testing::ValuesIn(test::block_cases()));

}  // namespace
}  // namespace separatrix
