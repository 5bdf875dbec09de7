// Truth tables: what is read, what is refused with which words, and that lookups are right.
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "separatrix/base/file.h"
#include "separatrix/base/hash.h"
#include "separatrix/tasks/task.h"
#include "separatrix/tasks/truth_table.h"
#include "tests/support/temp_dir.h"

namespace separatrix {
namespace {

using testing::HasSubstr;
using Tokens = std::vector<Token>;
using Entries = std::map<Tokens, Tokens>;  ///< tokens -> targets

void expect_error(const std::string& text, const std::string& where, const std::string& what,
                  const std::string& hint) {
  SCOPED_TRACE(text);
  try {
    parse_table(text, "t.jsonl");
    ADD_FAILURE() << "no error, wanted: " << what;
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::spec);
    EXPECT_EQ(e.where(), where) << e.what();
    EXPECT_THAT(e.what(), HasSubstr(what));
    EXPECT_THAT(e.hint(), HasSubstr(hint));
  }
}

Tokens lookup(const TruthTable& table, const Tokens& tokens) {
  const TableOfLength* const part = table.of_length(Index(tokens.size()));
  if (part == nullptr) return {};
  Tokens targets(tokens.size(), kIgnore);
  if (const auto entry = part->find(tokens)) part->targets(*entry, targets);
  return targets;
}

std::string json_line(const Tokens& tokens, const Tokens& targets) {
  return Json{{"tokens", tokens}, {"targets", targets}}.dump() + "\n";
}

TEST(TruthTable, ReadsBothFormsInAnyOrderAndSpacing) {
  const TruthTable table = parse_table(
      "{\"tokens\":[0,1],\"answer\":1}\n\n"
      "  { \"tokens\" : [ 1 , 1 ] , \"answer\" : 2 }\r\n"
      "{\"answer\": 0, \"tokens\": [3, 0]}\n"
      "{\"tokens\":[0,1],\"answer\":1}\n"
      "{\"tokens\":[5,0,1],\"targets\":[-1,0,4]}\n"
      "{\"tokens\":[2,0,1],\"answer\":3}",
      "t.jsonl");
  EXPECT_EQ(table.lengths(), (std::vector<Index>{2, 3}));
  EXPECT_EQ(table.vocab_size(), 6);
  EXPECT_EQ(table.n_classes(), 5);
  EXPECT_EQ(table.of_length(2)->n_entries(), 3);
  EXPECT_EQ(lookup(table, {0, 1}), (Tokens{-1, 1}));
  EXPECT_EQ(lookup(table, {1, 1}), (Tokens{-1, 2}));
  EXPECT_EQ(lookup(table, {3, 0}), (Tokens{-1, 0}));
  EXPECT_EQ(lookup(table, {0, 0}), (Tokens{-1, -1}));
  EXPECT_EQ(lookup(table, {5, 5}), (Tokens{-1, -1}));
  EXPECT_EQ(lookup(table, {5, 0, 1}), (Tokens{-1, 0, 4}));
  EXPECT_EQ(lookup(table, {2, 0, 1}), (Tokens{-1, -1, 3}));
  EXPECT_EQ(table.of_length(4), nullptr);
}

TEST(TruthTable, ErrorsNameTheLineAndTheFix) {
  const std::string good = "{\"tokens\":[0,1],\"answer\":1}\n";
  expect_error("", "t.jsonl", "no entries", "write lines");
  expect_error("\n \r\n", "t.jsonl", "no entries", "write lines");
  expect_error(good + "{\"tokens\":[1,1],\"answer\":1}\n{\"tokens\":[0,1],\"answer\":0}\n",
               "t.jsonl:3", "another answer on line 1", "keep one");
  expect_error(good + good + "{\"tokens\":[0,1],\"targets\":[1,1]}\n", "t.jsonl:3",
               "another answer on line 1", "keep one");
  expect_error(good + "{\"tokens\":[0,1]}\n", "t.jsonl:2", "the entry has no answer", "write");
  expect_error("{\"answer\":1}\n", "t.jsonl:1", "the entry has no tokens", "write");
  expect_error("{\"tokens\":[],\"answer\":1}\n", "t.jsonl:1", "the entry has no tokens", "write");
  expect_error("{\"tokens\":[0],\"answer\":1,\"targets\":[1]}", "t.jsonl:1", "both", "write");
  expect_error("{\"tokens\":[0],\"anser\":1}", "t.jsonl:1", "unknown key 'anser'", "'answer'");
  expect_error("{\"tokens\":[0,-1],\"answer\":1}", "t.jsonl:1", "a token is out of range",
               "from 0");
  expect_error("{\"tokens\":[99999999],\"answer\":1}", "t.jsonl:1", "a token is out", "from 0");
  expect_error("{\"tokens\":[1e3],\"answer\":1}", "t.jsonl:1", "a whole number, got 1000.0", "");
  expect_error("{\"tokens\":[99999999999999999999],\"answer\":1}", "t.jsonl:1", "a whole", "");
  expect_error("{\"tokens\":[18446744073709551615],\"answer\":1}", "t.jsonl:1", "a token is", "");
  expect_error("{\"tokens\":[-9223372036854775808],\"answer\":1}", "t.jsonl:1", "a token is", "");
  expect_error("{\"tokens\":[\"1\"],\"answer\":1}", "t.jsonl:1", "whole number, got \"1\"", "");
  expect_error("{\"tokens\":\"01\",\"answer\":1}", "t.jsonl:1", "list of whole numbers", "");
  expect_error("{\"tokens\":[1],\"answer\":-1}", "t.jsonl:1", "an answer is out of range",
               "from 0");
  expect_error("{\"tokens\":[1],\"answer\":null}", "t.jsonl:1", "whole number, got null", "");
  expect_error("{\"tokens\":[1,0],\"targets\":[1]}", "t.jsonl:1", "2 tokens and 1 targets", "-1");
  expect_error("{\"tokens\":[1],\"targets\":[-2]}", "t.jsonl:1", "an answer is out of", "from 0");
  expect_error("{\"tokens\":[1,1],\"targets\":[-1,-1]}", "t.jsonl:1", "asks nothing", "not -1");
  expect_error("[1]\n", "t.jsonl:1", "must be a map, got [1]", "write");
  expect_error(good + "{\"tokens\":[0,1],\n", "t.jsonl:2", "not JSON: parse error at column",
               "write");
  expect_error("{\"tokens\":[01],\"answer\":1}", "t.jsonl:1", "not JSON", "write");
  expect_error("{\"tokens\":[1],\"answer\":1}x", "t.jsonl:1", "not JSON", "write");
  expect_error("{\"tokens\":[1],\"tokens\":[1],\"answer\":1}", "t.jsonl:1", "appears twice",
               "keep");
}

/// The contradiction that a reader of the file meets first, not the first in the sorted table.
TEST(TruthTable, NamesTheFirstContradiction) {
  expect_error(
      "{\"tokens\":[1,1],\"answer\":1}\n{\"tokens\":[0,0],\"answer\":1}\n"
      "{\"tokens\":[1,1],\"answer\":0}\n{\"tokens\":[0,0],\"answer\":0}\n",
      "t.jsonl:3", "on line 1", "keep");
}

/// Random tables of every density and token size, against a map.
TEST(TruthTable, AgreesWithAMapOnRandomTables) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Rng rng(seed);
    const Index base = Index{1} << (1 + rng.below(seed % 3 == 0 ? 20 : 3));
    const Index n = 1 + rng.below(seed % 5 == 0 ? 70 : 4);
    const bool all = seed % 2 == 0;
    Entries entries;
    const Index draws = 1 + rng.below(400);
    std::string text;
    for (Index i = 0; i < draws; ++i) {
      Tokens tokens, targets(std::size_t(n), kIgnore);
      for (Index k = 0; k < n; ++k) tokens.push_back(Token(rng.below(base)));
      if (all)
        for (Token& target : targets) target = Token(rng.below(4)) - 1;
      targets.back() = Token(rng.below(seed % 7 == 0 ? 1000 : 3));
      const auto& [key, value] = *entries.emplace(tokens, targets).first;
      text += json_line(key, value);
    }
    const TruthTable table = parse_table(text, "t");
    const TableOfLength& part = *table.of_length(n);
    ASSERT_EQ(part.n_entries(), Index(entries.size())) << seed;
    Index number = 0;
    Tokens tokens(static_cast<std::size_t>(n));
    for (const auto& [key, value] : entries) {
      ASSERT_EQ(part.find(key), number) << seed;
      part.tokens(number++, tokens);
      ASSERT_EQ(tokens, key) << seed;
      ASSERT_EQ(lookup(table, key), value) << seed;
      Tokens other = key;
      other[std::size_t(rng.below(n))] = Token(rng.below(2 * base));
      ASSERT_EQ(part.find(other).has_value(), entries.count(other) > 0) << seed;
    }
  }
}

