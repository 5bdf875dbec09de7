#include <gtest/gtest.h>

#include "tests/support/constructions.h"

// Changed weights: whatever the method "pair-dataflow" still calls proved is right on every input,
// with the margin that it names; whatever it calls refuted is wrong on one.

namespace separatrix {
namespace {

struct Tally {
  Index tried = 0, proved = 0, undecided = 0, refuted = 0;
};

/// The verdict against every input.
void hold_to_brute_force(const Catalog& f, Case& c, Tally& tally) {
  const auto method = f.methods.make("pair-dataflow");
  const Certificate found = method->certify(c.claim, c.subject(f));
  ++tally.tried;
  if (found.verdict == Verdict::undecided) {
    ++tally.undecided;
    return;
  }
  const double least = brute_margin(f, c);
  EXPECT_EQ(method->recheck(found, c.subject(f)), "") << to_json(found);
  if (found.verdict == Verdict::refuted) {
    ++tally.refuted;
    EXPECT_FALSE(least > 0 && least >= c.claim.margin) << to_json(found);
    return;
  }
  ++tally.proved;
  if (is_emulated(c.claim.arithmetic))
    EXPECT_GE(least, found.margin) << to_json(found);
  else
    EXPECT_EQ(least, found.margin) << to_json(found);  // nothing is rounded: it is the least
}

struct SmallRow {
  const char* construction;
  Json config = Json::object();
  Index length = 2;
};
std::vector<SmallRow> small_rows() {
  return {{"string-equality-rnn", {{"alphabet", 2}}, 2},
          {"string-equality-rnn", {{"alphabet", 2}}, 6},
          {"string-equality-rnn", {{"alphabet", 3}}, 2},
          {"string-equality-rnn", {{"alphabet", 3}}, 4},
          {"string-equality-rnn", {{"alphabet", 5}}, 2},
          {"set-disjointness-rnn", Json::object(), 2},
          {"set-disjointness-rnn", Json::object(), 6},
          // Of these only n = 1 is of two halves.
          {"string-equality-rnn", {{"alphabet", 3}, {"layout", "interleaved"}}, 2},
          {"string-equality-rnn", {{"layout", "interleaved"}}, 4},
          {"set-disjointness-rnn", {{"layout", "interleaved"}}, 2}};
}

TEST(PairDataflowMutations, EveryWeightIsHeldToBruteForce) {
  const Catalog f;
  Tally tally;
  std::size_t turn = 0;
  for (const SmallRow& row : small_rows())
    for (const double claimed : {0.0, 1.0}) {
      const Arithmetic arithmetic = kArithmetics[turn++ % 4];
      auto c = make_case(f, row.construction, row.config, row.length, arithmetic);
      ASSERT_TRUE(c);
      c->claim.margin = claimed;
      for (float& x : c->weights.values) {
        const float before = x;
        for (const float after : {-before, before + 1, before - 1, before / 2, before + 0.375F}) {
          if (after == before) continue;
          x = after;
          hold_to_brute_force(f, *c, tally);
        }
        x = before;
      }
    }
  EXPECT_GT(tally.tried, 4000);
  EXPECT_GT(tally.proved, 500);  // entries that nothing reads, more weight where there was enough
  EXPECT_GT(tally.refuted, 1000);
}

TEST(PairDataflowMutations, SeveralChangesAtOnceAreHeldToBruteForce) {
  const Catalog f;
  Rng rng(5);
  Tally tally;
  for (int round = 0; round < 60; ++round)
    for (const SmallRow& row : small_rows()) {
      auto c = make_case(f, row.construction, row.config, row.length,
                         kArithmetics[std::size_t(round) % 4]);
      c->claim.margin = 0;
      std::vector<float>& w = c->weights.values;
      for (int change = 0; change < 1 + round % 4; ++change) {
        float& x = w[std::size_t(rng.below(Index(w.size())))];
        x = float(rng.below(17) - 8) / (rng.coin() ? 4.0F : 1.0F);
      }
      hold_to_brute_force(f, *c, tally);
    }
  EXPECT_GT(tally.proved, 30);
  EXPECT_GT(tally.refuted, 100);
}

/// Nets of small whole numbers that nobody designed.
TEST(PairDataflowMutations, DrawnNetsAreHeldToBruteForce) {
  const Catalog f;
  Rng rng(6);
  Tally tally;
  for (int round = 0; round < 800; ++round) {
    const SmallRow row = small_rows()[std::size_t(round) % 7];
    auto c = make_case(f, row.construction, row.config, row.length,
                       kArithmetics[std::size_t(round) % 4]);
    c->claim.margin = 0;
    for (float& x : c->weights.values) x = rng.uniform() < 0.5 ? 0.0F : float(rng.below(5) - 2) / 2;
    hold_to_brute_force(f, *c, tally);
  }
  EXPECT_GT(tally.refuted, 500);
}

/// Noise that float32 would round: no claim is made.
TEST(PairDataflowMutations, WhatMayBeRoundedIsUndecided) {
  const Catalog f;
  Rng rng(7);
  for (const SmallRow& row : small_rows()) {
    auto c = make_case(f, row.construction, row.config, row.length);
    for (float& x : c->weights.values) x *= float(1 + 1e-3 * rng.uniform());
    EXPECT_EQ(f.methods.make("pair-dataflow")->certify(c->claim, c->subject(f)).verdict,
              Verdict::undecided);
  }
}

}  // namespace
}  // namespace separatrix
