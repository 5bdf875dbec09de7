#include <cmath>

#include <gtest/gtest.h>

#include "separatrix/proofs/intervals.h"
#include "tests/support/models.h"
#include "tests/support/registries.h"
#include "tests/support/small_models.h"

namespace separatrix {
namespace {

TEST(Intervals, ABoxContainsEveryInputOfIt) {
  const Catalog f;
  Rng rng(1);
  for (const ModelSpec& spec : test::small_models_of_every_kind(3, 3))
    for (int i = 0; i < 6; ++i) {
      const Weights weights = test::random_weights(resolve(spec, f.blocks), f.blocks, rng);
      const BoxModel model(weights, f.blocks);
      InputBox box(4);
      for (auto& set : box)
        for (Token s = 0; s < 6; ++s)
          if (set.empty() || rng.below(3) == 0) set.push_back(s);
      const Token y = Token(rng.below(3));
      const auto margin = model.margin(box, y);
      std::vector<Token> first;
      for (const auto& set : box) first.push_back(set.front());
      for (int k = 0; k < 30; ++k) {
        std::vector<Token> tokens;
        for (const auto& set : box)
          tokens.push_back(set[std::size_t(rng.below(Index(set.size())))]);
        const double one =
            test::margin_of(reference_logits<double>(weights, f.blocks, tokens, 3), y);
        EXPECT_GE(one, margin.lower - 1e-9);
        EXPECT_LE(one, margin.upper + 1e-9);
      }
      // A single input: sharp.
      InputBox point;
      for (const Token s : first) point.push_back({s});
      const auto sharp = model.margin(point, y);
      EXPECT_LT(sharp.upper - sharp.lower, 1e-6);
      EXPECT_NEAR(sharp.lower,
                  test::margin_of(reference_logits<double>(weights, f.blocks, first, 3), y), 1e-6);
    }
}

/// The bias decides between always and never right, so that both verdicts occur on any model.
TEST(Intervals, VerdictsAreThoseOfAllInputs) {
  const Catalog f;
  const auto method = f.methods.make("intervals");
  Rng rng(2);
  Index proved = 0, refuted = 0;
  for (const ModelSpec& spec : test::small_models_of_every_kind(2, 2))
    for (int i = 0; i < 12; ++i) {
      Weights weights = test::random_weights(resolve(spec, f.blocks), f.blocks, rng);
      const auto task = f.tasks.make("index-lookup", {{"alphabet", 2}});
      // The position asked and the symbols there, read through the head as they stand.
      for (Index d = 0; d < spec.d_model && i % 2 == 0; ++d)
        for (std::size_t c = 0; c < 2; ++c) weights["head"][std::size_t(d) * 2 + c] *= 0.01F;
      Claim claim{"index-lookup", {{"alphabet", 2}}, 2, 0, Arithmetic::real, "none"};
      double least = INFINITY;
      std::vector<Token> targets(3);
      for_each_instance(*task, 2, [&](std::span<const Token> tokens) {
        task->label(tokens, targets);
        least =
            std::min(least, test::margin_of(reference_logits<double>(weights, f.blocks, tokens, 2),
                                            targets.back()));
        return true;
      });
      // A claim of less than the least margin must be positive to be kept at all.
      const Subject subject{*task, weights, f.blocks, 2};
      const Certificate c = method->certify(claim, subject);
      ASSERT_EQ(c.verdict, least > 0 ? Verdict::proved : Verdict::refuted) << least << c.reason;
      EXPECT_EQ(method->recheck(c, subject), "");
      ++(c.verdict == Verdict::proved ? proved : refuted);
    }
  EXPECT_GT(refuted, 10);
}

/// The construction is right; its proof by boxes must hold, split nothing it need not, and fail
/// when its tree is cut.
TEST(Intervals, ProvesAConstructionAndRecheckFollowsItsTrees) {
  const Catalog f;
  const auto method = f.methods.make("intervals");
  const Json config = f.tasks.find("index-lookup").resolve({{"alphabet", 2}}, "");
  const auto task = f.tasks.make("index-lookup", config);
  const auto construction = f.constructions.make("index-lookup-transformer");
  Claim claim = *construction->claim({config, 4});
  const Weights weights = construction->build({config, 4}, f.blocks).weights;
  claim.arithmetic = Arithmetic::real;
  const Subject subject{*task, weights, f.blocks};
  const Certificate proof = method->certify(claim, subject);
  ASSERT_EQ(proof.verdict, Verdict::proved) << proof.reason;
  EXPECT_GE(proof.margin, claim.margin);
  EXPECT_EQ(proof.inputs, "64");
  ASSERT_EQ(method->recheck(proof, subject), "");
  for (const auto& tree : proof.evidence.at("trees"))
    EXPECT_LE(tree.at("tree").get<std::string>().size(), 15U);

  Certificate cut = proof;
  cut.evidence["trees"][0]["tree"] = "";
  EXPECT_NE(method->recheck(cut, subject), "");
  cut = proof;
  cut.evidence["trees"].erase(0);
  EXPECT_NE(method->recheck(cut, subject), "");
  cut = proof;
  cut.evidence["trees"][0]["tree"] = "11";
  EXPECT_NE(method->recheck(cut, subject), "");
  cut = proof;
  cut.margin += 0.01;
  EXPECT_NE(method->recheck(cut, subject), "");
  cut = proof;
  cut.evidence["position"][0] = 1;
  EXPECT_NE(method->recheck(cut, subject), "");

  Weights flipped = weights;
  for (float& w : flipped["head"]) w = -w;
  EXPECT_EQ(method->certify(claim, {*task, flipped, f.blocks}).verdict, Verdict::refuted);
  claim.arithmetic = Arithmetic::float32;
  EXPECT_EQ(method->certify(claim, subject).verdict, Verdict::undecided);
}

}  // namespace
}  // namespace separatrix
