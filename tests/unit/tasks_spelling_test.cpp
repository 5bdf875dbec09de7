#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "separatrix/tasks/spelling.h"

namespace separatrix {
namespace {

struct Fixture : ::testing::Test {
  Registry<Task> tasks{"task"};
  Fixture() { register_tasks(tasks); }

  std::vector<Token> read(const std::string& name, Index length, const std::string& text,
                          const Json& config = Json::object()) const {
    return read_spelled(*tasks.make(name, config), length, text, "--input");
  }
  std::string complaint(const std::string& name, Index length, const std::string& text) const {
    try {
      read(name, length, text);
    } catch (const Error& error) {
      return std::string(error.what()) + " | " + error.where() + " | " + error.hint();
    }
    return "none";
  }
};
using Spelling = Fixture;

TEST_F(Spelling, ReadsWhatEveryTaskSpells) {
  Index read_back = 0;
  for (const auto& entry : tasks.entries()) {
    if (entry.name == "table" || entry.name == "program") continue;  // need files
    const auto task = tasks.make(entry.name);
    for (const Index length : {4, 8, 20}) {
      try {
        task->check_length(length);
      } catch (const Error&) {
        continue;
      }
      std::vector<Token> tokens(std::size_t(task->info(length).n_tokens)), targets(tokens.size());
      Rng rng(1, RngUse::sample);
      task->sample(rng, tokens);
      task->label(tokens, targets);
      std::string plain, answered;
      for (std::size_t t = 0; t < tokens.size(); ++t) {
        plain += task->spell(tokens[t], length) + " ";
        answered += task->spell(tokens[t], length);
        if (targets[t] != kIgnore) answered += "->" + task->spell_class(targets[t], length);
        answered += " ";
      }
      EXPECT_EQ(read_spelled(*task, length, plain, ""), tokens) << plain;
      EXPECT_EQ(read_spelled(*task, length, answered, ""), tokens) << answered;
      EXPECT_EQ(read_spelled(*task, length, Json(tokens).dump(), ""), tokens);
      EXPECT_EQ(find_illegal(*task, length, tokens), -1);
      ++read_back;
    }
  }
  EXPECT_GT(read_back, 15);
}

TEST_F(Spelling, MistakesAreNamedWithTheirPosition) {
  using ::testing::HasSubstr;
  EXPECT_EQ(complaint("index-lookup", 3, "s1 s2 s3x p=1"),
            "unknown token 's3x' | --input, position 2 | did you mean 's3'?");
  EXPECT_THAT(complaint("index-lookup", 3, "s1 hello-there s3 p=1"),
              HasSubstr("spelled as in s0, s1, ..., p=2"));
  EXPECT_THAT(complaint("index-lookup", 3, "s1 p=1"),
              HasSubstr("the input has 2 tokens, length 3 takes 4"));
  EXPECT_THAT(complaint("index-lookup", 3, ""), HasSubstr("has 0 tokens"));
  EXPECT_THAT(complaint("index-lookup", 3, "[1, 2, 99, 64]"),
              HasSubstr("token 99 is not a whole number from 0 to 66 | --input, position 2"));
  EXPECT_THAT(complaint("index-lookup", 3, "[1, 2"), HasSubstr("not JSON"));
  EXPECT_THAT(complaint("index-lookup", 3, "[1, -2, 3, 4]"), HasSubstr("token -2"));
}

TEST_F(Spelling, BracketsAreNoListOfNumbers) {
  EXPECT_EQ(read("bounded-dyck", 2, "BOS (1 )1 EOS"), (std::vector<Token>{4, 1, 3, 5}));
}

TEST_F(Spelling, SymbolsOfAnAutomatonMayHoldBlanks) {
  const Json dfa = {{"dfa", R"({
    states: [a, b], alphabet: [go on, go], start: a,
    transitions: {a: {go on: b, go: a}, b: {go on: a, go: b}}, outputs: {a: no, b: yes}})"}};
  EXPECT_EQ(read("regular", 3, "go go on go", dfa), (std::vector<Token>{1, 0, 1}));
}

TEST_F(Spelling, FindsWhereTheTokensLeaveTheInstances) {
  const auto task = tasks.make("index-lookup");
  EXPECT_EQ(find_illegal(*task, 3, std::vector<Token>{1, 64, 3, 64}), 1);
  EXPECT_EQ(find_illegal(*task, 3, std::vector<Token>{1, 2, 3, 4}), 3);
}

}  // namespace
}  // namespace separatrix
