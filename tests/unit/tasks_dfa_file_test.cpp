#include <cstdio>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "separatrix/base/error.h"
#include "separatrix/base/file.h"
#include "separatrix/tasks/dfa_file.h"
#include "separatrix/tasks/task.h"

namespace separatrix {
namespace {

using testing::HasSubstr;

const char* const kFlipFlop = R"(states: [unset, one, zero]
alphabet: [set, clear, keep]
start: zero
transitions:
  unset: {set: one, clear: zero, keep: unset}
  one: {set: one, clear: zero, keep: one}
  zero: {set: one, clear: zero, keep: zero}
outputs: {unset: "off", one: "on", zero: "off"}
)";

/// kFlipFlop with one piece of text replaced.
std::string with(const std::string& from, const std::string& to) {
  std::string text = kFlipFlop;
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

void expect_error(const std::string& yaml, const std::string& where, const std::string& what,
                  const std::string& hint) {
  try {
    parse_dfa(yaml, "f.yaml");
    ADD_FAILURE() << "no error, wanted: " << what;
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::spec);
    EXPECT_EQ(e.where(), where) << e.what();
    EXPECT_THAT(e.what(), HasSubstr(what));
    EXPECT_THAT(e.hint(), HasSubstr(hint));
  }
}

TEST(DfaFile, NumbersTheStartFirstAndClassesByFirstUse) {
  const NamedDfa named = parse_dfa(kFlipFlop, "f.yaml");
  EXPECT_EQ(named.states, (std::vector<std::string>{"zero", "unset", "one"}));
  EXPECT_EQ(named.symbols, (std::vector<std::string>{"set", "clear", "keep"}));
  EXPECT_EQ(named.classes, (std::vector<std::string>{"off", "on"}));
  EXPECT_EQ(named.dfa.n_states, 3);
  EXPECT_EQ(named.dfa.alphabet, 3);
  EXPECT_EQ(named.dfa.next, (std::vector<Index>{2, 0, 0, 2, 0, 1, 2, 0, 2}));
  EXPECT_EQ(named.dfa.output, (std::vector<std::int32_t>{0, 0, 1}));
}

TEST(DfaFile, ErrorsNameTheLineAndTheFix) {
  expect_error("", "f.yaml", "expected a map", "write");
  expect_error("[1, 2]", "f.yaml:1", "expected a map", "write");
  expect_error("states: [a\n", "f.yaml:2", "not YAML", "");
  expect_error(with("start: zero\n", ""), "f.yaml:1", "key 'start' is missing", "add it");
  expect_error(with("start: zero", "begin: zero"), "f.yaml:3", "unknown key 'begin'", "one of");
  expect_error(with("start: zero", "start: zer"), "f.yaml:3", "unknown state 'zer'", "'zero'");
  expect_error(with("start: zero", "start: [zero]"), "f.yaml:3", "expected the name", "one name");
  expect_error(with("start: zero", "start: zero\nstart: one"), "f.yaml:4", "appears twice", "one");
  expect_error(with("[unset, one, zero]", "[one, zero, one]"), "f.yaml:1", "listed twice", "once");
  expect_error(with("[unset, one, zero]", "[]"), "f.yaml:1", "list of states", "example");
  expect_error(with("[set, clear, keep]", "set"), "f.yaml:2", "list of symbols", "example");
  expect_error(with("  zero: {set: one, clear: zero, keep: zero}\n", ""), "f.yaml:5",
               "state 'zero' is missing in the transitions", "add");
  expect_error(with("{set: one, clear: zero, keep: unset}", "{set: one, keep: unset}"), "f.yaml:5",
               "symbol 'clear' is missing in the transitions of 'unset'", "add");
  expect_error(with("clear: zero, keep: one", "clear: zero, set: one, keep: one"), "f.yaml:6",
               "the key 'set' appears twice", "one");
  expect_error(with("[set, clear, keep]", "[]"), "f.yaml:2", "list of symbols", "example");
  expect_error(with("outputs:", "outpts:"), "f.yaml:8", "unknown key 'outpts'", "'outputs'");
  expect_error(std::string(1000, '[') + std::string(1000, ']'), "f.yaml:1", "nested deeper", "");
  expect_error(with("keep: one", "kep: one"), "f.yaml:6", "unknown symbol 'kep'", "'keep'");
  expect_error(with("keep: one", "keep: two"), "f.yaml:6", "unknown state 'two'", "one of");
  expect_error(with("one: \"on\", ", ""), "f.yaml:8", "state 'one' is missing in the outputs",
               "add");
  expect_error(with("one: \"on\"", "one: [1]"), "f.yaml:8", "name of an output", "one name");
}

/// Names are looked up in constant time: quadratic work would take minutes here.
TEST(DfaFile, ManyStatesAreReadAtOnce) {
  constexpr int kStates = 20000;
  std::string states, transitions, outputs;
  for (int i = 0; i < kStates; ++i) {
    const std::string name = "s" + std::to_string(i);
    states += name + ", ";
    outputs += name + ": o" + std::to_string(i % 7) + ", ";
    transitions += name + ": {a: s" + std::to_string((i + 1) % kStates) + "}, ";
  }
  const NamedDfa named =
      parse_dfa("{states: [" + states + "], alphabet: [a], start: s5, outputs: {" + outputs +
                    "}, transitions: {" + transitions + "}}",
                "f.yaml");
  ASSERT_EQ(named.dfa.n_states, kStates);
  EXPECT_EQ(named.states[0], "s5");
  EXPECT_EQ(named.states[std::size_t(named.dfa.step(0, 0))], "s6");
  EXPECT_EQ(named.classes.size(), 7U);
}

TEST(DfaFile, StatesThatNothingReachesAreAllowed) {
  const NamedDfa named = parse_dfa(
      "{states: [a, b], alphabet: [x], start: a, outputs: {a: 0, b: 1}, "
      "transitions: {a: {x: a}, b: {x: a}}}",
      "f.yaml");
  EXPECT_EQ(named.dfa.n_states, 2);
  EXPECT_EQ(named.classes.size(), 2U);
}

TEST(DfaFile, TheTaskReadsAFileOrItsText) {
  Registry<Task> registry("task");
  register_tasks(registry);
  const std::string path =
      (std::filesystem::temp_directory_path() / "separatrix_flip_flop.yaml").string();
  write_file_atomic(path, kFlipFlop);
  const auto task = registry.make("regular", {{"dfa", path}});
  const std::vector<Token> tokens = {2, 0, 2, 1, 2};
  std::vector<Token> targets(tokens.size());
  task->label(tokens, targets);
  EXPECT_EQ(targets, (std::vector<Token>{0, 1, 1, 0, 0}));
  EXPECT_EQ(task->spell(2, 5), "keep");
  EXPECT_EQ(task->spell_class(1, 5), "on");
  std::remove(path.c_str());
  try {
    registry.make("regular", {{"dfa", path}});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::io);
    EXPECT_THAT(std::string(e.what()) + e.where(), HasSubstr(path));
  }
}

}  // namespace
}  // namespace separatrix
