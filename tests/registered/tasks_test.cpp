// What every registered task must keep, asked of each with the configurations of
// tests/support/task_cases.h.
#include <algorithm>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/task_cases.h"

namespace separatrix {
namespace {

using test::Case;
using test::cases;
using test::Tasks;
using Tokens = test::Tokens;

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

}  // namespace
}  // namespace separatrix
