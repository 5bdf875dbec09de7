// Files of features: what is read and refused.
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "separatrix/base/file.h"
#include "separatrix/base/hash.h"
#include "separatrix/tasks/features.h"
#include "tests/support/features.h"
#include "tests/support/temp_dir.h"

namespace separatrix {
namespace {

using test::features_task;
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
  const auto task = features_task(path);
  EXPECT_EQ(task->fingerprint(), sha256(kFile));
  EXPECT_EQ(
      features_task("{features: [{positions: [0], computes: or}], function: or}")->fingerprint(),
      "");
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
    features_task(dir.path() + "/other.yaml");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::io);
  }
}

}  // namespace
}  // namespace separatrix
