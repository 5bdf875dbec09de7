// Witnesses of one-layer bounds that were tampered with.
#include <functional>

#include <gtest/gtest.h>

#include "separatrix/bounds/one_layer/communication.h"
#include "separatrix/bounds/one_layer/witness.h"
#include "tests/support/any_function.h"

namespace separatrix::one_layer {
namespace {

struct Tampering {
  const char* what;
  std::function<void(Bound&)> apply;
};

void expect_rejected(const Task& task, const Bound& good, const std::vector<Tampering>& all) {
  const BoundRequest request = ask(task, good.length);
  const WitnessCheck check = check_witness(request, good);
  ASSERT_TRUE(check.valid) << check.how;
  for (const Tampering& t : all) {
    Bound bad = good;
    t.apply(bad);
    WitnessCheck verdict{true, {}};
    EXPECT_NO_THROW(verdict = check_witness(request, bad)) << t.what;
    EXPECT_FALSE(verdict.valid) << t.what;
    EXPECT_FALSE(verdict.how.empty()) << t.what;
  }
}

const std::vector<Tampering> kAnyKind = {
    {"count + 1", [](Bound& b) { b.count += 1; }},
    {"count - 1", [](Bound& b) { b.count -= 1; }},
    {"split", [](Bound& b) { b.split += 1; }},
    {"length", [](Bound& b) { b.length += 2; }},
    {"no kind", [](Bound& b) { b.witness.erase("kind"); }},
    {"other kind", [](Bound& b) { b.witness["kind"] = "trust me"; }},
    {"no object", [](Bound& b) { b.witness = 7; }},
    {"asked far out", [](Bound& b) { b.witness["asked"] = 1000; }},
    {"asked another", [](Bound& b) { b.witness["asked"] = 0; }},
    {"last is no token", [](Bound& b) { b.witness["last"] = -5; }},
    {"last is another", [](Bound& b) { b.witness["last"] = 0; }},
    {"alice out of range", [](Bound& b) { b.witness["alice"][0] = 99; }},
    {"alice negative", [](Bound& b) { b.witness["alice"][0] = -1; }},
    {"alice twice", [](Bound& b) { b.witness["alice"][0] = b.witness["alice"][1]; }},
    {"alice text", [](Bound& b) { b.witness["alice"] = "even"; }},
    {"alice huge", [](Bound& b) {
       b.witness["alice"] = {{"first", 0}, {"step", 1}, {"count", Index{1} << 60}};
     }}};

Evidence evidence_for(const Task& task, Index n, Measure measure) {
  return search_one_layer(ask(task, n), measure)[0];
}

TEST(Checks, RejectTamperedRows) {
  const AnyFunction task = random_function(5, 2, 2);
  const Bound good = as_bound(evidence_for(task, 6, Measure::rows), 6);
  ASSERT_EQ(good.witness.at("kind"), kRowsKind);
  expect_rejected(task, good, kAnyKind);
  expect_rejected(task, good,
                  {{"row twice", [](Bound& b) { b.witness["rows"][0] = b.witness["rows"][1]; }},
                   {"row too short", [](Bound& b) { b.witness["rows"][0].erase(0); }},
                   {"row too long", [](Bound& b) { b.witness["rows"][0].push_back(0); }},
                   {"row of no tokens", [](Bound& b) { b.witness["rows"][0][0] = 17; }},
                   {"row of text", [](Bound& b) { b.witness["rows"][0][0] = "x"; }},
                   {"no columns", [](Bound& b) { b.witness["columns"] = Json::array(); }},
                   {"rows gone", [](Bound& b) { b.witness.erase("rows"); }},
                   {"row less, count less", [](Bound& b) {  // exact is then a lie
                      b.witness["rows"].erase(0);
                      b.count -= 1;
                    }}});
}

TEST(Checks, RejectTamperedRanks) {
  const AnyFunction task = random_function(6, 2, 3);
  const Bound good = as_bound(evidence_for(task, 6, Measure::leaves), 6);
  ASSERT_EQ(good.witness.at("kind"), kRankKind);
  expect_rejected(task, good, kAnyKind);
  expect_rejected(
      task, good,
      {{"pivot row twice",
        [](Bound& b) { b.witness["values"][0]["rows"][0] = b.witness["values"][0]["rows"][1]; }},
       {"pivot gone", [](Bound& b) { b.witness["values"][0]["columns"].erase(0); }},
       {"answer twice",
        [](Bound& b) { b.witness["values"][1]["answer"] = b.witness["values"][0]["answer"]; }},
       {"answer that is none", [](Bound& b) { b.witness["values"][0]["answer"] = 3; }},
       {"answer nothing", [](Bound& b) { b.witness["values"][0]["answer"] = -1; }},
       {"values text", [](Bound& b) { b.witness["values"] = "many"; }},
       {"exact", [](Bound& b) { b.exact = true; }}});
}

TEST(Checks, RejectTamperedFoolingSets) {
  // Where some pairs are not asked there is no rank.
  const AnyFunction task(2, [](std::span<const Token> t) {
    Rng rng(4, RngUse::test, code_of(t, 2));
    return rng.below(8) == 0 ? kIgnore : Token(rng.below(2));
  });
  const Bound good = as_bound(evidence_for(task, 6, Measure::leaves), 6);
  ASSERT_EQ(good.witness.at("kind"), kFoolingKind);
  ASSERT_GE(good.witness.at("pairs").size(), 2u);
  expect_rejected(task, good, kAnyKind);
  expect_rejected(
      task, good,
      {{"pair twice", [](Bound& b) { b.witness["pairs"][0] = b.witness["pairs"][1]; }},
       {"pairs crossed",
        [](Bound& b) { std::swap(b.witness["pairs"][0][1], b.witness["pairs"][1][1]); }},
       {"wrong answer", [](Bound& b) { b.witness["answer"] = 1 - b.witness["answer"].get<int>(); }},
       {"other answers are none",
        [](Bound& b) {
          for (Json& other : b.witness["others"]) other = b.witness["pairs"][0];
        }},
       {"exact", [](Bound& b) { b.exact = true; }}});
}

}  // namespace
}  // namespace separatrix::one_layer