TEST(TruthTable, IsIndexedWhenComplete) {
  std::string text;
  for (Token a = 2; a >= 0; --a)
    for (Token b = 0; b < 3; ++b) text += json_line({a, b}, {-1, (a + b) % 3});
  const TruthTable table = parse_table(text, "t");
  EXPECT_TRUE(table.of_length(2)->complete());
  EXPECT_EQ(lookup(table, {2, 2}), (Tokens{-1, 1}));
  EXPECT_EQ(table.of_length(2)->legal_next(Tokens{1}), (Tokens{0, 1, 2}));
  EXPECT_NEAR(table.of_length(2)->chance(), 1.0 / 3, 1e-12);
}

TEST(TableTask, IsAPromiseWithTheEntriesAsInstances) {
  Registry<Task> registry("task");
  register_tasks(registry);
  const auto task = registry.make(
      "table", {{"table",
                 "{\"tokens\":[2,0,1],\"answer\":1}\n{\"tokens\":[2,1,1],\"answer\":0}\n"
                 "{\"tokens\":[0,1,1],\"answer\":1}\n{\"tokens\":[0,1],\"answer\":1}"}});
  std::vector<Tokens> instances;
  for_each_instance(*task, 3, [&](std::span<const Token> tokens) {
    instances.emplace_back(tokens.begin(), tokens.end());
    return true;
  });
  EXPECT_EQ(instances, (std::vector<Tokens>{{0, 1, 1}, {2, 0, 1}, {2, 1, 1}}));
  EXPECT_EQ(task->legal_next(Tokens{2}, 3), (Tokens{0, 1}));
  EXPECT_EQ(task->legal_next(Tokens{1}, 3), Tokens{});
  EXPECT_NEAR(task->chance(3), 2.0 / 3, 1e-12);
  EXPECT_EQ(task->fingerprint(), "");
  try {
    task->check_length(4);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.hint(), "choose 2 or 3");
  }
}

