#include <algorithm>

#include <gtest/gtest.h>

#include "separatrix/train/batches.h"
#include "tests/support/tiny_trial.h"

namespace separatrix {
namespace {

class Batches : public testing::Test {
 protected:
  void SetUp() override {
    spec_.length = 30;  // long enough that no two inputs are alike
    spec_.train.examples = 20;
    spec_.train.batch_size = 8;
  }
  struct Seen {
    std::vector<std::vector<Token>> inputs;  ///< tokens and targets
    std::vector<Index> sizes;
  };
  /// Steps first .. end-1.
  Seen steps(Index first, Index end) const {
    const auto task = all_tasks().make(spec_.task, spec_.task_config);
    TrainingBatches batches(spec_, *task);
    Seen seen;
    for (Index step = first; step < end; ++step) {
      const Batch& batch = batches.at(step);
      seen.sizes.push_back(batch.B);
      for (Index b = 0; b < batch.B; ++b) {
        const auto tokens = batch.row(b), targets = batch.target_row(b);
        seen.inputs.emplace_back(tokens.begin(), tokens.end());
        seen.inputs.back().insert(seen.inputs.back().end(), targets.begin(), targets.end());
      }
    }
    return seen;
  }
  std::vector<std::vector<Token>> sorted(std::vector<std::vector<Token>> inputs) const {
    std::sort(inputs.begin(), inputs.end());
    return inputs;
  }

  TrialSpec spec_ = tiny_trial();
};

TEST_F(Batches, EveryEpochIsTheSameAndEndsWithWhatIsLeft) {
  const Seen first = steps(0, 3), second = steps(3, 6);
  EXPECT_EQ(first.sizes, (std::vector<Index>{8, 8, 4}));
  EXPECT_EQ(second.inputs, first.inputs);
  EXPECT_EQ(second.sizes, first.sizes);
  const auto all = sorted(first.inputs);
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
}

TEST_F(Batches, TheFirstEpochIsWhatFreshInputsWouldBe) {
  const Seen fixed = steps(0, 2);
  spec_.train.examples = 0;
  EXPECT_EQ(steps(0, 2).inputs, fixed.inputs);
  EXPECT_NE(steps(3, 5).inputs, fixed.inputs);
}

TEST_F(Batches, ShufflingChangesTheOrderInEachEpochAndNothingElse) {
  const Seen plain = steps(0, 3);
  spec_.train.shuffle = "epoch";
  const Seen a = steps(0, 3), b = steps(3, 6);
  EXPECT_EQ(a.sizes, plain.sizes);
  EXPECT_NE(a.inputs, plain.inputs);
  EXPECT_NE(b.inputs, a.inputs);
  EXPECT_EQ(sorted(a.inputs), sorted(plain.inputs));
  EXPECT_EQ(sorted(b.inputs), sorted(plain.inputs));
}

TEST_F(Batches, AStepDoesNotDependOnThoseBefore) {
  for (const char* shuffle : {"none", "epoch"}) {
    spec_.train.shuffle = shuffle;
    const Seen all = steps(0, 9), last = steps(7, 9);
    EXPECT_TRUE(std::equal(last.inputs.rbegin(), last.inputs.rend(), all.inputs.rbegin()));
  }
}

TEST_F(Batches, OneBatchMayHoldTheWholeSet) {
  spec_.train.batch_size = 64;
  EXPECT_EQ(steps(0, 2).sizes, (std::vector<Index>{20, 20}));
}

TEST_F(Batches, InputsSeenCountsPartialBatches) {
  const TrainConfig c = spec_.train;
  EXPECT_EQ(inputs_seen(c, 0), 0);
  EXPECT_EQ(inputs_seen(c, 2), 16);
  EXPECT_EQ(inputs_seen(c, 3), 20);
  EXPECT_EQ(inputs_seen(c, 7), 48);
  EXPECT_EQ(inputs_seen(TrainConfig{.batch_size = 8}, 7), 56);
}

}  // namespace
}  // namespace separatrix
