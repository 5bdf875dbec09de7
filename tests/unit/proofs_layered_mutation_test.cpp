#include "tests/support/layered_case.h"

// Changed weights: whatever the method "layered" still calls proved is right on every input, with
// the margin that it names.

namespace separatrix {
namespace {

struct Tally {
  Index tried = 0, proved = 0, undecided = 0, refuted = 0;
  Index unconfirmed = 0;  ///< proved, but the recheck's bounds are too coarse to see it
};

/// The verdict against every input.
void hold_to_brute_force(const LayeredFixture& f, BuiltCase& c, Tally& tally,
                         bool must_confirm = true) {
  c.claim.margin = 0;
  const Certificate found = f.certify_layered(c);
  ++tally.tried;
  if (found.verdict == Verdict::undecided) {
    ++tally.undecided;
    return;
  }
  const double least = c.least_margin();
  if (found.verdict == Verdict::refuted) {
    ++tally.refuted;
    EXPECT_LE(least, 0) << to_json(found);
    return;
  }
  ++tally.proved;
  EXPECT_GE(least, found.margin - 1e-9 * (1 + found.margin)) << to_json(found);
  const std::string wrong = f.recheck_of(found, c);
  if (!wrong.empty()) ++tally.unconfirmed;
  if (must_confirm) {
    EXPECT_EQ(wrong, "") << to_json(found);
  }
}

/// The smallest instance of each row that has more than a few inputs.
std::vector<std::pair<LayeredRow, Index>> small_rows() {
  std::vector<std::pair<LayeredRow, Index>> out;
  for (const LayeredRow& row : layered_rows()) {
    const std::string name = row.construction;
    const bool wide = row.config.contains("alphabet") && row.config.at("alphabet") == 5;
    out.emplace_back(row, name.starts_with("mqar")        ? (row.config.at("pairs") == 1 ? 4 : 8)
                          : name.starts_with("nearest")   ? 1
                          : name.starts_with("induction") ? 3
                          : name.starts_with("sparse")    ? 3
                          : wide                          ? 2
                                                          : 4);
  }
  out.erase(std::remove_if(out.begin(), out.end(),
                           [](const auto& row) { return row.second == 8; }),  // too many inputs
            out.end());
  return out;
}

TEST(LayeredMutations, EverySignIsHeldToBruteForce) {
  const LayeredFixture f;
  Rng rng(5);
  Tally tally;
  std::size_t turn = 0;
  for (const auto& [row, n] : small_rows()) {
    for (const Arithmetic arithmetic : {kArithmetics[turn % 4], kArithmetics[(turn + 1) % 4]}) {
      const auto c = layered_case(f.r, row, n, arithmetic);
      ASSERT_TRUE(c);
      std::vector<float>& w = c->built.weights.values;
      const double chance =
          60.0 / double(std::count_if(w.begin(), w.end(), [](float x) { return x != 0; }));
      for (float& x : w) {
        if (x == 0 || rng.uniform() > chance) continue;
        const float before = x;
        x = -before;
        hold_to_brute_force(f, *c, tally);
        x = before;
      }
    }
    ++turn;
  }
  EXPECT_GT(tally.tried, 700);
  EXPECT_GT(tally.refuted, 100);
  EXPECT_GT(tally.proved, 100);  // weights of positions that nobody looks at, and the like
}

TEST(LayeredMutations, ColdScoresNoughtsAndNoiseAreHeldToBruteForce) {
  const LayeredFixture f;
  Rng rng(6);
  Tally tally;
  std::size_t turn = 0;
  for (const auto& [row, n] : small_rows())
    for (int round = 0; round < 24; ++round) {
      const auto c = layered_case(f.r, row, n, kArithmetics[turn++ % 4]);
      Weights& w = c->built.weights;
      for (std::size_t i = 0; i < w.spec.layers.size(); ++i) {
        if (w.spec.layers[i].block != "attention") continue;
        const double heat = std::ldexp(1.0, -int(rng.below(7)));
        for (float& x : w["layers." + std::to_string(i) + ".attention.q"]) x *= float(heat);
      }
      const double noise = std::ldexp(0.5, -int(rng.below(8)));
      if (round % 3 == 1)
        for (float& x : w.values) x *= float(1 + noise * (2 * rng.uniform() - 1));
      if (round % 3 == 2)
        for (float& x : w.values)
          if (rng.uniform() < 0.01) x = 0;
      hold_to_brute_force(f, *c, tally);
    }
  EXPECT_GT(tally.proved, 30);
  EXPECT_GT(tally.refuted, 30);
}

/// Everything behind the first attention is full of small weights.
TEST(LayeredMutations, DenseModelsAreHeldToBruteForce) {
  const LayeredFixture f;
  Rng rng(7);
  Tally tally;
  std::size_t turn = 0;
  for (const auto& [row, n] : small_rows())
    for (int round = 0; round < 16; ++round) {
      const auto c = layered_case(f.r, row, n, kArithmetics[turn++ % 4]);
      Weights& w = c->built.weights;
      const double noise = std::ldexp(1.0, -3 - int(rng.below(10)));
      for (const ParamSpec& param : w.params) {
        const bool first = param.name.starts_with("layers.0.") || param.name == "embedding" ||
                           param.name == "positions";
        for (float& x : w[param.name])
          if (!first) x += float(noise * (2 * rng.uniform() - 1));
      }
      hold_to_brute_force(f, *c, tally);
    }
  EXPECT_GT(tally.proved, 30);
  EXPECT_GT(tally.refuted, 10);
}

/// A construction's float32 weights, rounded to formats that do not hold them.
TEST(LayeredMutations, CoarseFormatsAreHeldToBruteForce) {
  const LayeredFixture f;
  Rng rng(8);
  Tally tally;
  for (const auto& [row, n] : small_rows())
    for (const Arithmetic coarse : {Arithmetic::bfloat16, Arithmetic::float16})
      for (int round = 0; round < 4; ++round) {
        const auto c = layered_case(f.r, row, n, Arithmetic::float32);
        // All weights off by up to a quarter, so that none is representable.
        if (round > 0)
          for (float& x : c->built.weights.values)
            x *= float(1 + 0.08 * round * (2 * rng.uniform() - 1));
        c->claim.arithmetic = coarse;
        hold_to_brute_force(f, *c, tally);
      }
  EXPECT_GT(tally.proved, 10);
}

/// A count of which the average is exact: one weight less, or a sign, and it no longer is.
TEST(LayeredMutations, ExactCountsAreHeldToBruteForce) {
  const LayeredFixture f;
  Rng rng(9);
  Tally tally;
  std::string features = "{features: [";
  for (int i = 0; i < 7; ++i)
    features +=
        std::string(i == 0 ? "" : ", ") + "{positions: [" + std::to_string(i) + "], table: [0, 1]}";
  for (const char* function : {"parity", "majority"})
    for (const Arithmetic arithmetic : {Arithmetic::bfloat16, Arithmetic::float16}) {
      const Json config = {{"features", features + "], function: " + function + "}"}};
      const auto c = layered_case(f.r, {"sparse-features-transformer", config}, 7, arithmetic);
      ASSERT_TRUE(c);
      ASSERT_EQ(f.certify_layered(*c).verdict, Verdict::proved);
      std::vector<float>& w = c->built.weights.values;
      for (float& x : w) {
        if (x == 0 || rng.uniform() > 0.2) continue;
        const float before = x;
        for (const float changed : {-before, before / 2, before * 1.25F}) {
          x = changed;
          hold_to_brute_force(f, *c, tally, /*must_confirm=*/false);
        }
        x = before;
      }
    }
  EXPECT_GT(tally.proved, 20);
  EXPECT_GT(tally.refuted, 50);
  EXPECT_LT(10 * tally.unconfirmed, tally.proved);
}

}  // namespace
}  // namespace separatrix
