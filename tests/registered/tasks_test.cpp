// What every registered task must keep, asked of each with the configurations below.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "separatrix/base/hash.h"
#include "separatrix/tasks/batch.h"
#include "separatrix/tasks/task.h"

namespace separatrix {
namespace {

using Tokens = std::vector<Token>;

struct Case {
  std::string task;
  Json config;
  std::vector<Index> small;  ///< lengths at which all instances are tried
  Index sampled;             ///< length at which frequencies are measured
};

constexpr const char* kMod3 =
    "{states: [b, a, c], alphabet: [x, y], start: a, outputs: {a: zero, b: one, c: two}, "
    "transitions: {a: {x: b, y: a}, b: {x: c, y: b}, c: {x: a, y: a}}}";

// A promise that is no tree of its own: lengths mix, tokens are missing.
constexpr const char* kPromise =
    "{\"tokens\":[0,2,1],\"answer\":1}\n{\"tokens\":[0,2,3],\"targets\":[-1,0,2]}\n"
    "{\"tokens\":[1,1,1],\"answer\":1}\n{\"tokens\":[3,2,1],\"answer\":0}\n"
    "{\"tokens\":[3,2,0],\"answer\":1}\n{\"tokens\":[0,0],\"answer\":1}\n"
    "{\"tokens\":[0,3],\"answer\":0}\n{\"tokens\":[2,3],\"answer\":0}";

constexpr const char* kFeatures =
    "{features: [{positions: [3, 0], computes: xor}, {positions: [1, 2, 4], computes: majority}, "
    "{positions: [2], table: [1, 0]}], function: {exactly: 2}}";

// Both features can never hold at once: every answer is no.
constexpr const char* kNever =
    "{features: [{positions: [0], table: [0, 1]}, {positions: [0], table: [1, 0]}], "
    "function: and}";

const Json kMajority = {{"program", SEPARATRIX_SOURCE "/tests/support/count_ones.sh"}};
const Json kRunning = {{"program", SEPARATRIX_SOURCE "/tests/support/count_ones.sh"},
                       {"arguments", "running"},
                       {"positions", "all"},
                       {"classes", 3}};

// A task that is registered without a line here fails CasesCoverTheRegistry.
std::vector<Case> cases() {
  return {
      {"index-lookup", {{"alphabet", 3}}, {1, 2, 5}, 20},
      {"index-lookup", {{"alphabet", 3}, {"query", "first"}}, {1, 2, 5}, 20},
      {"index-lookup", {{"alphabet", 1}}, {1, 2, 5}, 20},
      {"index-lookup", {{"alphabet", 1}, {"query", "first"}}, {1, 2, 5}, 20},
      {"bounded-dyck", Json::object(), {2, 4, 6}, 20},
      {"bounded-dyck", {{"types", 1}, {"depth", 1}}, {2, 4, 8}, 10},
      {"bounded-dyck", {{"types", 3}, {"depth", 1}}, {2, 4}, 10},
      {"bounded-dyck", {{"types", 1}, {"depth", 4}}, {2, 4, 8}, 14},
      {"bounded-dyck", {{"mode", "next-token"}}, {2, 4, 8}, 20},
      {"bounded-dyck", {{"mode", "next-token"}, {"types", 3}, {"depth", 4}}, {2, 6, 8}, 30},
      {"bounded-dyck", {{"mode", "next_token"}, {"types", 1}, {"depth", 9}}, {2, 10}, 12},
      {"string-equality", Json::object(), {2, 4, 8}, 20},
      {"string-equality", {{"alphabet", 3}, {"layout", "interleaved"}}, {2, 4, 6}, 20},
      {"string-equality", {{"alphabet", 1}}, {2, 4, 8}, 20},
      {"set-disjointness", Json::object(), {2, 4, 8}, 20},
      {"set-disjointness", {{"layout", "interleaved"}}, {2, 4, 8}, 20},
      {"nearest-neighbor", {{"dimension", 2}}, {1, 2, 3}, 6},
      {"nearest-neighbor", {{"dimension", 2}, {"labels", 3}, {"positions", "all"}}, {1, 2}, 6},
      {"mqar", {{"vocab_size", 8}, {"pairs", 2}}, {8, 10}, 16},
      {"mqar", {{"vocab_size", 7}, {"pairs", 1}, {"random_non_queries", true}}, {4, 6}, 12},
      {"induction", {{"alphabet", 3}}, {2, 3, 6}, 20},
      {"induction", {{"alphabet", 12}}, {2, 3}, 5},
      {"induction", {{"alphabet", 1}}, {2, 3, 6}, 20},
      {"sparse-features", Json::object(), {2, 3, 7}, 20},
      {"sparse-features", {{"features", kFeatures}}, {5, 7}, 15},
      {"sparse-features", {{"features", kNever}}, {1, 2}, 9},
      {"regular", Json::object(), {1, 2, 8}, 15},
      {"regular", {{"positions", "last"}}, {1, 2, 8}, 15},
      {"regular", {{"dfa", kMod3}}, {1, 2, 8}, 15},
      {"table", Json::object(), {3}, 3},
      {"table", {{"table", kPromise}}, {2, 3}, 3},
      {"program", kMajority, {1, 2, 5}, 9},
      {"program", kRunning, {1, 4}, 9},
  };
}

class Tasks : public testing::Test {
 protected:
  Tasks() { register_tasks(registry_); }
  std::unique_ptr<Task> make(const Case& c) const { return registry_.make(c.task, c.config); }
  static Tokens label(const Task& task, const Tokens& tokens, Token before = 77) {
    Tokens targets(tokens.size(), before);
    task.label(tokens, targets);
    return targets;
  }
  static std::set<Tokens> instances(const Task& task, Index length) {
    std::set<Tokens> all;
    for_each_instance(task, length, [&](std::span<const Token> tokens) {
      return all.emplace(tokens.begin(), tokens.end()).second;
    });
    return all;
  }
  /// A single instance leaves nothing to draw.
  static bool has_choice(const Task& task, Index length) {
    Index count = 0;
    return !for_each_instance(task, length, [&](std::span<const Token>) { return ++count < 2; });
  }
  static Tokens draw(const Task& task, Index length, Rng& rng) {
    Tokens tokens(std::size_t(task.info(length).n_tokens), -5);
    task.sample(rng, tokens);
    return tokens;
  }
  /// Users' tables and programs: nothing says how to compute the answers.
  static bool has_answers_only(const Task& task, Index length) {
    const std::string words = task.describe(length);
    return words.find("answer what ") != std::string::npos;
  }
  template <class F>
  void for_each_small(F&& f) const {
    for (const Case& c : cases())
      for (const Index length : c.small) {
        SCOPED_TRACE(c.task + " " + c.config.dump() + " length " + std::to_string(length));
        f(*make(c), length);
      }
  }

