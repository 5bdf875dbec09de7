// Users' programs: right ones are tasks, and every way to go wrong has its words.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "separatrix/base/file.h"
#include "separatrix/tasks/line_process.h"
#include "separatrix/tasks/task.h"
#include "tests/support/temp_dir.h"

namespace separatrix {
namespace {

using testing::HasSubstr;
using Tokens = std::vector<Token>;

const std::string kAnswers = SEPARATRIX_SOURCE "/tests/support/answers.py";

class Programs : public testing::Test {
 protected:
  Programs() { register_tasks(registry_); }
  std::unique_ptr<Task> make(const std::string& how, Json config = Json::object()) const {
    config["program"] = kAnswers;
    if (!config.contains("timeout")) config["timeout"] = 60;  // machines may be busy
    config["arguments"] = how;
    return registry_.make("program", config);
  }
  static Tokens label(const Task& task, const Tokens& tokens) {
    Tokens targets(tokens.size());
    task.label(tokens, targets);
    return targets;
  }
  /// Asked for three tokens, the program `how` is refused with these words.
  void expect_error(const std::string& how, const std::string& what, const std::string& hint,
                    const Json& config = Json::object()) const {
    SCOPED_TRACE(how);
    const auto start = std::chrono::steady_clock::now();
    try {
      make(how, config)->check_length(3);
      ADD_FAILURE() << "accepted";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::io);
      EXPECT_THAT(e.what(), HasSubstr(what));
      EXPECT_EQ(e.where(), kAnswers);
      EXPECT_THAT(e.hint(), HasSubstr(hint));
      EXPECT_EQ(std::string(e.what() + e.hint()).find_first_of("\n\x1b"), std::string::npos);
    }
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(50));
  }
  /// Whether this process has children, running or waiting to be reaped.
  static bool has_children() { return ::waitpid(-1, nullptr, WNOHANG) == 0 || errno != ECHILD; }

  /// One that starts in no time; the Python of kAnswers takes its own.
  std::unique_ptr<Task> make_quick(Json config = Json::object()) const {
    config["program"] = SEPARATRIX_SOURCE "/tests/support/count_ones.sh";
    return registry_.make("program", config);
  }

  Registry<Task> registry_{"task"};
};

TEST_F(Programs, AnswerAtTheLastTokenOrAtAll) {
  const auto last = make_quick();
  last->check_length(3);
  EXPECT_EQ(label(*last, {0, 1, 1}), (Tokens{-1, -1, 1}));
  EXPECT_EQ(label(*last, {0, 1, 0}), (Tokens{-1, -1, 0}));
  EXPECT_NEAR(last->chance(4), 11.0 / 16, 1e-12);
  const auto all = make_quick({{"arguments", "running"}, {"positions", "all"}, {"classes", 3}});
  all->check_length(4);
  EXPECT_EQ(label(*all, {1, 1, 0, 1}), (Tokens{1, 2, 2, 0}));
  const auto first = make("first", {{"positions", "all"}});
  EXPECT_EQ(label(*first, {1, 0, 0}), (Tokens{1, -1, -1}));
  EXPECT_NEAR(all->chance(20), 0.36, 0.02);  // 2^20 inputs: estimated
}

TEST_F(Programs, ThatGoWrongAreNamedWithTheirFault) {
  const Json short_time = {{"timeout", 0.3}};
  expect_error("hang", "no answer within 0.3 s, asked {\"tokens\":[", "flush", short_time);
  expect_error("deaf", "no answer within 0.3 s", "flush", short_time);
  expect_error("leave-at-once", "ended with exit code 1 without an answer",
               "it said: nothing to do");
  expect_error("crash", "ended with exit code 1", "it said: ValueError: no answer to 3");
  expect_error("signal", "ended by signal 11 (Segmentation fault)", "run it by hand");
  expect_error("three", "ended with exit code 7", "run it by hand");
  expect_error("garbage", "not JSON: the answer is ?[1m111",
               "answer {\"answer\":k} with k from 0 to 1");
  expect_error("list", "not of the form asked: [1]", "answer {\"answer\":k}");
  expect_error("extra", "not of the form asked", "answer {\"answer\":k}");
  expect_error("text", "out of range: {\"answer\": \"1\"}", "from 0 to 1");
  expect_error("float", "out of range", "from 0 to 1");
  expect_error("large", "out of range", "from 0 to 1");
  expect_error("range", "out of range: {\"answer\": 2}", "from 0 to 1");
  expect_error("nothing", "out of range", "from 0 to 1");
  expect_error("running", "not of the form asked", "answer {\"answer\":k}");
  expect_error("majority", "not of the form asked", "{\"targets\":[..]}", {{"positions", "all"}});
  expect_error("little", "not one target for each token", "{\"targets\":[..]}",
               {{"positions", "all"}, {"classes", 3}});
  expect_error("silent", "asks nothing", "{\"targets\":[..]}", {{"positions", "all"}});
  expect_error("coin", "asked twice, the program answers", "the line alone");
  expect_error("twice", "more than one line", "exactly one");
  expect_error("endless", "no end of line", "it begins with 111");
  EXPECT_FALSE(has_children());
}

