#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "separatrix/lab/separate.h"
#include "tests/support/temp_dir.h"

namespace separatrix {
namespace {

SeparateConfig tiny(const std::string& store) {
  SeparateConfig config;
  config.task = "index_lookup";  // not the canonical spelling
  config.task_config = {{"alphabet", 4}};
  config.length = 4;
  config.store = store;
  config.threads = 2;
  config.custom_budget =
      Budget{.name = "tiny",
             .search = {.smallest = 4, .largest = 8, .step = 4, .lrs = {1e-2}, .seeds = 1},
             .steps = 200};
  return config;
}

/// A search over trials that all failed would look like one that found nothing.
void expect_trained(const std::string& path, const std::string& experiment) {
  const auto trials = Store(path).trials(experiment);
  EXPECT_GE(trials.size(), 2u);
  for (const StoredTrial& trial : trials) EXPECT_EQ(trial.status, TrialStatus::done) << trial.error;
}

TEST(Separate, EndToEndAndTheSecondRunTrainsNothing) {
  const TempDir dir;
  const Catalogue all = Catalogue::builtin();
  const SeparateConfig config = tiny(dir / "s.db");
  std::vector<std::string> messages;
  const auto listen = [&](const std::string& line) { messages.push_back(line); };
  int finished = 0;
  const RunOptions options{.on_progress = [&](const RunProgress& p) { finished += p.finished; }};
  const Separation first = separate(config, all, listen, options);
  EXPECT_FALSE(first.interrupted);
  EXPECT_GE(finished, 2);
  EXPECT_THAT(messages, testing::Contains(testing::HasSubstr("training: at most 4 trials")));
  expect_trained(config.store, first.experiment);

  ASSERT_EQ(first.rows.size(), 3u);
  EXPECT_EQ(first.rows[2].label, "transformer 2 layers");
  EXPECT_EQ(first.rows[2].no_construction, "one layer is enough");
  const SeparationRow &recurrent = first.rows[0], &transformer = first.rows[1];
  EXPECT_EQ(recurrent.label, "recurrent state");
  // Four symbols of two bits each, and then the query: the state must hold all.
  EXPECT_EQ(recurrent.impossible_below.at("bits"), 8);
  EXPECT_EQ(recurrent.impossible_below.at("exact"), true);
  EXPECT_FALSE(recurrent.impossible_below.at("checked").get<std::string>().empty());
  for (const SeparationRow* row : {&recurrent, &transformer}) {
    ASSERT_TRUE(row->certified_at.is_object()) << row->label;
    EXPECT_EQ(row->certified_at.at("certificate").at("verdict"), "proved");
    EXPECT_EQ(row->certified_at.at("rechecked"), true);
    EXPECT_TRUE(std::filesystem::exists(row->certified_at.at("model_file").get<std::string>()));
    ASSERT_EQ(row->learned_at.size(), 1u);
    EXPECT_THAT(row->learned_at[0].budget, testing::HasSubstr("200 steps"));
  }
  // The sandwich: nothing certified is below what is impossible.
  EXPECT_GE(recurrent.certified_at.at("state_bits"), recurrent.impossible_below.at("bits"));

  const Store store(config.store);
  EXPECT_EQ(store.findings(first.experiment, "separation").size(), 1u);
  EXPECT_EQ(store.findings(first.experiment, "machine").size(), 1u);
  finished = 0;
  messages.clear();
  const Separation second = separate(config, all, listen, options);
  EXPECT_EQ(finished, 0);
  EXPECT_THAT(messages, testing::Not(testing::Contains(testing::HasSubstr("training: at most"))));
  EXPECT_EQ(second.experiment, first.experiment);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(to_json(second.rows[i]), to_json(first.rows[i]));
}

TEST(Separate, AStopInterruptsAndTheNextCallGoesOn) {
  const TempDir dir;
  const Catalogue all = Catalogue::builtin();
  const Separation whole = separate(tiny(dir / "whole.db"), all, {}, {});
  const SeparateConfig config = tiny(dir / "cut.db");
  int rounds = 0;
  for (bool again = true; again && rounds < 100; ++rounds) {
    std::atomic<bool> stop = false;
    const Separation part = separate(
        config, all, {}, {.stop = &stop, .on_progress = [&](const RunProgress&) { stop = true; }});
    again = part.interrupted;
  }
  EXPECT_GE(rounds, 2);
  const Separation end = separate(config, all, {}, {});
  EXPECT_FALSE(end.interrupted);
  expect_trained(config.store, end.experiment);
  for (std::size_t i = 0; i < 2; ++i)
    EXPECT_EQ(to_json(end.rows[i]).at("learned_at"), to_json(whole.rows[i]).at("learned_at"));
}

TEST(Separate, EveryModelStandsInTheRowOfItsKind) {
  const TempDir dir;
  SeparateConfig config = tiny(dir / "s.db");
  config.custom_budget->search.largest = 4;
  config.custom_budget->steps = 2;
  config.models = {"transformer", "transformer:layers=2", "lstm", "lstm+attention",
                   "transformer:layers=3:heads=2"};
  const Separation result = separate(config, Catalogue::builtin(), {}, {});
  std::map<std::string, std::string> rows;
  for (const SeparationRow& row : result.rows)
    for (const LearnedAt& learned : row.learned_at) {
      rows[learned.model] = row.label;
      EXPECT_EQ(learned.seeds, 1);
      EXPECT_FALSE(learned.tried.empty());
    }
  EXPECT_EQ(rows, (std::map<std::string, std::string>{
                      {"transformer", "transformer 1 layer"},
                      {"transformer:layers=2", "transformer 2 layers"},
                      {"lstm", "recurrent state"},
                      {"lstm+attention", "attention and state"},
                      {"transformer:heads=2:layers=3", "transformer 3 layers"}}));
  for (const SeparationRow& row : result.rows) {
    if (row.label == "transformer 3 layers") {
      EXPECT_EQ(row.no_construction, "one layer is enough");
    }
    if (row.label == "attention and state") {
      EXPECT_THAT(row.no_bound, testing::HasSubstr("state"));
    }
  }
}

TEST(Separate, FailedTrialsAreNotCalledUnlearned) {
  const TempDir dir;
  SeparateConfig config = tiny(dir / "s.db");
  config.task_config = {{"alphabet", 2}};
  config.length = 2;  // eight inputs, of which none happens to be held out
  const Separation result = separate(config, Catalogue::builtin(), {}, {});
  Index looked_at = 0;
  for (const SeparationRow& row : result.rows)
    for (const LearnedAt& learned : row.learned_at) {
      EXPECT_THAT(learned.budget, testing::HasSubstr("2 trials failed"));
      ++looked_at;
    }
  EXPECT_EQ(looked_at, 2);
}

TEST(Separate, RefusesWhatDoesNotExist) {
  const TempDir dir;
  const Catalogue all = Catalogue::builtin();
  const auto kind = [&](const auto& change) {
    SeparateConfig config = tiny(dir / "s.db");
    change(config);
    try {
      separate(config, all, {}, {});
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::numeric;
  };
  EXPECT_EQ(kind([](auto& c) { c.task = "index-lokup"; }), ErrorKind::spec);
  EXPECT_EQ(kind([](auto& c) { c.length = 0; }), ErrorKind::spec);
  EXPECT_EQ(kind([](auto& c) { c.models = {"lstn"}; }), ErrorKind::spec);
  EXPECT_EQ(kind([](auto& c) { c.models = {"mamba:layer=2"}; }), ErrorKind::spec);
  EXPECT_EQ(kind([](auto& c) { c.models = {"lstm:d_model=32"}; }), ErrorKind::spec);
  EXPECT_EQ(kind([](auto& c) { c.models = {"retnet:heads=16"}; }), ErrorKind::spec);
  EXPECT_EQ(kind([](auto& c) { c.task_config["alphabeth"] = 3; }), ErrorKind::spec);
  EXPECT_EQ(kind([](auto& c) { c.custom_budget.reset(), c.budget = "qick"; }), ErrorKind::usage);
  EXPECT_FALSE(std::filesystem::exists(dir / "s.db")) << "nothing is written for a wrong request";
}

}  // namespace
}  // namespace separatrix
