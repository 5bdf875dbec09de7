#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "separatrix/lab/search.h"
#include "separatrix/lab/separate.h"
#include "separatrix/nn/model.h"
#include "tests/support/temp_dir.h"

namespace separatrix {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Runs next_width to its end against a rule; the widths in the order in which they were tried.
std::vector<Index> widths_tried(const WidthRange& range, const std::function<bool(Index)>& solves) {
  std::map<Index, bool> known;
  std::vector<Index> tried;
  while (const auto width = next_width(range, known)) {
    EXPECT_TRUE(known.emplace(*width, solves(*width)).second) << "tried twice: " << *width;
    tried.push_back(*width);
  }
  return tried;
}

TEST(NextWidth, DoublesThenHalvesTheGap) {
  const WidthRange range{.smallest = 8, .largest = 64, .unit = 8};
  const auto from = [](Index least) { return [least](Index width) { return width >= least; }; };
  EXPECT_THAT(widths_tried(range, from(1)), ElementsAre(8));
  EXPECT_THAT(widths_tried(range, from(16)), ElementsAre(8, 16));
  EXPECT_THAT(widths_tried(range, from(24)), ElementsAre(8, 16, 32, 24));
  EXPECT_THAT(widths_tried(range, from(40)), ElementsAre(8, 16, 32, 64, 48, 40));
  EXPECT_THAT(widths_tried(range, from(56)), ElementsAre(8, 16, 32, 64, 48, 56));
  EXPECT_THAT(widths_tried(range, from(100)), ElementsAre(8, 16, 32, 64));
}

TEST(NextWidth, StaysOnTheGridAndTriesTheLargest) {
  const WidthRange odd{.smallest = 12, .largest = 60, .unit = 12};
  EXPECT_THAT(widths_tried(odd, [](Index) { return false; }), ElementsAre(12, 24, 48, 60));
  EXPECT_THAT(widths_tried(odd, [](Index w) { return w >= 36; }), ElementsAre(12, 24, 48, 36));
  EXPECT_THAT(widths_tried({.smallest = 5, .largest = 5, .unit = 1}, [](Index) { return false; }),
              ElementsAre(5));
  // Every threshold is found exactly, in about twice the logarithm.
  for (Index least = 1; least <= 300; ++least) {
    const WidthRange fine{.smallest = 1, .largest = 300, .unit = 1};
    const auto tried = widths_tried(fine, [&](Index w) { return w >= least; });
    EXPECT_TRUE(std::count(tried.begin(), tried.end(), least)) << least;
    EXPECT_TRUE(least == 1 || std::count(tried.begin(), tried.end(), least - 1)) << least;
    EXPECT_LE(tried.size(), 18u);
  }
}

TEST(NextWidth, WhatIsSolvedBelowAnUnsolvedWidthIsNotLookedFor) {
  // The assumption that the header states: 40 solves, 48 does not, and the search answers 56.
  const WidthRange range{.smallest = 8, .largest = 64, .unit = 8};
  EXPECT_THAT(widths_tried(range, [](Index w) { return w == 40 || w >= 56; }),
              ElementsAre(8, 16, 32, 64, 48, 56));
}

/// Decides trials by rule instead of by training.
class Fake {
 public:
  using Rule = std::function<Json(const TrialSpec&)>;  ///< a result; null: the trial failed

  explicit Fake(Rule rule) : rule_(std::move(rule)) {}

  SearchSpec spec() const {
    SearchModel model{.label = "mlp", .trial = [](Index width) {
                        TrialSpec trial;
                        trial.task = "index-lookup";
                        trial.length = 4;
                        trial.model = {.vocab_size = 4,
                                       .n_classes = 4,
                                       .d_model = width,
                                       .max_length = 5,
                                       .positions = "none",
                                       .norm = "none",
                                       .layers = {{"lstm"}}};
                        trial.model = resolve(trial.model, Catalogue::builtin().blocks);
                        trial.train.steps = 100;
                        return trial;
                      }};
    return {.config = config, .models = {model}, .seed = 0};
  }

  /// Ends at most `most` trials that are still open, the newest first: order must not matter.
  void work(Store& store, Index most = 1000) {
    auto trials = store.trials("x");
    std::reverse(trials.begin(), trials.end());
    for (const StoredTrial& trial : trials) {
      if (trial.status != TrialStatus::pending || most-- <= 0) continue;
      const Json result = rule_(trial.spec);
      widths.insert(trial.spec.model.d_model);
      if (result.is_null())
        store.finish(trial.id, TrialStatus::failed, Json::object(), "out of luck");
      else
        store.finish(trial.id, TrialStatus::done, result);
    }
  }

  SearchConfig config{.smallest = 8, .largest = 64, .step = 8, .lrs = {3e-3, 1e-3}, .seeds = 3};
  std::set<Index> widths;