  Registry<Task> registry_{"task"};
};

TEST_F(Tasks, CasesCoverTheRegistry) {
  std::set<std::string> covered;
  for (const Case& c : cases()) covered.insert(c.task);
  for (const auto& entry : registry_.entries()) {
    EXPECT_TRUE(covered.count(entry.name)) << "add a case for " << entry.name;
    EXPECT_FALSE(entry.summary.empty()) << entry.name;
    EXPECT_NO_THROW(registry_.make(entry.name)) << "defaults of " << entry.name;
  }
}

TEST_F(Tasks, InstancesComeInOrderAndStopWhenAsked) {
  for_each_small([](const Task& task, Index length) {
    Tokens before;
    Index count = 0;
    EXPECT_TRUE(for_each_instance(task, length, [&](std::span<const Token> tokens) {
      const Tokens now(tokens.begin(), tokens.end());
      EXPECT_LT(before, now);
      EXPECT_EQ(Index(now.size()), task.info(length).n_tokens);
      EXPECT_GE(*std::min_element(now.begin(), now.end()), 0);
      EXPECT_LT(*std::max_element(now.begin(), now.end()), task.info(length).vocab_size);
      before = now;
      ++count;
      return true;
    }));
    EXPECT_GT(count, 0);
    EXPECT_TRUE(task.legal_next(before, length).empty());
    Index seen = 0;
    EXPECT_FALSE(for_each_instance(task, length, [&](std::span<const Token>) {
      ++seen;
      return false;
    }));
    EXPECT_EQ(seen, 1);
  });
}

TEST_F(Tasks, LabelIsPureAndAsksSomething) {
  for_each_small([](const Task& task, Index length) {
    for (const Tokens& tokens : instances(task, length)) {
      const Tokens targets = label(task, tokens);
      ASSERT_EQ(targets, label(task, tokens, kIgnore));
      ASSERT_TRUE(std::any_of(targets.begin(), targets.end(), [](Token t) { return t >= 0; }));
      for (const Token target : targets) {
        ASSERT_GE(target, kIgnore);
        ASSERT_LT(target, task.info(length).n_classes);
      }
    }
  });
}

TEST_F(Tasks, StreamingReferenceAgreesWithLabelOnAllInstances) {
  for_each_small([](const Task& task, Index length) {
    const auto streaming = task.streaming(length);
    ASSERT_EQ(streaming == nullptr, has_answers_only(task, length));
    if (!streaming) return;
    for (const Tokens& tokens : instances(task, length)) {
      StreamingReference::State state = streaming->start();
      Tokens answers;
      for (std::size_t t = 0; t < tokens.size(); ++t) {
        state = streaming->step(state, tokens[t], Index(t));
        answers.push_back(streaming->output(state, Index(t)));
      }
      ASSERT_EQ(answers, label(task, tokens)) << testing::PrintToString(tokens);
    }
  });
}

// The promise that the bounds rest on: equal states at equal times, equal futures.
TEST_F(Tasks, EqualStreamingStatesHaveEqualFutures) {
  for_each_small([](const Task& task, Index length) {
    const auto streaming = task.streaming(length);
    if (!streaming) return;
    std::map<std::pair<StreamingReference::State, Tokens>, Tokens>
        future;  // (state, rest) -> targets
    const auto all = instances(task, length);
    const Index cut = task.info(length).n_tokens / 2;
    for (const Tokens& tokens : all) {
      StreamingReference::State state = streaming->start();
      for (Index t = 0; t < cut; ++t) state = streaming->step(state, tokens[std::size_t(t)], t);
      const Tokens targets = label(task, tokens);
      const Tokens rest(tokens.begin() + cut, tokens.end()),
          answers(targets.begin() + cut, targets.end());
      ASSERT_EQ(future.try_emplace({state, rest}, answers).first->second, answers);
    }
  });
}

TEST_F(Tasks, AutomatonAgreesWithLabelOnAllInstances) {
  Index with_automaton = 0;
  for_each_small([&](const Task& task, Index length) {
    const std::optional<Dfa> dfa = task.automaton();
    if (!dfa) return;
    ++with_automaton;
    ASSERT_EQ(dfa->alphabet, task.info(length).vocab_size);
    ASSERT_EQ(Index(dfa->next.size()), dfa->n_states * dfa->alphabet);
    ASSERT_EQ(Index(dfa->output.size()), dfa->n_states);
    for (const Index next : dfa->next) ASSERT_TRUE(0 <= next && next < dfa->n_states);
    for (const Tokens& tokens : instances(task, length)) {
      Tokens answers;
      Index state = 0;
      for (const Token token : tokens)
        answers.push_back(dfa->output[std::size_t(state = dfa->step(state, token))]);
      ASSERT_EQ(answers, label(task, tokens)) << testing::PrintToString(tokens);
    }
  });
  EXPECT_GE(with_automaton, 20);
}

TEST_F(Tasks, UniformDfaReadsEveryInstanceOfEveryLength) {
  Index with_uniform = 0;
  for_each_small([&](const Task& task, Index length) {
    const std::optional<Dfa> dfa = task.uniform();
    if (!dfa) return;
    ++with_uniform;
    ASSERT_TRUE(dfa->legal.empty() || dfa->legal.size() == dfa->next.size());
    for (const Tokens& tokens : instances(task, length)) {
      const Tokens targets = label(task, tokens);
      Index state = 0;
      for (std::size_t t = 0; t < tokens.size(); ++t) {
        ASSERT_TRUE(dfa->is_legal(state, tokens[t])) << testing::PrintToString(tokens);
        state = dfa->step(state, tokens[t]);
        if (targets[t] != kIgnore) {
          ASSERT_EQ(dfa->output[std::size_t(state)], targets[t]) << testing::PrintToString(tokens);
        }
      }
    }
  });
  EXPECT_GE(with_uniform, 20);
}

TEST_F(Tasks, SamplesAreInstancesAndReachEveryOneOfThem) {
  for_each_small([](const Task& task, Index length) {
    const std::set<Tokens> all = instances(task, length);
    const bool few = all.size() <= 150;
    std::set<Tokens> seen;
    Rng rng(3);
    for (Index i = 0; i < (few ? 12000 : 300); ++i) {
      const Tokens tokens = draw(task, length, rng);
      ASSERT_TRUE(all.count(tokens)) << testing::PrintToString(tokens);
      seen.insert(tokens);
    }
    if (few) {
      EXPECT_EQ(seen.size(), all.size());
    }
  });
}

// Chance is the share of the most frequent class, and every class that exists is drawn.
TEST_F(Tasks, SamplesAreBalancedAsChanceSays) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.task + " " + c.config.dump());
    const auto task = make(c);
    std::vector<Index> lengths = c.small;
    lengths.push_back(c.sampled);
    std::set<Token> existing;
    for (const Tokens& tokens : instances(*task, c.small.back()))
      for (const Token target : label(*task, tokens)) existing.insert(target);
    existing.erase(kIgnore);
    for (const Index length : lengths) {
      constexpr int kDraws = 4000;
      Rng rng(17, RngUse::test, std::uint64_t(length));
      std::map<Token, double> share;
      double asked = 0;
      for (int i = 0; i < kDraws; ++i)
        for (const Token target : label(*task, draw(*task, length, rng)))
          if (target != kIgnore) ++share[target], ++asked;
      double best = 0;
      for (const auto& [target, count] : share) best = std::max(best, count / asked);
      const double p = task->chance(length);
      EXPECT_NEAR(best, p, 4.5 * std::sqrt(p * (1 - p) / kDraws) + 1e-9) << "length " << length;
      if (length < c.sampled) continue;
      std::set<Token> drawn;
      for (const auto& [target, count] : share) drawn.insert(target);
      EXPECT_TRUE(std::includes(drawn.begin(), drawn.end(), existing.begin(), existing.end()));
    }
  }
}

