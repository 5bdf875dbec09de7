#include <gtest/gtest.h>

#include "separatrix/lab/models.h"
#include "separatrix/lab/summary.h"
#include "tests/support/trials.h"

namespace separatrix {
namespace {

const Catalogue& catalogue() {
  static const Catalogue kCatalogue = Catalogue::builtin();
  return kCatalogue;
}

StoredTrial trial(double lr, std::uint64_t seed, TrialStatus status, const Json& result = {}) {
  StoredTrial t;
  t.spec = stored_trial(seed);
  t.spec.task_config = {{"alphabet", 4}, {"query", "last"}};
  t.spec.train.lr = lr;
  t.status = status;
  if (!result.is_null()) t.result = result;
  return t;
}

Json done(const char* outcome, double token, Index step) {
  return {{"outcome", outcome},      {"step", step},
          {"train_loss", 0.5},       {"seconds", 2.0},
          {"token_accuracy", token}, {"sequence_accuracy", token / 2}};
}

/// One setting of six seeds that ended in every possible way.
std::vector<StoredTrial> mixed() {
  std::vector<StoredTrial> trials = {
      trial(1e-3, 0, TrialStatus::done, done("solved", 1.0, 400)),
      trial(1e-3, 1, TrialStatus::done, done("solved", 0.99, 100)),
      trial(1e-3, 2, TrialStatus::done, done("unsolved", 0.25, 900)),
      trial(1e-3, 3, TrialStatus::diverged, {{"outcome", "diverged"}, {"token_accuracy", nullptr}}),
      trial(1e-3, 4, TrialStatus::failed),
      trial(1e-3, 5, TrialStatus::pending)};
  trials[4].error = "disk full";
  return trials;
}

TEST(Wilson, KnownIntervals) {
  const auto near = [](Index k, Index n, double low, double high) {
    EXPECT_NEAR(wilson_interval(k, n).low, low, 5e-5) << k << "/" << n;
    EXPECT_NEAR(wilson_interval(k, n).high, high, 5e-5) << k << "/" << n;
  };
  near(0, 10, 0, 0.27753);
  near(10, 10, 0.72247, 1);
  near(5, 10, 0.23659, 0.76341);
  near(1, 1, 0.20654, 1);
  near(81, 263, 0.25527, 0.36621);  // Newcombe 1998, table I
  EXPECT_EQ(wilson_interval(0, 0).low, 0);
  EXPECT_EQ(wilson_interval(0, 0).high, 1);
  EXPECT_EQ(wilson_interval(0, 7).low, 0);
  EXPECT_EQ(wilson_interval(7, 7).high, 1);
}

TEST(Settings, SeedsAreCountedByHowTheyEnded) {
  const std::vector<StoredTrial> trials = mixed();
  const std::vector<Setting> settings = settings_of(trials, catalogue());
  ASSERT_EQ(settings.size(), 1U);
  const Setting& s = settings.front();
  EXPECT_EQ(s.trials, (std::vector<std::size_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(s.seeds, 6);
  EXPECT_EQ(s.solved, 2);
  EXPECT_EQ(s.diverged, 1);
  EXPECT_EQ(s.failed, 1);
  EXPECT_EQ(s.unfinished, 1);
  EXPECT_EQ(s.ended(), 4);
  EXPECT_EQ(s.success_fraction(), 0.5);
  EXPECT_EQ(s.success_interval().low, wilson_interval(2, 4).low);
  EXPECT_FALSE(s.works());
  EXPECT_EQ(s.median_steps, 250);
  EXPECT_EQ(s.seconds, 6);
  EXPECT_EQ(s.model, "lstm");
  EXPECT_EQ(s.layers, 1);
  EXPECT_EQ(s.width, 8);
  EXPECT_EQ(s.state_bits, 2 * 8 * 32);  // from the spec, as no result says so
  EXPECT_GT(s.parameters, 4 * 8 * 16);
}

TEST(Settings, AnOlderResultGivesTheTrainedLengthAndTheTaskItsChance) {
  const std::vector<StoredTrial> trials = mixed();
  const Setting s = settings_of(trials, catalogue()).front();
  ASSERT_EQ(s.lengths.size(), 1U);
  EXPECT_EQ(s.lengths[0].chance, 0.25);
  const Spread& token = s.final("token_accuracy");
  EXPECT_EQ(token.n, 3);  // null is no number
  EXPECT_NEAR(token.mean, (1 + 0.99 + 0.25) / 3, 1e-12);
  EXPECT_EQ(token.min, 0.25);
  EXPECT_EQ(token.max, 1);
  EXPECT_NEAR(s.final("scaled_accuracy").min, 0, 1e-12);
  EXPECT_EQ(s.final("scaled_accuracy").max, 1);
  EXPECT_EQ(s.final("sequence_accuracy").max, 0.5);
  EXPECT_EQ(s.final("cross_entropy").n, 0);
}

TEST(Settings, MetricsOfFurtherLengthsAreSpreadOverSeeds) {
  std::vector<StoredTrial> trials;
  for (const double a : {0.5, 0.7}) {
    Json result = done("unsolved", a, 10);
    result["state_bits"] = nullptr;
    result["parameters"] = 77;
    result["metrics"] = {
        {{"length", 4}, {"token_accuracy", a}, {"chance", 0.2}, {"scaled_accuracy", a - 0.1}},
        {{"length", 16}, {"token_accuracy", a / 2}, {"scaled_accuracy", nullptr}, {"chance", 0.1}},
        {{"length", 8}, {"token_accuracy", nullptr}, {"cross_entropy", 2 * a}}};
    trials.push_back(trial(1e-3, trials.size(), TrialStatus::done, result));
  }
  const Setting s = settings_of(trials, catalogue()).front();
  ASSERT_EQ(s.lengths.size(), 3U);
  EXPECT_EQ(s.lengths[0].length, 4);
  EXPECT_EQ(s.lengths[1].length, 8);
  EXPECT_EQ(s.lengths[2].length, 16);
  EXPECT_EQ(s.lengths[0].chance, 0.2);
  EXPECT_EQ(s.final("scaled_accuracy").max, 0.6);
  EXPECT_EQ(s.lengths[1].metric("token_accuracy").n, 0);
  EXPECT_EQ(s.lengths[1].metric("cross_entropy").mean, 1.2);
  EXPECT_NEAR(s.lengths[2].metric("scaled_accuracy").max, (0.35 - 0.1) / 0.9, 1e-12);
  EXPECT_FALSE(s.state_bits);  // null: it keeps all positions
  EXPECT_EQ(s.parameters, 77);
}

TEST(Settings, TasksAndModelsThisVersionLacksAreShownAllTheSame) {
  StoredTrial t = trial(1e-3, 0, TrialStatus::done, {{"solved", true}});
  t.spec.task = "from-the-future";
  t.spec.model.layers = {{"hyena"}, {"mlp"}, {"hyena"}, {"mlp"}};
  const Setting s = settings_of(std::vector{t}, catalogue()).front();
  EXPECT_EQ(s.model, "hyena");
  EXPECT_EQ(s.layers, 2);
  EXPECT_EQ(s.solved, 1);
  EXPECT_FALSE(s.lengths[0].chance);
  EXPECT_FALSE(s.state_bits);
  EXPECT_FALSE(s.parameters);
  EXPECT_FALSE(s.median_steps);
  EXPECT_EQ(s.final("token_accuracy").n, 0);
}

TEST(Cells, TheBestRateHasMostSolvedSeedsThenAccuracyThenIsSmaller) {
  const auto best_of = [](std::vector<std::vector<double>> accuracies_by_rate) {
    std::vector<StoredTrial> trials;
    double lr = 1;
    for (const auto& seeds : accuracies_by_rate) {
      lr /= 10;  // descending, to be put in order
      for (std::size_t i = 0; i < seeds.size(); ++i)
        trials.push_back(
            trial(lr, i, TrialStatus::done,
                  done(seeds[i] > 0.9 ? "solved" : "unsolved", seeds[i], Index(i) + 1)));
    }
    const std::vector<Cell> cells = cells_of(trials, catalogue());
    EXPECT_EQ(cells.size(), 1U);
    return cells.front();
  };
  const Cell solved = best_of({{0.95, 0.95, 0}, {0.95, 0.89, 0.89}, {1, 1, 1}, {0, 0, 0}});
  EXPECT_NEAR(solved.best().lr, 1e-3, 1e-12);
  ASSERT_EQ(solved.settings.size(), 4U);
  EXPECT_LT(solved.settings[0].lr, solved.settings[1].lr);
  EXPECT_NEAR(solved.lr_min.value(), 1e-3, 1e-12);
  EXPECT_NEAR(solved.lr_max.value(), 1e-1, 1e-12);
  EXPECT_EQ(solved.count(&Setting::solved), 6);
  const Cell accuracy = best_of({{0.5, 0.6}, {0.5, 0.7}, {0.1, 0.8}});
  EXPECT_NEAR(accuracy.best().lr, 1e-2, 1e-12);
  EXPECT_FALSE(accuracy.lr_min);
  EXPECT_NEAR(best_of({{0.5}, {0.5}, {0.5}}).best().lr, 1e-3, 1e-12);
  // A rate that has measured nothing is never the best beside one that has.
  std::vector<StoredTrial> trials = {trial(1e-4, 0, TrialStatus::pending),
                                     trial(1e-3, 0, TrialStatus::done, done("unsolved", 0, 9))};
  EXPECT_EQ(cells_of(trials, catalogue()).front().best().lr, 1e-3);
}

TEST(Cells, WidthsLengthsAndTasksAreApart) {
  std::vector<StoredTrial> trials(4, trial(1e-3, 0, TrialStatus::pending));
  trials[1].spec.model.d_model = 16;
  trials[2].spec.length = 6;
  trials[3].spec.task_config["alphabet"] = 8;
  const std::vector<Cell> cells = cells_of(trials, catalogue());
  ASSERT_EQ(cells.size(), 4U);
  EXPECT_EQ(cells[0].best().task_label, "index-lookup, alphabet 4");
  EXPECT_EQ(cells[3].best().task_label, "index-lookup, alphabet 8");
  for (const Cell& cell : cells) EXPECT_EQ(cell.best().model_label, "lstm");
}

TEST(Labels, NameWhatDiffersAndNothingElse) {
  std::vector<StoredTrial> trials(5, trial(1e-3, 0, TrialStatus::pending));
  const auto lstm = [](Index n, const Json& config) {
    return std::vector<LayerSpec>(std::size_t(n), LayerSpec{"lstm", config, false});
  };
  trials[1].spec.model.layers = lstm(2, Json::object());
  trials[2].spec.model.layers = lstm(1, {{"forget_bias", 1.5}});
  trials[3].spec.model.layers = {{"attention"}, {"mlp", {{"d_ff", 32}}}};
  trials[4].spec = trials[3].spec;
  trials[4].spec.model.d_model = 16;  // and everything that follows from it
  trials[4].spec.model.layers = {{"attention"}, {"mlp", {{"d_ff", 64}}}};
  std::vector<std::string> labels;
  for (const Setting& s : settings_of(trials, catalogue())) labels.push_back(s.model_label);
  EXPECT_EQ(labels, (std::vector<std::string>{
                        "lstm, 1 layer, forget_bias default", "lstm, 2 layers, forget_bias default",
                        "lstm, 1 layer, forget_bias 1.5", "transformer", "transformer"}));
}

TEST(Labels, TrainingThatDiffersBesideTheRateIsNamed) {
  std::vector<StoredTrial> trials = {trial(1e-3, 0, TrialStatus::pending),
                                     trial(1e-2, 0, TrialStatus::pending)};
  trials[1].spec.train.warmup = 7;
  const std::vector<Cell> cells = cells_of(trials, catalogue());
  ASSERT_EQ(cells.size(), 2U);
  EXPECT_EQ(cells[0].best().model_label, "lstm, warmup 100");
  EXPECT_EQ(cells[1].best().model_label, "lstm, warmup 7");
}

TEST(ModelShape, EveryFamilyAtAnyDepthIsCalledByItsName) {
  const TaskInfo info{.vocab_size = 8, .n_classes = 4, .n_tokens = 5, .reference = {}};
  for (const ModelFamily& family : model_families())
    for (const Index layers : {1, 3}) {
      const ModelSpec spec =
          named_model({family.name, {.layers = layers, .d_model = 8}}, info, catalogue().blocks);
      EXPECT_EQ(model_shape(spec).name, family.name);
      EXPECT_EQ(model_shape(spec).layers, layers);
    }
  ModelSpec hybrid;
  hybrid.layers = {{"attention"}, {"mlp"}, {"lstm"}, {"attention"}, {"mlp"}, {"lstm"}};
  EXPECT_EQ(model_shape(hybrid).name, "attention+lstm");
  EXPECT_EQ(model_shape(hybrid).layers, 2);
  hybrid.layers = {{"mlp"}, {"mlp"}};
  EXPECT_EQ(model_shape(hybrid).name, "mlp");
  EXPECT_EQ(model_shape(ModelSpec{}).layers, 0);
}

}  // namespace
}  // namespace separatrix