 private:
  Rule rule_;
};

Json solved(Index step) { return {{"solved", true}, {"step", step}, {"token_accuracy", 1.0}}; }
Json unsolved(double accuracy, bool gave_up = false) {
  return {{"solved", false}, {"step", 100}, {"token_accuracy", accuracy}, {"gave_up", gave_up}};
}

LearnedAt run_fake(Fake& fake, std::vector<std::string>* lines = nullptr) {
  const TempDir dir;
  Store store(dir / "s.db");
  const Catalogue catalogue = Catalogue::builtin();
  ThresholdSearch search(fake.spec(), catalogue, "x");
  const auto say = [&](const std::string& line) {
    if (lines) lines->push_back(line);
  };
  search.advance(store, say);
  for (int round = 0; !search.finished() && round < 1000; ++round) {
    fake.work(store, 1);
    search.advance(store, say);
  }
  EXPECT_TRUE(search.finished());
  return search.learned().front();
}

TEST(ThresholdSearch, ReportsTheSmallestWidthWithWhatWorkedThere) {
  // From width 24 on: two of three seeds at 1e-3, all three at 3e-3 but more slowly.
  Fake fake([](const TrialSpec& trial) {
    if (trial.model.d_model < 24) return unsolved(0.3, trial.model.d_model == 8);
    if (trial.train.lr == 1e-3 && trial.seed == 0) return unsolved(0.9);
    return solved(Index(trial.seed + 1) * (trial.train.lr == 1e-3 ? 10 : 20));
  });
  std::vector<std::string> lines;
  const LearnedAt learned = run_fake(fake, &lines);
  EXPECT_THAT(fake.widths, ElementsAre(8, 16, 24, 32));
  EXPECT_TRUE(learned.solved);
  EXPECT_EQ(learned.width, 24);
  EXPECT_EQ(learned.lr, 3e-3);
  EXPECT_EQ(learned.seeds_solved, 3);
  EXPECT_EQ(learned.seeds, 3);
  EXPECT_EQ(learned.lr_min, 1e-3);
  EXPECT_EQ(learned.lr_max, 3e-3);
  EXPECT_EQ(learned.steps_median, 40);
  EXPECT_EQ(learned.steps_min, 20);
  EXPECT_EQ(learned.steps_max, 60);
  EXPECT_NEAR(learned.success_low, 0.4385, 1e-3);  // Wilson, 3 of 3
  EXPECT_EQ(learned.success_high, 1);
  EXPECT_GT(learned.parameters, 0);
  EXPECT_EQ(learned.state_bits, 24 * 2 * 32);
  ASSERT_EQ(learned.tried.size(), 4u);
  EXPECT_FALSE(learned.tried[1].solved);
  EXPECT_EQ(learned.tried[0].count(&RateTried::gave_up), 6);
  EXPECT_EQ(learned.tried[2].rates[0].solved, 2);
  EXPECT_EQ(lines.front(),
            "mlp, width 8: not solved (0/3 seeds at lr 1e-3, 0/3 seeds at lr 3e-3; best accuracy "
            "30.00 %; 6 given up early)");
  EXPECT_EQ(lines.size(), 4u);
  const LearnedAt again = read_learned_at(to_json(learned));
  EXPECT_EQ(to_json(again), to_json(learned));
}

TEST(ThresholdSearch, TheBestRateHasMostSeedsThenAccuracyThenIsSmaller) {
  Fake fake([](const TrialSpec& trial) {
    if (trial.model.d_model == 8 && trial.train.lr == 3e-3) return unsolved(0.6);
    return unsolved(0.5);
  });
  fake.config.largest = 16;
  LearnedAt learned = run_fake(fake);
  EXPECT_EQ(learned.tried[0].best().lr, 3e-3);
  EXPECT_EQ(learned.tried[1].best().lr, 1e-3);  // equal
}

TEST(ThresholdSearch, SaysUpToWhereItWasNotSolved) {
  Fake fake([](const TrialSpec& trial) {
    return trial.seed == 0 ? solved(10) : unsolved(double(trial.model.d_model) / 100);
  });
  const LearnedAt learned = run_fake(fake);
  EXPECT_FALSE(learned.solved);
  EXPECT_EQ(learned.width, 64);
  EXPECT_EQ(learned.seeds_solved, 1);  // of three: short of two thirds
  EXPECT_EQ(learned.best_accuracy, 1.0);
  EXPECT_EQ(learned.lr_max, 0);
  EXPECT_EQ(learned.budget, "widths 8 to 64 by 8; learning rates 3e-3, 1e-3; 3 seeds; 100 steps");
}

TEST(ThresholdSearch, TheFractionDecides) {
  const auto one_of_three = [](const TrialSpec& trial) {
    return trial.seed == 0 ? solved(10) : unsolved(0.5);
  };
  Fake fake(one_of_three);
  fake.config.fraction = 1.0 / 3;
  EXPECT_EQ(run_fake(fake).width, 8);
  EXPECT_EQ((SearchConfig{.fraction = 2.0 / 3, .seeds = 3}.seeds_needed()), 2);
  EXPECT_EQ((SearchConfig{.fraction = 2.0 / 3, .seeds = 5}.seeds_needed()), 4);
  EXPECT_EQ((SearchConfig{.fraction = 1, .seeds = 7}.seeds_needed()), 7);
  EXPECT_EQ((SearchConfig{.fraction = 0.01, .seeds = 5}.seeds_needed()), 1);
}

TEST(ThresholdSearch, FailedAndDivergedTrialsCountAsUnsolvedAndAreSaid) {
  Fake fake([](const TrialSpec& trial) {
    return trial.model.d_model < 16 && trial.seed > 0 ? Json(nullptr) : solved(10);
  });
  std::vector<std::string> lines;
  const LearnedAt learned = run_fake(fake, &lines);
  EXPECT_EQ(learned.width, 16);
  EXPECT_THAT(learned.budget, HasSubstr("; 4 trials failed"));
  EXPECT_THAT(lines, testing::Contains(HasSubstr("out of luck")));
  EXPECT_THAT(lines.front(), HasSubstr("4 failed"));
}

TEST(ThresholdSearch, InterruptedAnywhereItEndsTheSame) {
  const auto rule = [](const TrialSpec& trial) {
    return trial.model.d_model >= 40 ? solved(10) : unsolved(0.1);
  };
  Fake undisturbed(rule);
  const Json whole = to_json(run_fake(undisturbed));
  const TempDir dir;
  Store store(dir / "s.db");
  const Catalogue catalogue = Catalogue::builtin();
  Fake fake(rule);
  Json last;
  for (int sitting = 0; sitting < 1000; ++sitting) {  // each sees two trials end, then is killed
    ThresholdSearch search(fake.spec(), catalogue, "x");
    search.advance(store, [](const std::string&) {});
    fake.work(store, 2);
    search.advance(store, [](const std::string&) {});
    last = to_json(search.learned().front());
    if (search.finished()) break;
  }
  EXPECT_EQ(last, whole);
  EXPECT_EQ(fake.widths, undisturbed.widths);
  EXPECT_EQ(store.trials("x").size(), 6u * fake.widths.size()) << "nothing is trained in vain";
}

TEST(ThresholdSearch, ItsCostIsThatOfTheLongestWay) {
  Fake fake([](const TrialSpec&) { return unsolved(0.1); });
  const Catalogue catalogue = Catalogue::builtin();
  CostEstimate estimate(catalogue, 0);
  SearchSpec spec = fake.spec();
  const SearchCost one = most_cost(spec, estimate);
  EXPECT_EQ(one.trials, 6 * 6);  // widths 8, 16, 32, 64, 48, 56
  EXPECT_EQ(one.seconds, 0);     // no time was given to measure any
  double operations = 0;
  for (const Index width : {8, 16, 32, 64, 48, 56})
    operations += 6 * estimate.operations(spec.models[0].trial(width));
  EXPECT_NEAR(one.operations, operations, 1e-6 * operations);
  spec.models.push_back(spec.models[0]);
  EXPECT_EQ(most_cost(spec, estimate).trials, 2 * one.trials);
}

TEST(ThresholdSearch, KeepsToTheHeads) {
  Fake fake([](const TrialSpec&) { return unsolved(0.1); });
  const Catalogue catalogue = Catalogue::builtin();
  SearchSpec spec = fake.spec();
  spec.models[0].multiple_of = 3;
  const WidthRange range = width_range(spec.config, spec.models[0]);
  EXPECT_EQ(range.smallest, 24);
  EXPECT_EQ(range.largest, 48);
  spec.models[0].multiple_of = 11;
  EXPECT_THROW(ThresholdSearch(spec, catalogue, "x"), Error);
}

TEST(ThresholdSearch, RefusesRangesThatMakeNoSense) {
  const auto refused = [](const auto& change) {
    SearchConfig config;
    change(config);
    try {
      check(config, "x.yaml#/search");
    } catch (const Error& error) {
      return error.where();
    }
    return std::string("nothing");
  };
  EXPECT_EQ(refused([](auto&) {}), "nothing");
  EXPECT_EQ(refused([](auto& c) { c.smallest = 0; }), "x.yaml#/search/smallest");
  EXPECT_EQ(refused([](auto& c) { c.largest = 4; }), "x.yaml#/search/largest");
  EXPECT_EQ(refused([](auto& c) { c.step = 0; }), "x.yaml#/search/step");
  EXPECT_EQ(refused([](auto& c) { c.fraction = 1.5; }), "x.yaml#/search/fraction");
  EXPECT_EQ(refused([](auto& c) { c.seeds = 0; }), "x.yaml#/search/seeds");
  EXPECT_EQ(refused([](auto& c) { c.lrs = {}; }), "x.yaml#/search/lrs");
  EXPECT_EQ(refused([](auto& c) { c.lrs = {1e-3, 1e-3}; }), "x.yaml#/search/lrs");
}

TEST(Budgets, SayTheirRuleForHopelessTrials) {
  const Budget quick = named_budget("quick");
  EXPECT_THAT(describe(quick.search, training(quick)),
              HasSubstr(std::to_string(quick.give_up_after) + " if scaled accuracy stays below"));
  EXPECT_EQ(training(named_budget("full")).give_up_after, 0);
  EXPECT_THROW(named_budget("qick"), Error);
}

}  // namespace
}  // namespace separatrix