TEST_F(Tasks, DrawsDependOnTheSeedOnly) {
  for (const Case& c : cases()) {
    const auto one = make(c), two = make(c);
    Rng a(5), b(5), other(6);
    bool differs = false;
    for (int i = 0; i < 50; ++i) {
      const Tokens tokens = draw(*one, c.sampled, a);
      EXPECT_EQ(tokens, draw(*two, c.sampled, b)) << c.task;
      differs = differs || tokens != draw(*one, c.sampled, other);
    }
    EXPECT_EQ(differs, has_choice(*one, c.sampled)) << c.task;
  }
}

TEST_F(Tasks, EveryTokenAndClassHasItsOwnName) {
  for_each_small([](const Task& task, Index length) {
    std::set<std::string> tokens, classes;
    const TaskInfo info = task.info(length);
    for (Token t = 0; t < info.vocab_size; ++t) tokens.insert(task.spell(t, length));
    for (Token t = 0; t < info.n_classes; ++t) classes.insert(task.spell_class(t, length));
    EXPECT_EQ(Index(tokens.size()), info.vocab_size);
    EXPECT_EQ(Index(classes.size()), info.n_classes);
    EXPECT_FALSE(tokens.count("") || classes.count(""));
    EXPECT_FALSE(info.reference.empty());
    EXPECT_THAT(task.describe(length), testing::HasSubstr("answer"));
  });
}

