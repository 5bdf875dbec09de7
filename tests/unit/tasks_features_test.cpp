// Random features against a plain definition; that the streaming reference keeps no more than it
// must; and what the sampler promises.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tests/support/features.h"
#include "tests/support/registries.h"

namespace separatrix {
namespace {

using test::features_task;
using Tokens = std::vector<Token>;

Tokens bits_of(std::size_t number, Index n) {
  Tokens bits;
  for (Index i = 0; i < n; ++i) bits.push_back(Token(number >> i & 1));
  return bits;
}

Token ask(const Task& task, Tokens bits) {
  bits.push_back(2);
  Tokens targets(bits.size());
  task.label(bits, targets);
  return targets.back();
}

/// Random features on n bits as a file, and the answer by a definition of its own: of strings.
struct RandomFeatures {
  explicit RandomFeatures(std::uint64_t seed) : rng(seed), n(1 + rng.below(9)) {
    const Index m = 1 + rng.below(6);
    std::string list;
    for (Index f = 0; f < m; ++f) {
      const Index k = 1 + rng.below(std::min<Index>(n, f == 0 ? 8 : 4));
      std::vector<Index> positions;
      while (Index(positions.size()) < k)
        if (const Index p = rng.below(n);
            std::find(positions.begin(), positions.end(), p) == positions.end())
          positions.push_back(p);
      const std::vector<std::string> names = {"and", "or", "xor", "majority"};
      const Index rule = rng.below(6);
      std::string table;
      for (Index row = 0; row < Index{1} << k; ++row) table += rng.coin() ? '1' : '0';
      Json json = {{"positions", positions}};
      if (rule < 4) {
        json["computes"] = names[std::size_t(rule)];
      } else {
        for (const char c : table) json["table"].push_back(c - '0');
      }
      list += json.dump() + (f + 1 < m ? ", " : "");
      holds.emplace_back([=](const std::string& x) {
        std::string seen;
        for (const Index p : positions) seen += x[std::size_t(p)];
        const auto ones = std::size_t(std::count(seen.begin(), seen.end(), '1'));
        if (rule == 0) return seen.find('0') == std::string::npos;
        if (rule == 1) return seen.find('1') != std::string::npos;
        if (rule == 2) return ones % 2 == 1;
        if (rule == 3) return ones > seen.size() - ones;
        return table[std::stoul(seen, nullptr, 2)] == '1';
      });
    }
    Json values;
    for (Index i = 0; i <= m; ++i) values.push_back(rng.below(2));
    g = values.get<std::vector<int>>();
    text = "{features: [" + list + "], function: {values: " + values.dump() + "}}";
  }
  int answer(const Tokens& bits) const {
    std::string x;
    for (const Token bit : bits) x += bit == 1 ? '1' : '0';
    std::size_t count = 0;
    for (const auto& f : holds) count += f(x) ? 1 : 0;
    return g[count];
  }

  Rng rng;
  Index n;
  std::vector<std::function<bool(const std::string&)>> holds;
  std::vector<int> g;
  std::string text;
};

TEST(RandomFeatures, LabelStreamingAndChanceAgreeWithThePlainDefinition) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const RandomFeatures random(seed);
    SCOPED_TRACE(random.text);
    const auto task = features_task(random.text);
    const Index N = random.n;
    const auto reader = task->streaming(N);
    std::set<int> answers;
    // (time, state) -> what follows and how it ends
    std::map<std::pair<std::size_t, StreamingReference::State>, std::map<Tokens, int>> futures;
    for (std::size_t x = 0; x < std::size_t{1} << N; ++x) {
      const Tokens bits = bits_of(x, N);
      const int answer = random.answer(bits);
      answers.insert(answer);
      ASSERT_EQ(ask(*task, bits), answer);
      StreamingReference::State state = reader->start();
      for (std::size_t t = 0; t < bits.size(); ++t) {
        const Tokens rest(bits.begin() + std::ptrdiff_t(t), bits.end());
        ASSERT_EQ((futures[{t, state}].try_emplace(rest, answer).first->second), answer);
        state = reader->step(state, bits[t], Index(t));
        ASSERT_EQ(reader->output(state, Index(t)), kIgnore);
      }
      state = reader->step(state, 2, N);
      ASSERT_EQ(reader->output(state, N), answer);
    }
    EXPECT_EQ(task->chance(N), answers.size() == 2 ? 0.5 : 1);
  }
}

