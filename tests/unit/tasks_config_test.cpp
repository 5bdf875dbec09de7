// Parameters out of range, lengths at their limits, and the words that users read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "separatrix/tasks/task.h"

namespace separatrix {
namespace {

using testing::HasSubstr;

class TaskConfig : public testing::Test {
 protected:
  TaskConfig() { register_tasks(registry_); }
  std::unique_ptr<Task> make(const std::string& name, const Json& config = Json::object()) const {
    return registry_.make(name, config);
  }
  void expect_refused(const std::string& name, const Json& config, const std::string& where,
                      const std::string& hint) const {
    try {
      make(name, config);
      ADD_FAILURE() << name << config;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::spec) << name << config;
      EXPECT_THAT(e.where(), HasSubstr(where));
      EXPECT_THAT(e.hint(), HasSubstr(hint));
    }
  }
  static std::string length_hint(const Task& task, Index length) {
    try {
      task.check_length(length);
      return "accepted";
    } catch (const Error& e) {
      return e.hint();
    }
  }

  Registry<Task> registry_{"task"};
};

TEST_F(TaskConfig, ValuesOutOfRangeNameTheKeyAndTheRange) {
  expect_refused("index-lookup", {{"alphabet", 0}}, "index-lookup/alphabet", "from 1");
  expect_refused("index-lookup", {{"query", "frist"}}, "index-lookup/query", "'first'");
  expect_refused("index-lookup", {{"alphabt", 4}}, "alphabt", "'alphabet'");
  expect_refused("bounded-dyck", {{"types", 0}}, "bounded-dyck/types", "from 1");
  expect_refused("bounded-dyck", {{"depth", 0}}, "bounded-dyck/depth", "from 1");
  expect_refused("bounded-dyck", {{"mode", "next"}}, "bounded-dyck/mode", "next-token");
  expect_refused("string-equality", {{"alphabet", 0}}, "string-equality/alphabet", "from 1");
  expect_refused("string-equality", {{"layout", "half"}}, "string-equality/layout", "halves");
  expect_refused("set-disjointness", {{"layout", ""}}, "set-disjointness/layout", "halves");
  expect_refused("nearest-neighbor", {{"dimension", 21}}, "nearest-neighbor/dimension", "to 20");
  expect_refused("nearest-neighbor", {{"labels", 1}}, "nearest-neighbor/labels", "from 2");
  expect_refused("nearest-neighbor", {{"positions", "al"}}, "nearest-neighbor/positions", "all");
  expect_refused("mqar", {{"vocab_size", 3}}, "mqar/vocab_size", "from 4");
  expect_refused("mqar", {{"vocab_size", 8}, {"pairs", 4}}, "mqar/pairs", "to 3");
  expect_refused("mqar", {{"pairs", 0}}, "mqar/pairs", "from 1");
  expect_refused("mqar", {{"power_a", 0}}, "mqar/power_a", "above 0");
  expect_refused("induction", {{"alphabet", 0}}, "induction/alphabet", "from 1");
  expect_refused("regular", {{"positions", "first"}}, "regular/positions", "last");
  expect_refused("regular", {{"dfa", "{states: [a]}"}}, "regular/dfa", "add it");
}

TEST_F(TaskConfig, LengthHintsNameALengthThatExists) {
  EXPECT_EQ(length_hint(*make("string-equality"), 7), "choose 6 or 8");
  EXPECT_EQ(length_hint(*make("bounded-dyck"), 21), "choose 20 or 22");
  EXPECT_EQ(length_hint(*make("set-disjointness"), 16777215), "choose a length from 2 to 16777214");
  EXPECT_EQ(length_hint(*make("induction"), 1), "choose a length from 2 to 16777216");
  EXPECT_EQ(length_hint(*make("mqar"), 17), "choose 16 or 18");
  EXPECT_EQ(length_hint(*make("mqar"), 14), "choose a length from 16 to 16777216");
  EXPECT_EQ(length_hint(*make("index-lookup"), 1000000000), "choose a length from 1 to 16777215");
}

TEST_F(TaskConfig, LongLengthsAreAccepted) {
  const auto lookup = make("index-lookup");
  EXPECT_EQ(length_hint(*lookup, 1000000), "accepted");
  EXPECT_EQ(length_hint(*lookup, 16777215), "accepted");
  EXPECT_EQ(lookup->info(1000000).vocab_size, 1000064);
  Rng rng(2);
  std::vector<Token> tokens(1000001), targets(tokens.size());
  lookup->sample(rng, tokens);
  lookup->label(tokens, targets);
  EXPECT_EQ(targets.back(), tokens[std::size_t(tokens.back() - 64)]);
}

TEST_F(TaskConfig, DescriptionsReadAsSentences) {
  EXPECT_EQ(make("index-lookup")->describe(20),
            "20 symbols from an alphabet of 64, then a position; answer the symbol there");
  EXPECT_EQ(make("index_lookup", {{"query", "first"}, {"alphabet", 2}})->describe(1),
            "a position, then 1 symbol from an alphabet of 2; answer the symbol there");
  EXPECT_EQ(make("bounded-dyck")->describe(20),
            "20 brackets of 2 types between BOS and EOS; answer at EOS whether they are balanced "
            "and nested at most 2 deep");
  EXPECT_EQ(make("string-equality")->describe(20),
            "two strings of 10 symbols from an alphabet of 2, one after the other; answer at the "
            "end whether they are equal");
  EXPECT_EQ(make("induction")->describe(20),
            "20 symbols from an alphabet of 8; answer at the last what followed it when it "
            "occurred before");
  EXPECT_EQ(make("regular")->describe(8),
            "8 symbols from an alphabet of 2; answer after each the output of an automaton of 2 "
            "states");
}

TEST_F(TaskConfig, TokensAreSpeltAsTheDocsSay) {
  const auto lookup = make("index-lookup"), dyck = make("bounded-dyck"), mqar = make("mqar"),
             nearest = make("nearest-neighbor"),
             next = make("bounded-dyck", {{"mode", "next-token"}});
  EXPECT_EQ(lookup->spell(5, 20), "s5");
  EXPECT_EQ(lookup->spell(64 + 17, 20), "p=17");
  EXPECT_EQ(dyck->spell(1, 20), "(1");
  EXPECT_EQ(dyck->spell(3, 20), ")1");
  EXPECT_EQ(dyck->spell(4, 20), "BOS");
  EXPECT_EQ(dyck->spell(5, 20), "EOS");
  EXPECT_EQ(next->spell_class(0, 20), "empty");
  EXPECT_EQ(next->spell_class(3, 20), "(1");
  EXPECT_EQ(next->spell_class(4, 20), "(1,full");
  EXPECT_EQ(mqar->spell(0, 64), "_");
  EXPECT_EQ(mqar->spell(7, 64), "k7");
  EXPECT_EQ(mqar->spell(4096, 64), "v0");
  EXPECT_EQ(nearest->spell(5, 4), "+-+-----");
  EXPECT_EQ(nearest->spell(257, 4), "y1");
}

// A dead position or symbol where none may stand must not be read through.
TEST_F(TaskConfig, LabelAsksNothingOfWhatIsNoLookup) {
  const auto lookup = make("index-lookup", {{"alphabet", 4}});
  std::vector<Token> targets(3);
  for (const std::vector<Token>& tokens : {std::vector<Token>{0, 1, 2}, {0, 5, 5}, {0, 1, 6}}) {
    lookup->label(tokens, targets);
    EXPECT_EQ(targets, (std::vector<Token>{kIgnore, kIgnore, kIgnore}));
  }
}

}  // namespace
}  // namespace separatrix
