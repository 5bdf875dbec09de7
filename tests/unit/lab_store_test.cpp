#include <csignal>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "separatrix/lab/machine.h"
#include "separatrix/lab/store.h"
#include "tests/support/raw_store.h"
#include "tests/support/temp_dir.h"
#include "tests/support/trials.h"

namespace separatrix {
namespace {

using testing::HasSubstr;

/// Runs body in a child process; its exit status (0 when body returns true), or minus the signal.
template <class Body>
int in_child(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    int code = 3;
    try {
      code = body() ? 0 : 1;
    } catch (...) {
    }
    ::_exit(code);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

TEST(Store, KeepsTrialsOnceAndInOrder) {
  const TempDir dir;
  const auto trials = stored_trials(3);
  {
    Store store(dir / "s.db");
    store.enqueue("b", std::vector{trials[2], trials[0]});
    store.enqueue("a", trials);
    store.enqueue("b", std::vector{trials[1], trials[0]});
  }
  const Store store(dir / "s.db");
  const auto seeds = [&](const std::string& experiment) {
    std::vector<std::uint64_t> out;
    for (const StoredTrial& trial : store.trials(experiment)) {
      EXPECT_EQ(trial.id, trial.spec.id());
      out.push_back(trial.spec.seed);
    }
    return out;
  };
  EXPECT_THAT(seeds("a"), testing::ElementsAre(0, 1, 2));
  EXPECT_THAT(seeds("b"), testing::ElementsAre(2, 0, 1));
  EXPECT_THAT(store.experiments(), testing::ElementsAre("b", "a"));
  EXPECT_EQ(store.counts("a")[TrialStatus::pending], 3);
  EXPECT_EQ(store.counts("absent")[TrialStatus::pending], 0);
  EXPECT_TRUE(store.trials("absent").empty());
  EXPECT_FALSE(store.trial("absent").has_value());
}

TEST(Store, ATrialGoesFromClaimToResult) {
  const TempDir dir;
  Store store(dir / "s.db");
  const auto trials = stored_trials(3);
  store.enqueue("e", trials);
  const auto first = store.claim("e", "w");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->id(), trials[0].id());
  EXPECT_EQ(store.trial(first->id())->status, TrialStatus::running);
  store.record(first->id(), {.step = 200, .token_accuracy = 0.5});
  store.record(first->id(), {.step = 100, .token_accuracy = 0.25});
  store.record(first->id(), {.step = 200, .token_accuracy = 0.75});  // replaced
  store.finish(first->id(), TrialStatus::done, {{"solved", true}});
  const StoredTrial done = *store.trial(first->id());
  EXPECT_EQ(done.status, TrialStatus::done);
  EXPECT_EQ(done.result, Json({{"solved", true}}));
  ASSERT_EQ(done.curve.size(), 2u);
  EXPECT_EQ(done.curve[0].step, 100);
  EXPECT_EQ(done.curve[1].token_accuracy, 0.75);

  const auto second = store.claim("e", "w");
  store.finish(second->id(), TrialStatus::failed, Json::object(), "no such thing");
  EXPECT_EQ(store.trial(second->id())->error, "no such thing");
  EXPECT_EQ(store.claim("e", "w")->id(), trials[2].id());
  EXPECT_FALSE(store.claim("e", "w"));
  EXPECT_FALSE(store.claim("absent", "w"));

  EXPECT_EQ(store.retry_failed("e"), 1);
  EXPECT_EQ(store.trial(second->id())->error, "");
  EXPECT_EQ(store.claim("e", "w")->id(), trials[1].id());
}

TEST(Store, AnExpiredHeartbeatIsPending) {
  const TempDir dir;
  std::int64_t now = 1000;
  const StoreOptions clock{.now_seconds = [&] { return now; }};
  Store first(dir / "s.db", clock), second(dir / "s.db", clock);
  const auto trials = stored_trials(1);
  const std::string id = trials[0].id();
  first.enqueue("e", trials);
  ASSERT_TRUE(first.claim("e", "slow"));
  now += 50;
  first.heartbeat(id, "slow");
  now += 60;
  EXPECT_FALSE(second.claim("e", "quick"));  // exactly a minute old: still alive
  now += 1;
  ASSERT_TRUE(second.claim("e", "quick"));
  // The slow worker wakes up: it can neither keep the trial alive, nor give it back, nor fail it.
  now += 61;
  first.heartbeat(id, "slow");
  first.release(id);
  EXPECT_EQ(first.trial(id)->status, TrialStatus::running);
  ASSERT_TRUE(first.claim("e", "third"));
  second.finish(id, TrialStatus::failed, Json::object(), "late");
  EXPECT_EQ(first.trial(id)->status, TrialStatus::running);
  // But a late result is a result, and the first one stays.
  second.finish(id, TrialStatus::done, {{"by", "second"}});
  first.finish(id, TrialStatus::done, {{"by", "first"}});
  first.finish(id, TrialStatus::failed, Json::object(), "late");
  first.release(id);
  EXPECT_EQ(first.trial(id)->status, TrialStatus::done);
  EXPECT_EQ(first.trial(id)->result, Json({{"by", "second"}}));
  EXPECT_EQ(first.trial(id)->error, "");
}

TEST(Store, AReleasedTrialIsPending) {
  const TempDir dir;
  Store store(dir / "s.db");
  store.enqueue("e", stored_trials(1));
  const auto spec = store.claim("e", "w");
  store.release(spec->id());
  EXPECT_EQ(store.counts("e")[TrialStatus::pending], 1);
  EXPECT_TRUE(store.claim("e", "v"));
}

TEST(Store, FindingsAreReplacedInPlace) {
  const TempDir dir;
  Store store(dir / "s.db");
  store.put("e", "bound", "one", 1);
  store.put("e", "bound", "two", {{"count", "18446744073709551616"}});
  store.put("e", "bound", "one", "ünïcode ' \" \n");
  store.put("e", "machine", "one", 4);
  store.put("f", "bound", "one", 5);
  EXPECT_EQ(store.findings("e", "bound"),
            (std::vector<Json>{"ünïcode ' \" \n", {{"count", "18446744073709551616"}}}));
  EXPECT_EQ(store.finding("e", "machine", "one"), Json(4));
  EXPECT_EQ(store.finding("e", "machine", "two"), std::nullopt);
  EXPECT_TRUE(store.findings("g", "bound").empty());
}

TEST(Store, UnreadableTrialsFailAndAreSkipped) {
  const TempDir dir;
  Store store(dir / "s.db");
  const auto trials = stored_trials(2);
  store.enqueue("e", trials);
  raw(dir / "s.db", "UPDATE trials SET spec = '{\"taks\":1}' WHERE id = '" + trials[0].id() + "'");
  EXPECT_EQ(store.claim("e", "w")->id(), trials[1].id());
  EXPECT_EQ(store.counts("e")[TrialStatus::failed], 1);
}

TEST(Store, RefusesWhatIsNoStore) {
  const TempDir dir;
  std::ofstream(dir / "text") << std::string(5000, 'x');
  EXPECT_THAT(io_error([&] { Store(dir / "text"); }), HasSubstr("not a store"));
  raw(dir / "other.db", "CREATE TABLE precious (x)");
  EXPECT_THAT(io_error([&] { Store(dir / "other.db"); }), HasSubstr("another program"));
  raw(dir / "other.db", "INSERT INTO precious VALUES (1)");  // still theirs
  { Store store(dir / "newer.db"); }
  raw(dir / "newer.db", "PRAGMA user_version = 1000");
  EXPECT_THAT(io_error([&] { Store(dir / "newer.db"); }), HasSubstr("version 1000"));
  EXPECT_THAT(io_error([&] { Store(dir / "absent" + "/s.db"); }), HasSubstr("cannot open"));
  EXPECT_THAT(io_error([&] { Store store(dir.path()); }), HasSubstr("cannot open"));
  // An empty file is how some programs reserve a name.
  std::ofstream(dir / "empty").flush();
  EXPECT_NO_THROW(Store(dir / "empty"));
}

TEST(Store, RefusesADamagedStore) {
  const TempDir dir;
  {
    Store store(dir / "s.db");
    store.enqueue("e", stored_trials(200));
  }
  std::fstream file(dir / "s.db", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096);
  file << std::string(30'000, '\xff');
  file.close();
  EXPECT_THAT(io_error([&] {
                Store store(dir / "s.db");
                store.trials("e");
              }),
              HasSubstr("damaged"));
}

TEST(Store, SaysWhenItIsLocked) {
  const TempDir dir;
  Store store(dir / "s.db", {.busy_ms = 50});
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open((dir / "s.db").c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_THAT(io_error([&] { store.enqueue("e", stored_trials(1)); }), HasSubstr("locked"));
  EXPECT_THAT(io_error([&] { store.claim("e", "w"); }), HasSubstr("locked"));
  EXPECT_TRUE(store.trials("e").empty());  // readers do not wait
  sqlite3_exec(other, "COMMIT", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  EXPECT_NO_THROW(store.enqueue("e", stored_trials(1)));
}

TEST(Store, SaysWhenItIsReadOnly) {
  const TempDir dir;
  { Store store(dir / "s.db"); }
  ASSERT_EQ(::chmod((dir / "s.db").c_str(), 0444), 0);
  ASSERT_EQ(::chmod(dir.path().c_str(), 0555), 0);
  const int code = in_child([&] {
    if (::geteuid() == 0 && ::seteuid(65534) != 0) return false;  // root may write anywhere
    return io_error([&] { Store(dir / "s.db"); }).find("read-only") != std::string::npos &&
           io_error([&] { Store(dir / "new.db"); }).find("cannot open") != std::string::npos;
  });
  ::chmod(dir.path().c_str(), 0755);
  EXPECT_EQ(code, 0);
}

TEST(Store, AFullDiskLosesNothing) {
  const TempDir dir;
  const auto trials = stored_trials(400);
  {
    Store store(dir / "s.db");
    store.enqueue("e", std::span(trials).first(10));
  }
  const int code = in_child([&] {
    Store store(dir / "s.db");
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{200'000, 200'000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
    for (std::size_t i = 10; i < trials.size(); i += 10) {
      try {
        store.enqueue("e", std::span(trials).subspan(i, 10));
      } catch (const Error& error) {
        // Reading and the object itself go on working.
        return error.kind() == ErrorKind::io && !error.hint().empty() &&
               Index(store.trials("e").size()) == Index(i);
      }
    }
    return false;
  });
  EXPECT_EQ(code, 0);
  Store store(dir / "s.db");
  const Index kept = store.counts("e")[TrialStatus::pending];
  EXPECT_GE(kept, 10);
  EXPECT_EQ(kept % 10, 0) << "half a transaction";
  store.enqueue("e", trials);
  EXPECT_EQ(store.counts("e")[TrialStatus::pending], 400);
}

TEST(Store, ProcessesThatEndedAreNotWaitedFor) {
  const TempDir dir;
  {
    Store store(dir / "s.db");
    store.enqueue("e", stored_trials(2));
  }
  EXPECT_EQ(in_child([&] {
              Store store(dir / "s.db");
              return store.claim("e", this_process() + "/0").has_value();
            }),
            0);
  Store store(dir / "s.db");
  EXPECT_EQ(store.counts("e")[TrialStatus::running], 1);
  EXPECT_TRUE(store.claim("e", this_process() + "/0"));
  EXPECT_TRUE(store.claim("e", this_process() + "/1"));
  EXPECT_FALSE(store.claim("e", this_process() + "/2"));  // ours live
  EXPECT_FALSE(process_has_ended(this_process() + "/0"));
  EXPECT_FALSE(process_has_ended("elsewhere#1#2/0"));
}

/// The acceptance test of "safe to kill at any point": a child adds, claims, records and finishes
/// trials until it is killed; whatever it had been told was stored is there, and all is whole.
TEST(Store, SurvivesSigkillAtAnyMoment) {
  const TempDir dir;
  const std::string path = dir / "s.db";
  Rng rng(1);
  Index done_before = 0;
  for (int round = 0; round < 12; ++round) {
    int told[2] = {};
    ASSERT_EQ(::pipe(told), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      Store store(path);
      for (std::uint64_t seed = std::uint64_t(round) << 32;; ++seed) {
        store.enqueue("e", std::vector{stored_trial(seed)});
        const auto claimed = store.claim("e", this_process() + "/0");
        if (!claimed) ::_exit(9);
        for (Index step = 1; step <= 3; ++step) store.record(claimed->id(), {.step = step});
        store.finish(claimed->id(), TrialStatus::done, {{"seed", claimed->seed}});
        if (::write(told[1], "f", 1) != 1) ::_exit(9);
      }
    }
    ::close(told[1]);
    ::usleep(useconds_t(15'000 + rng.below(60'000)));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself, code " << WEXITSTATUS(status);
    Index finished = 0;
    for (char c = 0; ::read(told[0], &c, 1) == 1;) ++finished;
    ::close(told[0]);

    Store store(path);
    Index done = 0;
    for (const StoredTrial& trial : store.trials("e")) {
      ASSERT_EQ(trial.id, trial.spec.id());
      if (trial.status != TrialStatus::done) continue;
      ++done;
      EXPECT_EQ(trial.curve.size(), 3u);
      EXPECT_EQ(trial.result.at("seed"), trial.spec.seed);
    }
    // Everything that was told, from whichever round the trial was, and at most one untold.
    EXPECT_GE(done, done_before + finished);
    EXPECT_LE(done, done_before + finished + 1);
    done_before = done;
    // Orphans are taken up when nothing else is pending, so each kill may leave one for later.
    EXPECT_LE(store.counts("e")[TrialStatus::running], round + 1);
  }
  Store store(path);
  while (const auto claimed = store.claim("e", this_process() + "/0"))
    store.finish(claimed->id(), TrialStatus::done, {{"seed", claimed->seed}});
  EXPECT_EQ(store.counts("e")[TrialStatus::done], Index(store.trials("e").size()))
      << "a trial is stuck";
}

TEST(Store, TheLongestTrialComesFirst) {
  const TempDir dir;
  Store store(dir / "s.db");
  const auto trials = stored_trials(5);
  store.enqueue("e", trials, std::vector<double>{2, 1e15, 2, 0, 7});
  store.enqueue("e", std::vector{trials[3], trials[1]}, std::vector<double>{5, 0});  // 0: not known
  std::vector<std::uint64_t> order;
  while (const auto spec = store.claim("e", "w")) order.push_back(spec->seed);
  EXPECT_THAT(order, testing::ElementsAre(1, 4, 3, 0, 2));
  store.finish(trials[1].id(), TrialStatus::done, Json::object());
  store.finish(trials[4].id(), TrialStatus::failed, Json::object(), "text");
  const QueueTotals totals = store.totals("e");
  EXPECT_EQ(totals.trials, 5);
  EXPECT_EQ(totals.ended, 2);
  EXPECT_EQ(totals.failed, 1);
  EXPECT_EQ(totals.cost, 1e15 + 16);
  EXPECT_EQ(totals.cost_ended, 1e15 + 7);
}

TEST(Store, ShardsDivideAnExperimentForEver) {
  const TempDir dir;
  Store store(dir / "s.db");
  const auto trials = stored_trials(8);
  store.enqueue("e", std::span(trials).first(5));
  const auto take = [&](Shard shard) {
    std::vector<std::uint64_t> seeds;
    while (const auto spec = store.claim("e", "w", shard)) seeds.push_back(spec->seed);
    return seeds;
  };
  EXPECT_THAT(take({2, 3}), testing::ElementsAre(1, 4));
  std::vector<TrialSpec> again(trials.rbegin(), trials.rend());
  store.enqueue("e", again);  // the new ones, 7 6 5, come behind
  EXPECT_THAT(take({2, 3}), testing::ElementsAre(5));
  EXPECT_EQ(store.totals("e", {2, 3}).trials, 3);
  EXPECT_THAT(take({1, 3}), testing::ElementsAre(0, 3, 6));
  EXPECT_THAT(take({3, 3}), testing::ElementsAre(2, 7));
}

}  // namespace
}  // namespace separatrix