TEST(RandomFeatures, LayeredMergeCountsWhatFoldingCounts) {
  const BoundCatalog f;
  const auto folding = f.bounds.make("folding"), layered = f.bounds.make("layered-merge");
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const RandomFeatures random(seed);
    SCOPED_TRACE(random.text);
    const Json config = {{"features", random.text}};
    const auto task = f.tasks.make("sparse-features", config);
    const BoundRequest request{
        .task = *task, .task_name = "sparse-features", .task_config = config, .length = random.n};
    const auto all = folding->compute(request), some = layered->compute(request);
    ASSERT_EQ(all.size(), 1U);
    ASSERT_EQ(some.size(), 1U);
    EXPECT_EQ(some[0].count, all[0].count);
    EXPECT_TRUE(folding->check(request, some[0]).valid || layered->check(request, some[0]).valid);
  }
}

/// States of the streaming reference after each number of bits.
std::vector<std::size_t> states(const Task& task, Index length) {
  const auto reader = task.streaming(length);
  std::set<StreamingReference::State> now{reader->start()};
  std::vector<std::size_t> out{now.size()};
  for (Index t = 0; t < length; ++t) {
    std::set<StreamingReference::State> next;
    for (const auto& state : now)
      for (const Token bit : {0, 1}) next.insert(reader->step(state, bit, t));
    now.swap(next);
    out.push_back(now.size());
  }
  return out;
}

// By hand: what must be known about the bits so far.
TEST(FeatureReader, KeepsNoMoreThanItMust) {
  // Neighbours, or: yes already, or else the last bit.
  EXPECT_EQ(states(*features_task(""), 6), (std::vector<std::size_t>{1, 2, 3, 3, 3, 3, 2}));
  EXPECT_EQ(states(*features_task(""), 2000)[1000], 3U);
  const std::string pairs =
      "{features: [{positions: [0, 3], computes: xor}, {positions: [1, 4], computes: xor}, "
      "{positions: [2, 5], computes: xor}], function: ";
  // Three bits; then no already, or else those that still wait for their partner.
  EXPECT_EQ(states(*features_task(pairs + "and}"), 6),
            (std::vector<std::size_t>{1, 2, 4, 8, 5, 3, 2}));
  // xor of six bits as one feature: its residual is one bit, not the bits.
  EXPECT_EQ(states(*features_task("{features: [{positions: [5, 1, 0, 2, 3, 4], computes: xor}], "
                                  "function: or}"),
                   6),
            (std::vector<std::size_t>{1, 2, 2, 2, 2, 2, 2}));
  // The count matters only as far as it can decide: modulo 2, and up to the threshold.
  std::string single;
  for (int i = 0; i < 9; ++i)
    single += (i > 0 ? ", " : "") + ("{positions: [" + std::to_string(i)) + "], computes: or}";
  EXPECT_EQ(states(*features_task("{features: [" + single + "], function: parity}"), 9),
            (std::vector<std::size_t>{1, 2, 2, 2, 2, 2, 2, 2, 2, 2}));
  EXPECT_EQ(states(*features_task("{features: [" + single + "], function: {at-least: 2}}"), 9),
            (std::vector<std::size_t>{1, 2, 3, 3, 3, 3, 3, 3, 3, 2}));
}

