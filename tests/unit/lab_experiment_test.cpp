#include <filesystem>
#include <functional>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "separatrix/lab/compare.h"
#include "separatrix/lab/experiment.h"
#include "separatrix/lab/recipes.h"
#include "separatrix/nn/model.h"

namespace separatrix {
namespace {

using testing::HasSubstr;

const Catalogue& catalogue() {
  static const Catalogue kCatalogue = Catalogue::builtin();
  return kCatalogue;
}

Experiment read(const std::string& text, const std::string& budget = "") {
  return read_experiment(parse_yaml(text, "x.yaml"), budget, catalogue());
}

/// What reading it throws; fails the test if nothing.
Error error_of(const std::string& text, const std::string& budget = "") {
  try {
    read(text, budget);
  } catch (const Error& e) {
    return e;
  }
  ADD_FAILURE() << "nothing was thrown by\n" << text;
  return {ErrorKind::usage, ""};
}

constexpr const char* kBase =
    "task: index-lookup\n"
    "task_config: {alphabet: 4}\n"
    "length: [4, 6]\n"
    "model:\n"
    "  - {family: transformer, d_model: 8}\n"
    "  - {family: lstm, d_model: [4, 8]}\n"
    "train: {steps: 20, lr: {best_of: [1e-3, 3e-3]}}\n"
    "seed: [0, 1, 2]\n";

TEST(Experiment, MultipliesItsLists) {
  const Experiment e = read(kBase);
  EXPECT_EQ(e.name, "x");
  ASSERT_EQ(e.trials.size(), 2U * 3 * 2 * 3);
  std::set<std::string> ids;
  std::set<double> lrs;
  std::set<Index> widths, lengths;
  for (const TrialSpec& spec : e.trials) {
    ids.insert(spec.id());
    lrs.insert(spec.train.lr);
    widths.insert(spec.model.d_model);
    lengths.insert(spec.length);
    EXPECT_EQ(spec.train.steps, 20);
    EXPECT_EQ(spec.task_config.at("query"), "last");  // defaults are written out
  }
  EXPECT_EQ(ids.size(), e.trials.size());
  EXPECT_EQ(lrs, (std::set<double>{1e-3, 3e-3}));
  EXPECT_EQ(widths, (std::set<Index>{4, 8}));
  EXPECT_EQ(lengths, (std::set<Index>{4, 6}));
}

TEST(Experiment, ZipTakesValuesTogether) {
  const Experiment e = read(
      "task: index-lookup\n"
      "zip: [{length: [4, 6], train/steps: [10, 20], task_config/alphabet: [2, 3]}]\n"
      "model: {family: lstm, d_model: 4}\n"
      "seed: [0, 1]\n");
  ASSERT_EQ(e.trials.size(), 4U);
  for (const TrialSpec& spec : e.trials) {
    EXPECT_EQ(spec.train.steps, spec.length == 4 ? 10 : 20);
    EXPECT_EQ(spec.task_config.at("alphabet"), spec.length == 4 ? 2 : 3);
  }
}

TEST(Experiment, CasesAndBudgetsAreLaidOverTheFile) {
  const std::string text = std::string(kBase) +
                           "cases:\n"
                           "  - {}\n"
                           "  - {length: 6, model: {family: gru, d_model: 4}, train: {steps: 30}}\n"
                           "  - {length: 6}\n"  // all of it is in the first case
                           "budgets:\n"
                           "  quick: {length: 4, train: {steps: 5}, seed: 7}\n";
  const Experiment whole = read(text);
  EXPECT_EQ(whole.trials.size(), 36U + 6);
  const Experiment quick = read(text, "quick");
  EXPECT_EQ(quick.name, "x-quick");
  ASSERT_EQ(quick.trials.size(), 6U + 2 + 6);  // the third case is length 6 here
  for (const TrialSpec& spec : quick.trials) {
    EXPECT_EQ(spec.seed, 7U);
    EXPECT_EQ(spec.train.steps, spec.model.layers.front().block == "gru" ? 30 : 5);
  }
  EXPECT_EQ(read(text, "full").trials.size(), whole.trials.size());
}

TEST(Experiment, TheModelIsMadeForTheLongestLengthJudged) {
  const Experiment e = read(
      "task: index-lookup\ntask_config: {alphabet: 4}\nlength: [4, 6]\neval_lengths: [6, 9]\n"
      "model: {family: transformer, d_model: 8}\n");
  ASSERT_EQ(e.trials.size(), 2U);
  for (const TrialSpec& spec : e.trials) EXPECT_EQ(spec.model.max_length, 10);
  EXPECT_EQ(e.trials[0].eval_lengths, (std::vector<Index>{6, 9}));
  EXPECT_EQ(e.trials[1].eval_lengths, (std::vector<Index>{9}));  // 6 is judged anyway
}

TEST(Experiment, ModelsMayBeListsOfBlocks) {
  const Experiment e = read(
      "task: index-lookup\nlength: 4\n"
      "model: {d_model: [8, 16], layers: [{block: lstm}, {block: attention}]}\n");
  ASSERT_EQ(e.trials.size(), 2U);
  EXPECT_EQ(e.trials[1].model.d_model, 16);
  EXPECT_EQ(e.trials[1].model.layers.size(), 2U);
}

TEST(Experiment, MistakesAreToldWithTheirLines) {
  struct Case {
    std::string text, what, where;
  };
  const std::string base = kBase;
  const Case cases[] = {
      {base + "seeds: 3\n", "unknown key 'seeds'", "x.yaml:9"},
      {"task: index-lookup\nlength: 4\nmodel: {family: lstm}\ntrain:\n  lr: 1e-3\n  stepz: 5\n",
       "unknown key 'stepz'", "x.yaml:6"},
      {base + "cases:\n  - {length: 4}\n  - {lenght: 4}\n", "unknown key 'lenght'", "x.yaml:11"},
      {base + "budgets:\n  quick:\n    train: {steps: 0}\n", "", ""},
      {"task: index-lookup\nlength: []\nmodel: {family: lstm}\n", "the list is empty", "x.yaml:2"},
      {"task: index-lookup\nlength: 4\nmodel:\n  family: lstn\n", "unknown model 'lstn'",
       "x.yaml:3"},
      {"task: index-lookup\nlength: {best_of: [4, 5]}\nmodel: {family: lstm}\n", "", "x.yaml"},
      {"task: index-lookup\nlength: 4\nmodel: {family: lstm}\nzip:\n  - length: [4, 5]\n"
       "    seed: [1]\n",
       "lists of a zip differ", "x.yaml:5"},
      {base + "zip: [{seed: [1, 2]}]\n", "seed is given as a list and under zip", "x.yaml:9"},
      {"task: index-lookup\nmodel: {family: lstm}\n", "a trial needs task, length and model",
       "x.yaml"},
      {"- 1\n", "an experiment file is a map", "x.yaml"},
      {base + "published:\n  - {were: {}}\n", "unknown key 'were'", "x.yaml:10"},
      {base + "orderings:\n  - {ahead: {model: lstm}, behind: {modl: lstm}}\n",
       "unknown key 'modl'", "x.yaml:10"},
  };
  for (const Case& each : cases) {
    if (each.what.empty() && each.where.empty()) {
      EXPECT_NO_THROW(read(each.text));  // a budget that is not chosen is not expanded
      const Error e = error_of(each.text, "quick");
      EXPECT_THAT(e.what(), HasSubstr("steps must be at least 1"));
      EXPECT_THAT(e.where(), HasSubstr("x.yaml:11"));
      continue;
    }
    const Error e = error_of(each.text);
    EXPECT_THAT(e.what(), HasSubstr(each.what)) << each.text;
    EXPECT_THAT(e.where(), HasSubstr(each.where)) << each.text << e.what();
  }
  EXPECT_EQ(error_of(base, "quik").kind(), ErrorKind::usage);
  EXPECT_THAT(error_of(base + "seed_list: 1\n").hint(), HasSubstr("seed"));
}

/// Every pointer into the JSON, inner nodes too.
void collect_pointers(const Json& json, const std::string& at, std::vector<std::string>& out) {
  if (!at.empty()) out.push_back(at);
  if (json.is_object())
    for (const auto& [key, value] : json.items()) {
      std::string escaped;
      for (const char c : key) escaped += c == '/' ? std::string("~1") : std::string(1, c);
      collect_pointers(value, std::string(at).append("/").append(escaped), out);
    }
  if (json.is_array())
    for (std::size_t i = 0; i < json.size(); ++i)
      collect_pointers(json[i], at + "/" + std::to_string(i), out);
}

/// Anything else than Error or success is a crash for the person at the keyboard.
void expect_error_or_success(const Json& json, const std::string& what) {
  for (const char* budget : {"", "quick"}) {
    try {
      const Experiment e = read_experiment(YamlFile(json, "x.yaml", {}), budget, catalogue());
      check_orderings(e.orderings, {});
      compare(e.published, {});
    } catch (const Error&) {
      continue;
    } catch (const std::exception& e) {
      ADD_FAILURE() << what << ": " << e.what();
    }
  }
}

TEST(Experiment, AnyValueAnywhereGivesErrorOrSuccess) {
  const std::string rest =
      "eval_lengths: [8]\nname: n\ntitle: t\nsource: s\ndescription: d\n"
      "zip: [{train/warmup: [1, 2], train/eval_every: [5, 6]}]\n"
      "cases: [{}, {model: {d_model: 8, layers: [{block: lstm, config: {}}]}, train: {steps: 9}}]\n"
      "budgets: {quick: {length: 4, train: {steps: 5}, cases: [{seed: 3}]}}\n"
      "published: [{where: {model: lstm, length: [4]}, metric: token_accuracy, value: 1, text: "
      "x}]\n"
      "orderings: [{ahead: {width: 8, at: 4}, behind: {option: a}, metric: cross_entropy, text: "
      "x}]\n";
  const std::string search =
      "task: index-lookup\nlength: [4, 6]\nmodel: [{family: transformer, heads: 2}]\n"
      "train: {steps: 9}\nsearch: {smallest: 4, largest: 8, lrs: [1e-3], fraction: 0.5}\n";
  const Json others = {nullptr,
                       true,
                       -1,
                       0,
                       1e300,
                       "x",
                       Json::array(),
                       Json::object(),
                       Json::array({Json::array()}),
                       Json{{"best_of", {1}}}};
  for (const std::string& text : {std::string(kBase) + rest, search}) {
    const Json whole = parse_yaml(text, "x.yaml").json;
    EXPECT_NO_THROW(read(text));
    std::vector<std::string> pointers;
    collect_pointers(whole, "", pointers);
    ASSERT_GE(pointers.size(), 12U);
    for (const std::string& pointer : pointers)
      for (const Json& other : others) {
        Json changed = whole;
        changed[Json::json_pointer(pointer)] = other;
        expect_error_or_success(changed, pointer + " = " + other.dump());
      }
  }
}

TEST(Experiment, TooManyTrialsAreRefused) {
  std::string seeds = "seed: [0";
  for (int i = 1; i < 1001; ++i) seeds += ", " + std::to_string(i);
  std::string rates = "train: {steps: 5, lr: [0.5";
  for (int i = 1; i < 1001; ++i) rates += ", " + std::to_string(1e-3 * i);
  EXPECT_THAT(error_of("task: index-lookup\nlength: 4\nmodel: {family: lstm}\n" + seeds + "]\n" +
                       rates + "]}\n")
                  .what(),
              HasSubstr("more than a million trials"));
}

TEST(Recipes, EveryOneExpandsAtEveryBudget) {
  ASSERT_GE(recipes().size(), 6U);
  for (const Recipe& recipe : recipes()) {
    const YamlFile file = find_recipe(recipe.name);
    std::vector<std::string> budgets = budgets_of(file);
    EXPECT_THAT(budgets, testing::IsSupersetOf({"quick", "standard"})) << recipe.name;
    budgets.emplace_back("full");
    for (const std::string& budget : budgets) {
      const Experiment e = read_experiment(file, budget, catalogue());
      EXPECT_FALSE(e.trials.empty()) << recipe.name << " " << budget;
      EXPECT_FALSE(e.title.empty() || e.source.empty()) << recipe.name;
      EXPECT_FALSE(e.orderings.empty()) << recipe.name;
    }
  }
}

TEST(Recipes, SoDoTheFilesOfDocsLearning) {
  Index files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(SEPARATRIX_SOURCE "/experiments/learning")) {
    const Experiment e = read_experiment(load_yaml(entry.path()), "", catalogue());
    EXPECT_EQ(e.trials.size(), 2U) << entry.path();  // two learning rates
    EXPECT_EQ(e.name, entry.path().stem().string());
    ++files;
  }
  EXPECT_GE(files, 20);
}

TEST(Experiment, ASearchTakesFamiliesAndSearchesTheirWidth) {
  const std::string text =
      "task: index-lookup\ntask_config: {alphabet: 4}\nlength: [4, 6]\n"
      "model: [{family: transformer, heads: 2}, {family: mamba, layers: [1, 2]}]\n"
      "train: {steps: 50}\nsearch: {smallest: 4, largest: 16, step: 4, seeds: 2}\n";
  const Experiment e = read(text);
  EXPECT_TRUE(e.trials.empty());
  ASSERT_TRUE(e.search);
  EXPECT_EQ(e.search->config.seeds, 2);
  ASSERT_EQ(e.search->models.size(), 6U);
  EXPECT_EQ(e.search->models[0].multiple_of, 2);
  EXPECT_EQ(e.search->models[1].label, "mamba, layers 1, index-lookup N = 4");
  EXPECT_EQ(e.search->models[4].trial(8).model.d_model, 8);
  EXPECT_EQ(e.search->models[4].trial(8).length, 6);
  EXPECT_THAT(error_of(text + "seed: 3\n").what(), HasSubstr("seeds of its own"));
  EXPECT_THAT(error_of("task: index-lookup\nlength: 4\nsearch: {}\n"
                       "model: {family: lstm, d_model: 8}\n")
                  .where(),
              HasSubstr("x.yaml:4"));
  EXPECT_THAT(error_of("task: index-lookup\nlength: 4\nsearch: {smalest: 8}\n"
                       "model: {family: lstm}\n")
                  .where(),
              HasSubstr("x.yaml:3"));
}

/// A finished trial of the experiment with that accuracy.
StoredTrial finished(const TrialSpec& spec, double accuracy) {
  StoredTrial trial;
  trial.id = spec.id();
  trial.spec = spec;
  trial.status = TrialStatus::done;
  trial.result = {{"outcome", "unsolved"},
                  {"solved", false},
                  {"step", 20},
                  {"token_accuracy", accuracy},
                  {"metrics", {{{"length", spec.length}, {"token_accuracy", accuracy}}}}};
  return trial;
}

TEST(Compare, OrderingsAreReadOffTheBestOfEachSide) {
  const Experiment e = read(std::string(kBase) +
                            "orderings:\n"
                            "  - {ahead: {model: transformer}, behind: {model: lstm}, text: t}\n"
                            "  - {ahead: {model: lstm}, behind: {model: transformer}, text: r}\n"
                            "  - {ahead: {model: gru}, behind: {model: lstm}, text: none}\n"
                            "published:\n"
                            "  - {where: {model: lstm, width: 8, length: 6}, value: 0.5}\n");
  std::vector<StoredTrial> trials;
  for (const TrialSpec& spec : e.trials) {
    const bool attention = spec.model.layers.front().block == "attention";
    // At length 4 they are level; at length 6 the transformer leads, by its better rate only.
    double accuracy = spec.length == 4 ? 0.9 : spec.model.d_model == 8 ? 0.6 : 0.5;
    if (attention && spec.length == 6) accuracy = spec.train.lr > 2e-3 ? 0.8 : 0.3;
    trials.push_back(finished(spec, accuracy));
  }
  const std::vector<Cell> cells = cells_of(trials, catalogue());
  ASSERT_EQ(cells.size(), 6U);
  const auto checked = check_orderings(e.orderings, cells);
  ASSERT_EQ(checked.size(), 3U);
  ASSERT_EQ(checked[0].at.size(), 2U);
  EXPECT_TRUE(checked[0].holds());
  EXPECT_EQ(checked[0].at[0].verdict, 0);
  EXPECT_EQ(checked[0].at[1].verdict, 1);
  EXPECT_NEAR(checked[0].at[1].ahead_value, 0.8, 1e-12);
  EXPECT_NEAR(checked[0].at[1].behind_value, 0.6, 1e-12);
  EXPECT_FALSE(checked[1].holds());
  EXPECT_TRUE(checked[2].at.empty());
  EXPECT_FALSE(checked[2].holds());

  const auto compared = compare(e.published, cells);
  ASSERT_EQ(compared.size(), cells.size());
  Index with_published = 0;
  for (const ComparedSetting& c : compared) {
    with_published += c.published.empty() ? 0 : 1;
    if (!c.published.empty()) {
      EXPECT_NEAR(c.ours.mean, 0.6, 1e-12);
    }
  }
  EXPECT_EQ(with_published, 1);
}

}  // namespace
}  // namespace separatrix
