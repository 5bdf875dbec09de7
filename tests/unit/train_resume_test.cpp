#include <csignal>
#include <filesystem>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "separatrix/base/file.h"
#include "tests/support/tiny_trial.h"

namespace separatrix {
namespace {

class Resume : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "separatrix-resume-" + std::to_string(::getpid());
    make_folder(folder_);
    checkpoint_ = folder_ + "/checkpoint";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string folder_, checkpoint_;
};

void expect_same(const TrialResult& a, const TrialResult& b) {
  EXPECT_EQ(a.weights.values, b.weights.values);  // bit for bit: no NaN among them
  EXPECT_EQ(to_string(a.outcome), to_string(b.outcome));
  EXPECT_EQ(to_json(a.last), to_json(b.last));
  ASSERT_EQ(a.curve.size(), b.curve.size());
  for (std::size_t i = 0; i < a.curve.size(); ++i)
    EXPECT_EQ(to_json(a.curve[i]), to_json(b.curve[i]));
}

/// SIGKILL ten times at random moments, each time going on from what is on disk.
TEST_F(Resume, KilledTenTimesGivesTheSameBits) {
  const TrialSpec spec = tiny_trial();
  const TrialResult undisturbed = train_tiny(spec);
  Rng rng(7);
  int killed_while_running = 0;
  for (int kill_number = 0; kill_number < 10; ++kill_number) {
    const Index patience = 1 + rng.below(8);  // steps that this sitting is allowed
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      Index steps = 0;
      TrainRun run{.checkpoint = checkpoint_, .checkpoint_seconds = 0};
      run.on_step = [&](Index, double) {
        if (++steps > patience) ::kill(::getpid(), SIGKILL);
      };
      train_tiny(spec, run);
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    killed_while_running += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }
  EXPECT_EQ(killed_while_running, 10);
  EXPECT_TRUE(std::filesystem::exists(checkpoint_));
  expect_same(train_tiny(spec, {.checkpoint = checkpoint_}), undisturbed);
}

TEST_F(Resume, StoppedAtEveryStepGivesTheSameBits) {
  const TrialSpec spec = tiny_trial();
  TrialResult result;
  for (Index sitting = 0; sitting < spec.train.steps + 1; ++sitting) {
    std::atomic<bool> stop{false};
    TrainRun run{.checkpoint = checkpoint_, .checkpoint_seconds = 1e9, .stop = &stop};
    run.on_step = [&](Index, double) { stop = true; };
    result = train_tiny(spec, run);
    if (result.outcome != Outcome::interrupted) break;
  }
  expect_same(result, train_tiny(spec));
}

TEST_F(Resume, GivingUpIsDecidedTheSameAfterAnyStop) {
  TrialSpec spec = tiny_trial();
  spec.train.lr = 1e-9;  // stays where it starts: near chance
  spec.train.give_up_after = 30;
  spec.train.give_up_below = 0.9;
  TrialResult result;
  for (Index sitting = 0; sitting < spec.train.steps + 1; ++sitting) {
    std::atomic<bool> stop{false};
    TrainRun run{.checkpoint = checkpoint_, .checkpoint_seconds = 1e9, .stop = &stop};
    run.on_step = [&](Index, double) { stop = true; };
    result = train_tiny(spec, run);
    if (result.outcome != Outcome::interrupted) break;
  }
  EXPECT_TRUE(result.gave_up);
  EXPECT_EQ(result.last.step, 40);
  expect_same(result, train_tiny(spec));
  EXPECT_TRUE(train_tiny(spec, {.checkpoint = checkpoint_}).gave_up) << "read back when finished";
}

TEST_F(Resume, AFinishedRunIsNotRunAgain) {
  const TrialSpec spec = tiny_trial();
  const TrialResult first = train_tiny(spec, {.checkpoint = checkpoint_});
  TrainRun run{.checkpoint = checkpoint_};
  run.on_step = [](Index, double) { ADD_FAILURE() << "trained again"; };
  expect_same(train_tiny(spec, run), first);
}

TEST_F(Resume, ForeignAndDamagedCheckpointsAreRefused) {
  const TrialSpec spec = tiny_trial();
  train_tiny(spec, {.checkpoint = checkpoint_});
  TrialSpec other = spec;
  other.seed = 1;
  EXPECT_THROW(train_tiny(other, {.checkpoint = checkpoint_}), Error);
  const std::string bytes = read_file(checkpoint_);
  for (const std::size_t keep :
       {std::size_t(0), std::size_t(7), bytes.size() / 2, bytes.size() - 1}) {
    write_file_atomic(checkpoint_, bytes.substr(0, keep));
    EXPECT_THROW(train_tiny(spec, {.checkpoint = checkpoint_}), Error) << keep;
  }
}

TEST_F(Resume, ACheckpointThatCannotBeWrittenIsAnError) {
  EXPECT_THROW(train_tiny(tiny_trial(), {.checkpoint = folder_ + "/absent/checkpoint"}), Error);
}

}  // namespace
}  // namespace separatrix
