#include <gtest/gtest.h>

#include "separatrix/proofs/certificate.h"
#include "separatrix/proofs/exact_sum.h"
#include "separatrix/proofs/lookup_form.h"

namespace separatrix {
namespace {

TEST(Certificate, SurvivesItsJson) {
  Certificate c;
  c.claim = {"index-lookup", {{"alphabet", 4}}, 5, 0.25, Arithmetic::float32, "somewhere"};
  c.verdict = Verdict::refuted;
  c.method = "executed";
  c.weights_sha256 = "ab";
  c.margin = -0.5;
  c.inputs = "123456789012345678901234567890";
  c.counterexample = {1, 2, 3};
  c.trusted_base = "arithmetic";
  c.evidence = {{"x", 1}};
  const Json json = to_json(c);
  EXPECT_EQ(to_json(read_certificate(json, "file")), json);
  EXPECT_EQ(json.at("verdict"), "refuted");
  EXPECT_EQ(json.at("arithmetic"), "float32");
  c.verdict = Verdict::proved;
  EXPECT_TRUE(to_json(c).at("counterexample").is_null());
}

TEST(Certificate, DamagedJsonIsAnErrorThatNamesTheField) {
  Json good = to_json(Certificate{});
  for (const auto& item : good.items()) {
    Json bad = good;
    bad.erase(item.key());
    if (item.key() == "arithmetic") continue;  // repeated from the claim for readers
    EXPECT_THROW(read_certificate(bad, "file"), Error) << item.key();
    bad[item.key()] = 1.5;
    if (item.key() != "margin" && item.key() != "evidence") {
      EXPECT_THROW(read_certificate(bad, "file"), Error) << item.key();
    }
  }
  EXPECT_THROW(read_certificate(Json::array(), "file"), Error);
}

TEST(ExactSum, GridsArePowersOfTwo) {
  const auto grid = [](std::vector<float> v) { return grid_of(std::span<const float>(v)); };
  EXPECT_EQ(grid({1, 3, -5}), 1);
  EXPECT_EQ(grid({4, 0, -12}), 4);
  EXPECT_EQ(grid({0.5F, 6}), 0.5);
  EXPECT_EQ(grid({1, INFINITY}), 0);
  EXPECT_TRUE(std::isinf(grid({0, 0})));
  EXPECT_TRUE(sums_exactly(1, 0x1p24));
  EXPECT_FALSE(sums_exactly(1, 0x1p24 + 1));
  EXPECT_FALSE(sums_exactly(0, 1));
}

TEST(LookupForm, IsFoundForIndexLookupAndOnlyForTasksOfThatForm) {
  Registry<Task> tasks("task");
  register_tasks(tasks);
  std::string why;
  for (const Index n : {1, 2, 5, 40}) {
    const auto form = find_lookup_form(*tasks.make("index-lookup", {{"alphabet", 5}}), n, why);
    ASSERT_TRUE(form) << why;
    for (Index p = 0; p < n; ++p) {
      EXPECT_EQ(form->position[std::size_t(p)], p);
      for (Token s = 0; s < 5; ++s) EXPECT_EQ(form->answer[std::size_t(p)][std::size_t(s)], s);
    }
    EXPECT_EQ(form->exhaustive, n <= 5);
  }
  const auto query_first = tasks.make("index-lookup", {{"alphabet", 3}, {"query", "first"}});
  EXPECT_FALSE(find_lookup_form(*query_first, 6, why));
  EXPECT_FALSE(why.empty());
  for (const std::string& name : tasks.names()) {
    if (name == "index-lookup") continue;
    const auto task = tasks.make(name);
    for (const Index n : {4, 16}) {
      try {
        task->check_length(n);
      } catch (const Error&) {
        continue;
      }
      EXPECT_FALSE(find_lookup_form(*task, n, why)) << name;
    }
  }
}

}  // namespace
}  // namespace separatrix
