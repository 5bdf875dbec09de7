#include <chrono>

#include <gtest/gtest.h>

#include "separatrix/bounds/bound.h"
#include "separatrix/bounds/closed_forms/index_lookup.h"
#include "separatrix/bounds/recurrent/enumeration.h"

namespace separatrix {
namespace {

struct Fixture {
  Registry<Task> tasks{"task"};
  Registry<BoundMethod> bounds{"bound"};
  Fixture() {
    register_tasks(tasks);
    register_bounds(bounds);
  }
};

/// A request for a task with its defaults written out.
BoundRequest ask(const Fixture& f, const Task& task, const std::string& name, const Json& config,
                 Index length) {
  return {.task = task,
          .task_name = name,
          .task_config = f.tasks.find(name).resolve(config, ""),
          .length = length};
}

TEST(IndexLookup, ClosedFormEqualsEnumerationAtEveryCut) {
  const Fixture f;
  for (const Index q : {2, 3, 5})
    for (const char* query : {"last", "first"})
      for (Index n = 1; n <= (q == 2 ? 9 : 4); ++n) {
        const auto task = f.tasks.make("index-lookup", {{"alphabet", q}, {"query", query}});
        for (const CutCount& cut : classes_per_cut(*task, n)) {
          EXPECT_TRUE(cut.exact);
          EXPECT_EQ(index_lookup_classes({q, n, std::string(query) == "first", cut.split}),
                    cut.count)
              << "q=" << q << " N=" << n << " " << query << " cut " << cut.split;
        }
      }
}

TEST(ClosedForm, WhatDoesNotFitIsAnErrorThatNamesTheSize) {
  const Fixture f;
  const auto task = f.tasks.make("index-lookup");
  try {
    f.bounds.make("closed-form")
        ->compute(ask(f, *task, "index-lookup", Json::object(), 10'000'000));
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("has 7500000 bytes"), std::string::npos) << e.what();
  }
}

TEST(ClosedForm, TwentySymbolsOfSixtyFourNeed120Bits) {
  const Fixture f;
  const auto task = f.tasks.make("index-lookup");
  const auto method = f.bounds.make("closed_form");
  const BoundRequest request = ask(f, *task, "index_lookup", Json::object(), 20);
  const std::vector<Bound> found = method->compute(request);
  ASSERT_EQ(found.size(), 1u);
  const Bound* const bound = &found.front();
  EXPECT_EQ(bound->bits(), 120);
  EXPECT_EQ(bound->count.get_str(), "1329227995784915872903807060280344576");
  const WitnessCheck check = method->check(request, *bound);
  EXPECT_TRUE(check.valid);
  EXPECT_EQ(check.how, "rule on 1000 random pairs, seed 0");
  // A rule for the other order, or another task's labels, must not pass.
  Bound wrong = *bound;
  wrong.split = 2;
  EXPECT_FALSE(method->check(request, wrong).valid);
  const auto first = f.tasks.make("index-lookup", {{"query", "first"}});
  const BoundRequest other = ask(f, *first, "index-lookup", {{"query", "first"}}, 20);
  EXPECT_FALSE(method->check(other, *bound).valid);
}

TEST(ClosedForm, AMillionSymbolsTakeUnderASecond) {
  const Fixture f;
  const auto task = f.tasks.make("index-lookup");
  const auto method = f.bounds.make("closed-form");
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<Bound> found =
      method->compute(ask(f, *task, "index-lookup", Json::object(), 1'000'000));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found.front().bits(), 6'000'000);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  for (const Index n : {200, 100'000}) {
    const auto query_first = f.tasks.make("index-lookup", {{"query", "first"}});
    const BoundRequest request = ask(f, *query_first, "index-lookup", {{"query", "first"}}, n);
    const std::vector<Bound> small = method->compute(request);
    ASSERT_EQ(small.size(), 1u);
    EXPECT_EQ(small.front().count, long(n - 1 + 64));
    EXPECT_TRUE(method->check(request, small.front()).valid);
  }
}

}  // namespace
}  // namespace separatrix
