#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "separatrix/lab/models.h"
#include "separatrix/lab/runner.h"
#include "separatrix/model/model_file.h"
#include "separatrix/nn/model.h"
#include "tests/support/temp_dir.h"

namespace separatrix {
namespace {

using testing::HasSubstr;

/// Index lookup small enough to be trained in milliseconds.
TrialSpec tiny_trial(const Catalogue& all, std::uint64_t seed, Index steps = 40) {
  TrialSpec spec;
  spec.task = "index-lookup";
  const auto& entry = all.tasks.find(spec.task);
  spec.task = entry.name;
  spec.task_config = entry.resolve({{"alphabet", 4}}, "test");
  spec.length = 4;
  const TaskInfo info = all.tasks.make(spec.task, spec.task_config)->info(spec.length);
  spec.model = resolve(
      named_model({seed % 2 == 0 ? "transformer" : "lstm", {.d_model = 8}}, info, all.blocks),
      all.blocks);
  spec.train.steps = steps;
  spec.train.batch_size = 8;
  spec.train.eval_every = 10;
  spec.train.eval_examples = 16;
  spec.train.final_examples = 32;
  spec.seed = seed;
  return spec;
}

std::vector<TrialSpec> tiny_trials(const Catalogue& all, std::uint64_t count, Index steps = 40) {
  std::vector<TrialSpec> trials;
  for (std::uint64_t seed = 0; seed < count; ++seed) trials.push_back(tiny_trial(all, seed, steps));
  return trials;
}

std::vector<std::string> hashes(const Store& store) {
  std::vector<std::string> out;
  for (const StoredTrial& trial : store.trials("e"))
    out.push_back(trial.result.value("weights_sha256", ""));
  return out;
}

TEST(RunnerThreads, TrainsAllAndKeepsTheSameBitsForAnyThreads) {
  const TempDir dir;
  const Catalogue all = Catalogue::builtin();
  std::vector<std::string> expected;
  for (const int threads : {1, 3}) {
    Store store(dir / ("s" + std::to_string(threads)));
    store.enqueue("e", tiny_trials(all, 4));
    int finished = 0, points = 0;
    run_pending(store.path(), "e", all, {.threads = threads, .on_progress = [&](const auto& p) {
                                           ++(p.finished ? finished : points);
                                           EXPECT_EQ(p.spec->id(), p.trial_id);
                                         }});
    EXPECT_EQ(finished, 4);
    EXPECT_GE(points, 16);
    for (const StoredTrial& trial : store.trials("e")) {
      ASSERT_EQ(trial.status, TrialStatus::done) << trial.error;
      EXPECT_EQ(trial.curve.size(), std::size_t(trial.result.at("step")) / 10);
      EXPECT_EQ(trial.result.at("width"), 8);
      const std::string folder = store.folder(trial.id);
      const ModelFile model = load_model(folder + "/model.safetensors", [&](const ModelSpec& s) {
        return model_params(s, all.blocks);
      });
      EXPECT_EQ(weights_sha256(model.weights), trial.result.at("weights_sha256"));
      EXPECT_EQ(model.provenance.at("trial"), to_json(trial.spec));
      EXPECT_EQ(trial.result.at("parameters"), model.weights.values.size());
      EXPECT_FALSE(std::filesystem::exists(folder + "/checkpoint.safetensors"));
    }
    if (expected.empty()) expected = hashes(store);
    EXPECT_EQ(hashes(store), expected);
  }
}

TEST(RunnerThreads, AStoppedTrialResumesToTheSameBits) {
  const TempDir dir;
  const Catalogue all = Catalogue::builtin();
  Store whole(dir / "whole"), cut(dir / "cut");
  whole.enqueue("e", tiny_trials(all, 2));
  run_pending(whole.path(), "e", all, {.threads = 1});
  cut.enqueue("e", tiny_trials(all, 2));
  int stops = 0;
  for (int attempt = 0; attempt < 50; ++attempt) {
    std::atomic<bool> stop = false;
    run_pending(cut.path(), "e", all,
                {.threads = 2, .stop = &stop, .on_progress = [&](const auto& p) {
                   if (!p.finished) stop = true;
                 }});
    EXPECT_EQ(cut.counts("e")[TrialStatus::running], 0);
    EXPECT_EQ(cut.counts("e")[TrialStatus::failed], 0);
    if (cut.counts("e")[TrialStatus::done] == 2) break;
    ++stops;
  }
  EXPECT_GE(stops, 2);
  EXPECT_EQ(cut.counts("e")[TrialStatus::done], 2);
  EXPECT_EQ(hashes(cut), hashes(whole));
  const auto a = whole.trials("e"), b = cut.trials("e");
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_EQ(a[i].curve.size(), b[i].curve.size());
    for (std::size_t k = 0; k < a[i].curve.size(); ++k)
      EXPECT_EQ(to_json(a[i].curve[k]), to_json(b[i].curve[k]));
  }
}

TEST(RunnerThreads, AFailingTrialIsStoredAndTheOthersGoOn) {
  const TempDir dir;
  const Catalogue all = Catalogue::builtin();
  Store store(dir / "s.db");
  auto trials = tiny_trials(all, 3);
  trials[0].task = "no-such-task";
  trials[1].model.vocab_size = 1;  // the task's tokens do not fit
  store.enqueue("e", trials);
  EXPECT_NO_THROW(run_pending(store.path(), "e", all, {.threads = 2}));
  const auto stored = store.trials("e");
  EXPECT_EQ(stored[0].status, TrialStatus::failed);
  EXPECT_THAT(stored[0].error, HasSubstr("no-such-task"));
  EXPECT_EQ(stored[1].status, TrialStatus::failed);
  EXPECT_NE(stored[1].error, "");
  EXPECT_EQ(stored[2].status, TrialStatus::done);
}

TEST(RunnerThreads, ADiskErrorEndsTheRunAndLosesNothing) {
  const TempDir dir;
  const Catalogue all = Catalogue::builtin();
  Store store(dir / "s.db");
  store.enqueue("e", tiny_trials(all, 3));
  // A file where the trials' folders should be: nothing can be saved, whoever runs as root.
  std::ofstream(dir / "s.db.d") << "in the way";
  try {
    run_pending(store.path(), "e", all, {.threads = 2});
    FAIL() << "no Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::io);
  }
  EXPECT_EQ(store.counts("e")[TrialStatus::pending], 3);
  std::filesystem::remove(dir / "s.db.d");
  run_pending(store.path(), "e", all, {.threads = 2});
  EXPECT_EQ(store.counts("e")[TrialStatus::done], 3);
}

TEST(RunnerThreads, AStoreThatVanishesIsAnError) {
  const TempDir dir;
  const Catalogue all = Catalogue::builtin();
  {
    Store store(dir / "s.db");
    store.enqueue("e", tiny_trials(all, 2, 400));
  }
  bool damaged = false;
  EXPECT_THROW(run_pending(dir / "s.db", "e", all,
                           {.threads = 2,
                            .on_progress =
                                [&](const auto&) {
                                  if (damaged) return;
                                  damaged = true;
                                  Store other(dir / "s.db");  // as another program might
                                  other.put("e", "bound", "x", 1);
                                  std::filesystem::resize_file(dir / "s.db", 0);
                                  std::filesystem::resize_file(dir / "s.db-wal", 0);
                                },
                            .store = {.busy_ms = 500}}),
               Error);
}

TEST(RunnerThreads, AThrowingCallbackEndsTheRun) {
  const TempDir dir;
  const Catalogue all = Catalogue::builtin();
  Store store(dir / "s.db");
  store.enqueue("e", tiny_trials(all, 3));
  EXPECT_THROW(run_pending(store.path(), "e", all,
                           {.threads = 2, .on_progress = [](const auto&) { throw 7; }}),
               int);
  EXPECT_EQ(store.counts("e")[TrialStatus::running], 0);
  EXPECT_EQ(store.counts("e")[TrialStatus::failed], 0);
}

}  // namespace
}  // namespace separatrix
