#include <atomic>
#include <map>
#include <thread>

#include <gtest/gtest.h>

#include "separatrix/lab/store.h"
#include "tests/support/temp_dir.h"
#include "tests/support/trials.h"

namespace separatrix {
namespace {

/// Every worker has its own connection, as in the runner; processes differ from threads to SQLite
/// only in how they lock, and Store.SurvivesSigkillAtAnyMoment has several of those.
TEST(StoreThreads, NoTrialIsClaimedTwice) {
  const TempDir dir;
  const std::string path = dir / "s.db";
  constexpr int kWorkers = 4;
  const auto trials = stored_trials(40);
  std::vector<std::vector<std::string>> claimed(kWorkers);
  std::atomic<int> ready = 0, errors = 0;
  std::vector<std::thread> workers;
  for (int w = 0; w < kWorkers; ++w)
    workers.emplace_back([&, w] {
      try {
        Store store(path);  // all create the file at once
        store.enqueue("e", trials);
        ++ready;
        while (ready + errors < kWorkers) std::this_thread::yield();
        while (const auto spec = store.claim("e", "w" + std::to_string(w))) {
          claimed[std::size_t(w)].push_back(spec->id());
          store.record(spec->id(), {.step = 1});
          store.heartbeat(spec->id(), "w" + std::to_string(w));
          store.finish(spec->id(), TrialStatus::done, {{"worker", w}});
        }
      } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
        ++errors;
      }
    });
  for (std::thread& worker : workers) worker.join();

  std::map<std::string, int> owner;
  for (int w = 0; w < kWorkers; ++w)
    for (const std::string& id : claimed[std::size_t(w)])
      EXPECT_TRUE(owner.emplace(id, w).second) << "claimed twice";
  EXPECT_EQ(owner.size(), trials.size());
  const Store store(path);
  EXPECT_EQ(store.counts("e")[TrialStatus::done], 40);
  for (const StoredTrial& trial : store.trials("e"))
    EXPECT_EQ(trial.result.at("worker"), owner.at(trial.id));
}

TEST(StoreThreads, OneTrialHasOneTaker) {
  const TempDir dir;
  const std::string path = dir / "s.db";
  for (std::uint64_t round = 0; round < 20; ++round) {
    Store(path).enqueue("e" + std::to_string(round), std::vector{stored_trial(round)});
    std::atomic<int> takers = 0;
    std::vector<std::thread> workers;
    for (int w = 0; w < 3; ++w)
      workers.emplace_back([&, w] {
        Store store(path);
        if (store.claim("e" + std::to_string(round), "w" + std::to_string(w))) ++takers;
      });
    for (std::thread& worker : workers) worker.join();
    EXPECT_EQ(takers, 1);
  }
}

}  // namespace
}  // namespace separatrix
