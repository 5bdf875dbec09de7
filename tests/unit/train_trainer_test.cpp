#include <cmath>

#include <gtest/gtest.h>

#include "separatrix/train/trainer.h"
#include "tests/support/tiny_trial.h"

namespace separatrix {
namespace {

TEST(Train, LearnsIndexLookup) {
  TrialSpec spec = tiny_trial();
  spec.model.d_model = 16;
  spec.train.steps = 3000;
  spec.train.batch_size = 32;
  spec.train.eval_every = 50;
  const TrialResult result = train_tiny(spec);
  EXPECT_EQ(result.outcome, Outcome::solved);
  EXPECT_GE(result.last.token_accuracy, spec.train.target_accuracy);
  EXPECT_LT(result.last.step, 3000);
  // Held over two evaluations before it was called solved.
  ASSERT_GE(result.curve.size(), 2U);
  EXPECT_GE(result.curve[result.curve.size() - 2].token_accuracy, spec.train.target_accuracy);
}

TEST(Train, UnsolvedIsSaidWhenTheStepsAreSpent) {
  const TrialResult result = train_tiny(tiny_trial());
  EXPECT_EQ(result.outcome, Outcome::unsolved);
  EXPECT_EQ(result.last.step, 60);
  EXPECT_EQ(result.curve.size(), 3U);
  EXPECT_NEAR(result.curve[0].train_loss, std::log(4), 1.5);
}

TEST(Train, AHopelessRunEndsAtTheFirstEvaluationAfterTheStep) {
  TrialSpec spec = tiny_trial();
  const TrialResult whole = train_tiny(spec);
  EXPECT_FALSE(whole.gave_up);
  double best = 0;  // scaled; four classes
  for (const CurvePoint& point : whole.curve)
    if (point.step <= 40) best = std::max(best, (point.token_accuracy - 0.25) / 0.75);
  spec.train.give_up_after = 21;
  spec.train.give_up_below = best + 0.01;
  const TrialResult result = train_tiny(spec);
  EXPECT_TRUE(result.gave_up);
  EXPECT_EQ(result.outcome, Outcome::unsolved);
  EXPECT_EQ(result.last.step, 40);
  ASSERT_EQ(result.curve.size(), 2U);  // up to there the same run
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(to_json(result.curve[i]), to_json(whole.curve[i]));
  EXPECT_EQ(result.metrics.size(), 1U);
}

TEST(Train, ARunThatOnceReachedTheThresholdIsNotGivenUp) {
  TrialSpec spec = tiny_trial();
  const TrialResult whole = train_tiny(spec);
  const double first = (whole.curve[0].token_accuracy - 0.25) / 0.75;  // scaled; four classes
  ASSERT_GT(first, 0.01);
  spec.train.give_up_after = 60;  // the last step: nothing would be saved
  EXPECT_FALSE(train_tiny(spec).gave_up);
  spec.train.give_up_after = 40;
  spec.train.give_up_below = 1;
  EXPECT_TRUE(train_tiny(spec).gave_up);
  spec.train.give_up_below = first - 0.005;
  const TrialResult kept = train_tiny(spec);
  EXPECT_FALSE(kept.gave_up);
  EXPECT_EQ(kept.weights.values, whole.weights.values);
}

TEST(Train, DivergenceIsAResultAndKeepsSoundWeights) {
  TrialSpec spec = tiny_trial();
  spec.model.norm = "none";
  spec.model.layers[0].residual = spec.model.layers[1].residual = true;
  spec.train.lr = 900;
  spec.train.weight_decay = 1;  // each step multiplies the weights by -899
  spec.train.warmup = 0;
  spec.train.clip_norm = 0;
  spec.train.steps = 2000;
  const TrialResult result = train_tiny(spec);
  EXPECT_EQ(result.outcome, Outcome::diverged);
  EXPECT_LT(result.last.step, 2000);
  for (const float w : result.weights.values) ASSERT_TRUE(std::isfinite(w));
}

TEST(Train, GivenEmbeddingsStay) {
  TrialSpec spec = tiny_trial();
  spec.model.embedding = "given";
  spec.train.weight_decay = 0.1;
  const Weights before = initialize(spec.model, all_blocks(), spec.seed);
  const Weights after = train_tiny(spec).weights;
  for (const char* name : {"embedding", "positions"}) {
    const auto a = before[name], b = after[name];
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin())) << name;
  }
  EXPECT_FALSE(std::equal(before["head"].begin(), before["head"].end(), after["head"].begin()));
}

TEST(Train, TheSeedDecides) {
  TrialSpec spec = tiny_trial();
  const TrialResult a = train_tiny(spec);
  EXPECT_EQ(train_tiny(spec).weights.values, a.weights.values);
  spec.seed = 1;
  EXPECT_NE(train_tiny(spec).weights.values, a.weights.values);
}

TEST(Train, AModelTooSmallForTheTaskIsAnError) {
  for (const char* field : {"vocab_size", "n_classes", "max_length"}) {
    TrialSpec spec = tiny_trial();
    Json model = write_model_spec(spec.model);
    model[field] = 2;
    spec.model = read_model_spec(model, "");
    try {
      train_tiny(spec);
      ADD_FAILURE() << field;
    } catch (const Error& e) {
      EXPECT_EQ(e.where(), std::string("model/") + field);
    }
  }
}

TEST(Evaluate, ChanceForAnUntrainedModelAndTheStreamDecides) {
  const TrialSpec spec = tiny_trial();
  const auto task = all_tasks().make(spec.task, spec.task_config);
  const Weights w = initialize(spec.model, all_blocks(), 0);
  Model model(spec.model, all_blocks());
  EvaluateConfig config{.length = spec.length, .examples = 2000};
  const Accuracy a = evaluate(model, w.values, *task, config);
  EXPECT_EQ(a.examples, 2000);
  EXPECT_NEAR(a.token, 0.25, 0.15);
  EXPECT_EQ(a.token, a.sequence);  // one asked position per input
  EXPECT_EQ(evaluate(model, w.values, *task, config).token, a.token);
  config.index = 1;
  EXPECT_NE(evaluate(model, w.values, *task, config).token, a.token);
}

}  // namespace
}  // namespace separatrix