TEST_F(Tasks, LengthsThatDoNotExistAreRefusedWithAHint) {
  for (const Case& c : cases())
    for (const Index length : {Index{0}, Index{-1}, Index{1000000000}, INT64_MAX, INT64_MIN}) {
      try {
        make(c)->check_length(length);
        ADD_FAILURE() << c.task << " accepts " << length;
      } catch (const Error& e) {
        EXPECT_EQ(e.kind(), ErrorKind::spec);
        EXPECT_EQ(e.where(), "length");
        EXPECT_THAT(e.hint(), testing::StartsWith("choose "));
      }
    }
}

TEST_F(Tasks, BatchesKeepEvaluationInputsOutOfTraining) {
  constexpr Index kHoldout = 4;
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.task + " " + c.config.dump());
    const auto task = make(c);
    Rng rng(1);
    Batch batch;
    if (!has_choice(*task, c.sampled)) {  // it belongs to one of the two
      Index refused = 0;
      for (const Portion portion : {Portion::training, Portion::evaluation}) try {
          sample_batch(*task, c.sampled, 30, portion, kHoldout, rng, batch);
        } catch (const Error& e) {
          ++refused;
          EXPECT_EQ(e.where(), "holdout");
        }
      EXPECT_EQ(refused, 1);
      continue;
    }
    for (const Portion portion : {Portion::training, Portion::evaluation}) {
      sample_batch(*task, c.sampled, 30, portion, kHoldout, rng, batch);
      ASSERT_EQ(batch.B, 30);
      ASSERT_EQ(batch.T, task->info(c.sampled).n_tokens);
      for (Index b = 0; b < batch.B; ++b) {
        const auto row = batch.row(b), targets = batch.target_row(b);
        EXPECT_EQ(hash_tokens(row) % kHoldout == 0, portion == Portion::evaluation);
        EXPECT_EQ(Tokens(targets.begin(), targets.end()),
                  label(*task, Tokens(row.begin(), row.end())));
      }
    }
  }
}

TEST_F(Tasks, AnInputSpaceTooSmallToDivideIsAnError) {
  const auto task = registry_.make("index-lookup", {{"alphabet", 2}});
  Rng rng(1);
  Batch batch;
  try {
    sample_batch(*task, 1, 1, Portion::evaluation, Index{1} << 40, rng, batch);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::spec);
    EXPECT_EQ(e.where(), "holdout");
  }
  EXPECT_NO_THROW(sample_batch(*task, 1, 8, Portion::any, Index{1} << 40, rng, batch));
  EXPECT_NO_THROW(sample_batch(*task, 1, 8, Portion::evaluation, 0, rng, batch));
}

}  // namespace
}  // namespace separatrix