TEST_F(Programs, MayTalkOnStandardErrorAsTheyLike) {
  const auto task = make("noisy");
  task->check_length(3);
  EXPECT_EQ(label(*task, {1, 1, 1}).back(), 1);
}

TEST_F(Programs, LeaveNothingBehind) {
  const TempDir dir;
  const std::string note = dir.path() + "/pid";
  {
    const auto task = make("child " + note);
    EXPECT_EQ(label(*task, {1, 1, 1}).back(), 1);
    EXPECT_TRUE(has_children());
  }
  EXPECT_FALSE(has_children());
  // What it started is gone as well (or a zombie that is init's to reap).
  const std::string status = "/proc/" + read_file(note) + "/stat";
  bool gone = false;
  for (int i = 0; i < 200 && !gone; ++i) {
    gone = !std::filesystem::exists(status) || read_file(status).find(") Z ") != std::string::npos;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_TRUE(gone);
}

TEST_F(Programs, ThatCannotStartSayWhy) {
  const TempDir dir;
  const auto expect = [&](const std::string& path, const std::string& what,
                          const std::string& hint) {
    try {
      registry_.make("program", {{"program", path}})->check_length(3);
      ADD_FAILURE() << path;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::io);
      EXPECT_THAT(e.what(), HasSubstr(what));
      EXPECT_EQ(e.where(), path);
      EXPECT_THAT(e.hint(), HasSubstr(hint));
    }
  };
  const std::string script = dir.path() + "/script";
  expect(script, "cannot start the program: No such file", "check the path");
  write_file_atomic(script, "#!/no/such/interpreter\n");
  expect(script, "cannot start the program: Permission denied", "chmod +x");
  ASSERT_EQ(::chmod(script.c_str(), 0755), 0);
  expect(script, "cannot start the program: No such file", "interpreter");
  write_file_atomic(script, "echo no first line\n");
  ASSERT_EQ(::chmod(script.c_str(), 0755), 0);
  expect(script, "cannot start the program: Exec format error", "#!");
  try {
    registry_.make("program")->check_length(3);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::spec);
    EXPECT_THAT(e.hint(), HasSubstr("--program"));
  }
}

TEST_F(Programs, AreFoundOnThePathAndTakeFilesAsArguments) {
  const auto task =
      registry_.make("program", {{"program", "python3"}, {"arguments", kAnswers + "  majority"}});
  task->check_length(3);
  EXPECT_EQ(label(*task, {1, 1, 0}).back(), 1);
}

TEST_F(Programs, ParametersOutOfRangeAreRefused) {
  for (const Json& config :
       {Json{{"alphabet", 0}}, Json{{"classes", 0}}, Json{{"timeout", 0}}, Json{{"timeout", -1}},
        Json{{"timeout", 1e9}}, Json{{"positions", "some"}}})
    EXPECT_THROW(registry_.make("program", config), Error) << config;
}

TEST_F(Programs, LongInputsGoThroughPipesThatHoldLess) {
  const auto task = make("running", {{"positions", "all"}, {"classes", 3}});
  Tokens tokens(200000, 1);
  const Tokens targets = label(*task, tokens);
  EXPECT_EQ(targets.back(), Token(tokens.size() % 3));
}

TEST_F(Programs, AnswerManyThreadsAtOnce) {
  const auto task = make_quick();
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (std::size_t i = 0; i < wrong.size(); ++i)
    threads.emplace_back([&, i] {
      Rng rng(i);
      for (int k = 0; k < 200; ++k) {
        Tokens tokens(9);
        task->sample(rng, tokens);
        const auto ones = std::count(tokens.begin(), tokens.end(), 1);
        wrong[i] += label(*task, tokens).back() != Token(2 * ones > 9);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

/// A reader that is gone must not end this program by SIGPIPE.
TEST(LineProcess, SurvivesAReaderThatIsGone) {
  LineProcess process({"/bin/true"});
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_THROW(process.ask(std::string(1 << 20, 'x'), std::chrono::seconds(20), 100), Error);
}

TEST(LineProcess, HandsOutNoDescriptors) {
  // A child with the other's descriptors would hold its input open, and it would never see the end.
  const auto count = [] {
    LineProcess list({"/bin/sh", "-c", "read line; ls /proc/self/fd | wc -l; read line"});
    return list.ask("", std::chrono::seconds(20), 100);
  };
  const std::string alone = count();
  LineProcess cat({"/bin/cat"});
  EXPECT_EQ(cat.ask("echo", std::chrono::seconds(20), 100), "echo");
  EXPECT_EQ(count(), alone);
}

}  // namespace
}  // namespace separatrix