TEST(TaskFingerprint, ChangesWithTheFileAndIsEmptyWithoutOne) {
  Registry<Task> registry("task");
  register_tasks(registry);
  for (const auto& entry : registry.entries())
    EXPECT_EQ(entry.make(Json::object(), "")->fingerprint(), "") << entry.name;
  const TempDir dir;
  const std::string path = dir.path() + "/file";
  const auto fingerprint = [&](const std::string& task, const Json& config,
                               const std::string& text) {
    write_file_atomic(path, text);
    return registry.make(task, config)->fingerprint();
  };
  const std::string one = "{\"tokens\":[0],\"answer\":0}\n";
  EXPECT_EQ(fingerprint("table", {{"table", path}}, one), sha256(one));
  EXPECT_EQ(fingerprint("table", {{"table", path}}, one + "\n"), sha256(one + "\n"));
  const std::string dfa =
      "{states: [a], alphabet: [x], start: a, outputs: {a: 0}, transitions: {a: {x: a}}}";
  EXPECT_EQ(fingerprint("regular", {{"dfa", path}}, " " + dfa), sha256(" " + dfa));
  EXPECT_EQ(registry.make("regular", {{"dfa", dfa}})->fingerprint(), "");
  const Json script = {{"program", path}};
  EXPECT_NE(fingerprint("program", script, "a"), fingerprint("program", script, "b"));
  const Json argument = {{"program", "/bin/cat"}, {"arguments", "-u " + path}};
  EXPECT_NE(fingerprint("program", argument, "a"), fingerprint("program", argument, "b"));
}

}  // namespace
}  // namespace separatrix
