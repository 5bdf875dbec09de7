// Files of features: what is read and refused; random features against a plain definition; that the
// streaming reference keeps no more than it must; and what the sampler promises.
#include <cmath>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "separatrix/base/file.h"
#include "separatrix/base/hash.h"
#include "separatrix/bounds/bound.h"
#include "separatrix/tasks/features.h"
#include "separatrix/tasks/task.h"
#include "tests/support/temp_dir.h"

namespace separatrix {
namespace {

using testing::HasSubstr;
using Tokens = std::vector<Token>;

const char* const kFile = R"(features:
  - {positions: [0, 1], computes: and}
  - {positions: [4, 2, 3], computes: majority}
  - positions: [1, 5]
    table: [0, 1, 1, 1]
function: or
)";

/// kFile with one piece of text replaced.
std::string with(const std::string& from, const std::string& to) {
  std::string text = kFile;
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

void expect_error(const std::string& yaml, const std::string& where, const std::string& what,
                  const std::string& hint) {
  SCOPED_TRACE(yaml);
  try {
    parse_features(yaml, "f.yaml");
    ADD_FAILURE() << "no error, wanted: " << what;
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::spec);
    EXPECT_THAT(e.where(), testing::StartsWith(where)) << e.what();
    EXPECT_THAT(e.what(), HasSubstr(what));
    EXPECT_THAT(e.hint(), HasSubstr(hint));
  }
}

std::unique_ptr<Task> make(const std::string& features) {
  Registry<Task> registry("task");
  register_tasks(registry);
  return registry.make("sparse-features", {{"features", features}});
}

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

TEST(FeaturesFile, IsReadAsWritten) {
  const SparseFeatures f = parse_features(kFile, "f.yaml");
  ASSERT_EQ(f.size(), 3);
  EXPECT_EQ(f.features[0].positions, (std::vector<Index>{0, 1}));
  EXPECT_EQ(f.features[0].table, (std::vector<bool>{false, false, false, true}));
  EXPECT_EQ(f.features[1].positions, (std::vector<Index>{4, 2, 3}));
  EXPECT_EQ(f.features[1].table,
            (std::vector<bool>{false, false, false, true, false, true, true, true}));
  EXPECT_EQ(f.features[2].table, (std::vector<bool>{false, true, true, true}));
  EXPECT_EQ(f.values, (std::vector<bool>{false, true, true, true}));
  EXPECT_EQ(f.n_positions(), 6);
}

// Row 1 of a table is the one in which only the last position's bit is 1.
TEST(FeaturesFile, TheFirstPositionIsTheHighestDigit) {
  const SparseFeatures f =
      parse_features("{features: [{positions: [2, 0], table: [0, 1, 0, 0]}], function: or}", "f");
  EXPECT_TRUE(f.answer(Tokens{1, 0, 0}));
  EXPECT_FALSE(f.answer(Tokens{0, 0, 1}));
}

TEST(FeaturesFile, FunctionsAreTabulatedByTheirWords) {
  const std::map<std::string, std::pair<std::vector<bool>, std::string>> expected = {
      {"or", {{false, true, true, true}, "at least 1"}},
      {"and", {{false, false, false, true}, "all"}},
      {"majority", {{false, false, true, true}, "more than half"}},
      {"parity", {{false, true, false, true}, "an odd number"}},
      {"{at-least: 0}", {{true, true, true, true}, "at least 0"}},
      {"{at_least: 2}", {{false, false, true, true}, "at least 2"}},
      {"{exactly: 0}", {{true, false, false, false}, "exactly 0"}},
      {"{values: [1, 0, 0, 1]}", {{true, false, false, true}, "one of the listed numbers"}}};
  for (const auto& [words, function] : expected) {
    const SparseFeatures f = parse_features(with("function: or", "function: " + words), "f");
    EXPECT_EQ(f.values, function.first) << words;
    EXPECT_EQ(f.condition, function.second);
  }
}

TEST(FeaturesFile, ErrorsNameTheLineAndTheFix) {
  expect_error("", "f.yaml", "expected a map", "");
  expect_error("[1]", "f.yaml", "expected a map", "");
  expect_error("features: [a\n", "f.yaml:2", "not YAML", "");
  expect_error(with("function: or\n", ""), "f.yaml", "this field is missing", "shows a file");
  expect_error("{function: or}", "f.yaml", "this field is missing", "shows a file");
  expect_error("{features: [], function: or}", "f.yaml:1", "expected a list", "for example");
  expect_error("{features: [3], function: or}", "f.yaml:1", "expected a map", "");
  expect_error(with("function", "functoin"), "f.yaml:6", "unknown key", "'function'");
  expect_error(with("function: or", "function: orr"), "f.yaml:6", "unknown value 'orr'", "'or'");
  expect_error(with("function: or", "function: [1]"), "f.yaml:6", "expected text", "");
  expect_error(with("function: or", "function: {}"), "f.yaml:6", "one of at-least", "for example");
  expect_error(with("function: or", "function: {exactly: 1, at-least: 1}"), "f.yaml:6",
               "one of at-least", "for example");
  expect_error(with("function: or", "function: {at-lest: 1}"), "f.yaml:6", "unknown key",
               "'at-least'");
  expect_error(with("function: or", "function: {at-least: 4}"), "f.yaml:6", "value 4 is out",
               "from 0 to 3");
  expect_error(with("function: or", "function: {exactly: -1}"), "f.yaml:6", "value -1 is out",
               "from 0 to 3");
  expect_error(with("function: or", "function: {values: [0, 1, 0]}"), "f.yaml:6",
               "has 3 values, not 4", "one for each");
  expect_error(with("function: or", "function: {values: [0, 1, 0, 2]}"), "f.yaml:6",
               "value 2 is out", "from 0 to 1");
  expect_error(with("function: or", "function: {values: null}"), "f.yaml:6", "is missing", "");
  expect_error(with("computes: and", "compute: and"), "f.yaml:2", "unknown key", "'computes'");
  expect_error(with("computes: and", "computes: nand"), "f.yaml:2", "unknown value", "'and'");
  expect_error(with("computes: and", "computes: 1"), "f.yaml:2", "expected text", "");
  expect_error(with(", computes: and", ""), "f.yaml:2", "either computes or table", "example");
  expect_error(with("computes: and", "computes: and, table: [0, 0, 0, 1]"), "f.yaml:2",
               "either computes or table", "example");
  expect_error(with("positions: [0, 1], ", ""), "f.yaml:2", "this field is missing", "shows");
  expect_error(with("[4, 2, 3]", "[4, 2, 4]"), "f.yaml:3", "position 4 is listed twice", "once");
  expect_error(with("[4, 2, 3]", "[]"), "f.yaml:3", "expected a list", "for example");
  expect_error(with("[4, 2, 3]", "4"), "f.yaml:3", "expected a list", "for example");
  expect_error(with("[4, 2, 3]", "[4, 2.5]"), "f.yaml:3", "a whole number, got 2.5", "");
  expect_error(with("[4, 2, 3]", "[4, -2]"), "f.yaml:3", "value -2 is out", "from 0");
  expect_error(with("[4, 2, 3]", "[16777215]"), "f.yaml:3", "is out of range", "to 16777214");
  expect_error(with("[4, 2, 3]", "[0, 1, 2, 3, 4, 5, 6, 7, 8]"), "f.yaml:3", "more than 8 bits",
               "split");
  expect_error(with("[0, 1, 1, 1]", "[0, 1, 1]"), "f.yaml:5", "has 3 values, not 4", "one for");
  expect_error(with("[0, 1, 1, 1]", "[0, 1, 1, 2]"), "f.yaml:5", "value 2 is out", "to 1");
  expect_error(with("[0, 1, 1, 1]", "[0, 1, 1, true]"), "f.yaml:5", "a whole number", "");
}

TEST(FeaturesFile, TheTaskReadsAFileOrItsTextAndKnowsItsLengths) {
  const TempDir dir;
  const std::string path = dir.path() + "/features.yaml";
  write_file_atomic(path, kFile);
  const auto task = make(path);
  EXPECT_EQ(task->fingerprint(), sha256(kFile));
  EXPECT_EQ(make("{features: [{positions: [0], computes: or}], function: or}")->fingerprint(), "");
  EXPECT_NO_THROW(task->check_length(6));
  for (const Index length : {Index{1}, Index{5}}) {
    try {
      task->check_length(length);
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(e.hint(), "choose a length from 6 to 16777215");
    }
    EXPECT_THROW(read_features({{"features", path}}, length), Error);
  }
  EXPECT_EQ(task->describe(6),
            "6 bits; answer at the end whether so many of 3 features of up to 3 bits hold: at "
            "least 1");
  EXPECT_EQ(read_features({{"features", path}}, 6).features[1].positions,
            (std::vector<Index>{4, 2, 3}));
  EXPECT_EQ(read_features(Json::object(), 5).size(), 4);
  EXPECT_THROW(read_features(Json::object(), 1), Error);
  try {
    make(dir.path() + "/other.yaml");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::io);
  }
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
    const auto task = make(random.text);
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
  Registry<Task> tasks("task");
  Registry<BoundMethod> bounds("bound");
  register_tasks(tasks);
  register_bounds(bounds);
  const auto folding = bounds.make("folding"), layered = bounds.make("layered-merge");
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const RandomFeatures random(seed);
    SCOPED_TRACE(random.text);
    const Json config = {{"features", random.text}};
    const auto task = tasks.make("sparse-features", config);
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
  EXPECT_EQ(states(*make(""), 6), (std::vector<std::size_t>{1, 2, 3, 3, 3, 3, 2}));
  EXPECT_EQ(states(*make(""), 2000)[1000], 3U);
  const std::string pairs =
      "{features: [{positions: [0, 3], computes: xor}, {positions: [1, 4], computes: xor}, "
      "{positions: [2, 5], computes: xor}], function: ";
  // Three bits; then no already, or else those that still wait for their partner.
  EXPECT_EQ(states(*make(pairs + "and}"), 6), (std::vector<std::size_t>{1, 2, 4, 8, 5, 3, 2}));
  // xor of six bits as one feature: its residual is one bit, not the bits.
  EXPECT_EQ(states(*make("{features: [{positions: [5, 1, 0, 2, 3, 4], computes: xor}], "
                         "function: or}"),
                   6),
            (std::vector<std::size_t>{1, 2, 2, 2, 2, 2, 2}));
  // The count matters only as far as it can decide: modulo 2, and up to the threshold.
  std::string single;
  for (int i = 0; i < 9; ++i)
    single += (i > 0 ? ", " : "") + ("{positions: [" + std::to_string(i)) + "], computes: or}";
  EXPECT_EQ(states(*make("{features: [" + single + "], function: parity}"), 9),
            (std::vector<std::size_t>{1, 2, 2, 2, 2, 2, 2, 2, 2, 2}));
  EXPECT_EQ(states(*make("{features: [" + single + "], function: {at-least: 2}}"), 9),
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
  const Shares pairs = shares(*make(""), 60);
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
    const Shares s = shares(*make(xors + function + "}"), 40);
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
  const auto task = make("{features: [" + list + "], function: and}");
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
  const auto task = make("");
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