/// Share of yes among draws, and of inputs of which one flip changes the answer.
struct Shares {
  double yes = 0, near_yes = 0, near_no = 0;
};
Shares shares(const Task& task, Index length) {
  constexpr int kDraws = 2000;
  Rng rng(5);
  Tokens tokens(std::size_t(length + 1));
  int yes = 0, near_yes = 0, near_no = 0;
  for (int i = 0; i < kDraws; ++i) {
    task.sample(rng, tokens);
    EXPECT_EQ(tokens.back(), 2);
    Tokens bits(tokens.begin(), tokens.end() - 1);
    const Token answer = ask(task, bits);
    yes += answer;
    bool near = false;
    for (Token& bit : bits) {
      bit = 1 - bit;
      near = near || ask(task, bits) != answer;
      bit = 1 - bit;
    }
    (answer == 1 ? near_yes : near_no) += near;
  }
  return {double(yes) / kDraws, double(near_yes) / yes, double(near_no) / (kDraws - yes)};
}

TEST(FeatureSampler, HalfIsYesAndHalfOfEachIsOneBitFromTheOther) {
  const double sigma = std::sqrt(0.25 / 2000);
  // Of uniform bits, nearly none have no two neighbouring ones, and nearly none have just two.
  const Shares pairs = shares(*features_task(""), 60);
  EXPECT_NEAR(pairs.yes, 0.5, 5 * sigma);
  EXPECT_GT(pairs.near_no, 0.5);
  EXPECT_GT(pairs.near_yes, 0.45);
  EXPECT_LT(pairs.near_yes, 0.6);
  // Twenty of twenty: of uniform bits one in 4^20.
  std::string list;
  for (int i = 0; i < 20; ++i)
    list +=
        "{positions: [" + std::to_string(i) + ", " + std::to_string(39 - i) + "], computes: xor}, ";
  const std::string xors = "{features: [" + list + "], function: ";
  for (const char* function : {"and", "{exactly: 3}", "{at-least: 19}", "parity", "majority"}) {
    const Shares s = shares(*features_task(xors + function + "}"), 40);
    EXPECT_NEAR(s.yes, 0.5, 5 * sigma) << function;
    EXPECT_GT(s.near_no, 0.45) << function;
    EXPECT_GT(s.near_yes, 0.45) << function;
  }
}

// Features that share bits, so that an edit for one undoes another: clauses with a hidden answer.
TEST(FeatureSampler, FindsInputsThatUniformBitsDoNot) {
  Rng rng(8);
  constexpr Index kBits = 40, kClauses = 140;
  std::string list;
  for (Index c = 0; c < kClauses; ++c) {
    std::vector<Index> positions;
    while (positions.size() < 3)
      if (const Index p = rng.below(kBits);
          std::find(positions.begin(), positions.end(), p) == positions.end())
        positions.push_back(p);
    Json table = Json::array();
    const Index excluded = rng.below(7);  // never 111: all ones satisfy every clause
    for (Index row = 0; row < 8; ++row) table.push_back(row == excluded ? 0 : 1);
    list += Json{{"positions", positions}, {"table", table}}.dump() + ", ";
  }
  const auto task = features_task("{features: [" + list + "], function: and}");
  EXPECT_EQ(task->chance(kBits), 0.5);
  Tokens tokens(kBits + 1);
  std::set<Tokens> yes;
  int count = 0;
  for (int i = 0; i < 400; ++i) {
    task->sample(rng, tokens);
    if (ask(*task, {tokens.begin(), tokens.end() - 1}) == 0) continue;
    ++count;
    yes.insert(tokens);
  }
  EXPECT_NEAR(count, 200, 50);
  EXPECT_GT(yes.size(), 50U);
}

TEST(FeatureSampler, LongInputsOfTheDefaultTakeMilliseconds) {
  const auto task = features_task("");
  Rng rng(1);
  Tokens tokens(100001);
  std::set<Token> answers;
  for (int i = 0; i < 8; ++i) {
    task->sample(rng, tokens);
    answers.insert(ask(*task, {tokens.begin(), tokens.end() - 1}));
  }
  EXPECT_EQ(answers, (std::set<Token>{0, 1}));
}

}  // namespace
}  // namespace separatrix
