// What the samplers promise beyond balance: the hard negatives, and Zoology's slots.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "separatrix/tasks/task.h"

namespace separatrix {
namespace {

using Tokens = std::vector<Token>;

struct Sampler {
  Sampler(const std::string& name, const Json& config, Index length) : rng(11) {
    Registry<Task> registry("task");
    register_tasks(registry);
    task = registry.make(name, config);
    tokens.resize(std::size_t(task->info(length).n_tokens));
    targets.resize(tokens.size());
  }
  void draw() {
    task->sample(rng, tokens);
    task->label(tokens, targets);
  }
  std::unique_ptr<Task> task;
  Rng rng;
  Tokens tokens, targets;
};

/// Share of `count` in `total` is p, up to five standard deviations.
void expect_share(int count, int total, double p) {
  EXPECT_NEAR(double(count) / total, p, 5 * std::sqrt(p * (1 - p) / total));
}

constexpr int kDraws = 4000;

TEST(HardNegatives, UnequalStringsOftenDifferInOneSymbol) {
  for (const char* layout : {"halves", "interleaved"}) {
    Sampler s("string-equality", {{"alphabet", 5}, {"layout", layout}}, 40);
    const bool interleaved = s.task->describe(40).find("interleaved") != std::string::npos;
    int unequal = 0, single = 0;
    std::set<Index> places;
    for (int i = 0; i < kDraws; ++i) {
      s.draw();
      int differences = 0;
      Index place = -1;
      for (Index j = 0; j < 20; ++j) {
        const Index x = interleaved ? 2 * j : j, y = interleaved ? 2 * j + 1 : 20 + j;
        if (s.tokens[std::size_t(x)] != s.tokens[std::size_t(y)]) ++differences, place = j;
      }
      ASSERT_EQ(s.targets.back(), differences == 0);
      unequal += differences > 0;
      single += differences == 1;
      if (differences == 1) places.insert(place);
    }
    expect_share(unequal, kDraws, 0.5);
    expect_share(single, kDraws, 0.25);
    EXPECT_EQ(places.size(), 20U);
  }
}

TEST(HardNegatives, IntersectingSetsOftenShareOneElement) {
  Sampler s("set-disjointness", Json::object(), 60);
  int intersecting = 0, single = 0;
  std::set<Index> places;
  for (int i = 0; i < kDraws; ++i) {
    s.draw();
    int common = 0;
    Index place = -1;
    for (Index j = 0; j < 30; ++j)
      if (s.tokens[std::size_t(j)] * s.tokens[std::size_t(30 + j)] == 1) ++common, place = j;
    ASSERT_EQ(s.targets.back(), common == 0);
    intersecting += common > 0;
    single += common == 1;
    if (common == 1) places.insert(place);
  }
  expect_share(intersecting, kDraws, 0.5);
  // The uniform quarter has one common element with probability 30 (1/4) (3/4)^29 = 0.0018.
  expect_share(single, kDraws, 0.25 + 0.25 * 0.0018);
  EXPECT_EQ(places.size(), 30U);
}

/// One replaced bracket away from the language.
bool one_edit_from_a_word(const Task& task, const Tokens& tokens, Index types) {
  Tokens edited = tokens, targets(tokens.size());
  for (std::size_t t = 1; t + 1 < tokens.size(); ++t) {
    for (Token bracket = 0; bracket < 2 * types; ++bracket) {
      edited[t] = bracket;
      task.label(edited, targets);
      if (targets.back() == 1) return true;
    }
    edited[t] = tokens[t];
  }
  return false;
}

TEST(HardNegatives, RejectedBracketsAreOftenOneEditFromAWordOrOneTooDeep) {
  Sampler s("bounded-dyck", Json::object(), 30);
  const Json deeper = {{"depth", 3}};
  Sampler deep("bounded-dyck", deeper, 30);
  int rejected = 0, edits = 0, too_deep = 0;
  for (int i = 0; i < 2000; ++i) {
    s.draw();
    if (s.targets.back() == 1) continue;
    ++rejected;
    edits += one_edit_from_a_word(*s.task, s.tokens, 2);
    deep.task->label(s.tokens, deep.targets);
    too_deep += deep.targets.back() == 1;
  }
  expect_share(rejected, 2000, 0.5);
  // Half are edits by design; so are the words that happened not to get too deep.
  EXPECT_GT(edits, rejected * 45 / 100);
  EXPECT_LT(edits, rejected * 65 / 100);
  EXPECT_GT(too_deep, rejected * 18 / 100);
}

TEST(Sampling, DyckWordsOfDepthTwoAreUniform) {
  // 2^(3-1) depth profiles times 2^3 types.
  Sampler s("bounded-dyck", {{"mode", "next-token"}}, 6);
  std::map<Tokens, int> counts;
  for (int i = 0; i < 32 * 500; ++i) {
    s.draw();
    ++counts[s.tokens];
  }
  ASSERT_EQ(counts.size(), 32U);
  for (const auto& [word, count] : counts) EXPECT_NEAR(count, 500, 5 * std::sqrt(500.0));
}

// Share of the first key's slot: Zoology draws it first, with weights i^(a-1).
TEST(Sampling, MqarSlotsFollowThePowerLaw) {
  for (const double a : {0.01, 0.5, 1.0}) {
    Sampler s("mqar", {{"vocab_size", 64}, {"pairs", 2}, {"power_a", a}}, 24);
    std::map<Index, int> slot;
    for (int i = 0; i < 8000; ++i) {
      s.draw();
      const auto query = std::find(s.tokens.begin() + 4, s.tokens.end(), s.tokens[0]);
      ++slot[(query - s.tokens.begin() - 4) / 2];
    }
    double total = 0;
    for (int j = 1; j <= 10; ++j) total += std::pow(j, a - 1);
    for (int j = 1; j <= 10; ++j) expect_share(slot[j - 1], 8000, std::pow(j, a - 1) / total);
  }
}

TEST(Sampling, MqarDrawsKeysAndValuesFromTheirHalves) {
  Sampler s("mqar", {{"vocab_size", 16}, {"pairs", 7}}, 40);
  std::map<Token, int> values;
  for (int i = 0; i < 2000; ++i) {
    s.draw();
    std::set<Token> keys;
    for (std::size_t t = 0; t < 14; t += 2) {
      keys.insert(s.tokens[t]);
      ++values[s.tokens[t + 1]];
    }
    ASSERT_EQ(keys, (std::set<Token>{1, 2, 3, 4, 5, 6, 7}));  // all the keys that there are
  }
  ASSERT_EQ(values.size(), 8U);
  for (const auto& [value, count] : values) {
    EXPECT_GE(value, 8);
    expect_share(count, 2000, 7.0 / 8);
  }
}

/// All answers alike, also where a symbol almost always occurs and where it almost never does.
TEST(Sampling, InductionAsksForEveryAnswerAlike) {
  for (const auto& [q, N] : std::vector<std::pair<Index, Index>>{{2, 2}, {3, 50}, {9, 4}}) {
    Sampler s("induction", {{"alphabet", q}}, N);
    std::map<Token, int> answers;
    for (int i = 0; i < 8000; ++i) {
      s.draw();
      ++answers[s.targets.back()];
    }
    ASSERT_EQ(Index(answers.size()), q + 1);
    for (const auto& [answer, count] : answers) expect_share(count, 8000, 1 / double(q + 1));
  }
  Sampler one("induction", {{"alphabet", 1}}, 4);  // no symbol is new, the answer never another
  one.draw();
  EXPECT_EQ(one.tokens, (Tokens{0, 0, 0, 0}));
  EXPECT_EQ(one.targets.back(), 0);
  EXPECT_EQ(one.task->chance(4), 1);
}

TEST(Sampling, DefaultMqarIsZoologys) {
  Sampler s("mqar", Json::object(), 64);
  s.draw();
  EXPECT_EQ(s.task->info(64).vocab_size, 8192);
  EXPECT_EQ(std::count_if(s.targets.begin(), s.targets.end(), [](Token t) { return t >= 0; }), 4);
  EXPECT_EQ(std::count(s.tokens.begin(), s.tokens.end(), 0), 64 - 8 - 4);
  EXPECT_EQ(s.task->chance(64), 1.0 / 4096);
}

}  // namespace
}  // namespace separatrix
