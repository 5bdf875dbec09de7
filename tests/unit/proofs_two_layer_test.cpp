#include "tests/support/built_case.h"

// String equality and set disjointness by two layers.

namespace separatrix {
namespace {

TEST(PairTransformers, AreRightOnEveryShortInputInEveryArithmetic) {
  const Catalog r;
  for (const Arithmetic arithmetic : kArithmetics)
    for (const char* layout : {"halves", "interleaved"}) {
      for (const auto& [q, longest] : {std::pair{2, 8}, {3, 4}, {5, 2}})
        for (Index n = 2; n <= longest; n += 2) {
          const auto c = build_case(r, "string-equality-transformer",
                                    {{"alphabet", q}, {"layout", layout}}, n, arithmetic);
          expect_well_formed(*c);
          EXPECT_EQ(c->claim.margin, 0.5);
          EXPECT_GE(c->least_margin(), 0.5) << to_json(c->claim);
        }
      for (Index n = 2; n <= 8; n += 2) {
        const auto c =
            build_case(r, "set-disjointness-transformer", {{"layout", layout}}, n, arithmetic);
        expect_well_formed(*c);
        EXPECT_EQ(c->claim.margin, 0.5);
        EXPECT_GE(c->least_margin(), 0.5) << to_json(c->claim);
      }
    }
}

/// A yes-instance and, for each of the places, the instance that differs from it in one symbol of
/// y: the nearest there is.
TEST(PairTransformers, SeeASingleDifferenceAnywhere) {
  const Catalog r;
  Rng rng(1, RngUse::sample, 0);
  for (const Arithmetic arithmetic :
       {Arithmetic::float32, Arithmetic::bfloat16, Arithmetic::float16})
    for (const Index n : {14, 16, 18, 62, 64, 66})
      for (const Index q : {2, 64, 1000})
        for (const bool interleaved : {false, true}) {
          const auto c = build_case(
              r, "string-equality-transformer",
              {{"alphabet", q}, {"layout", interleaved ? "interleaved" : "halves"}}, n, arithmetic);
          expect_well_formed(*c);
          const auto y = [&](Index i) { return std::size_t(interleaved ? 2 * i + 1 : n / 2 + i); };
          const auto x = [&](Index i) { return std::size_t(interleaved ? 2 * i : i); };
          std::vector<Token> tokens(std::size_t(n) + 1, Token(q));
          for (Index i = 0; i < n / 2; ++i) tokens[x(i)] = tokens[y(i)] = Token(rng.below(q));
          ASSERT_GE(c->margin(tokens), c->claim.margin) << to_json(c->claim);
          for (const Index i : {Index{0}, n / 4, n / 2 - 1}) {
            Token& symbol = tokens[y(i)];
            symbol = Token(symbol ^ 1);  // one bit of the code
            ASSERT_GE(c->margin(tokens), c->claim.margin) << to_json(c->claim) << " at " << i;
            symbol = Token(symbol ^ 1);
          }
        }
}

TEST(PairTransformers, SeeASingleCommonElementAnywhere) {
  const Catalog r;
  for (const Arithmetic arithmetic :
       {Arithmetic::float32, Arithmetic::bfloat16, Arithmetic::float16})
    for (const Index n : {14, 16, 18, 62, 64, 66, 130})
      for (const Token owner : {0, 1}) {  // the fullest disjoint pairs: everything is x's, or y's
        const auto c = build_case(r, "set-disjointness-transformer", Json::object(), n, arithmetic);
        expect_well_formed(*c);
        std::vector<Token> tokens(std::size_t(n) + 1, 2);
        for (Index i = 0; i < n / 2; ++i) {
          tokens[std::size_t(i)] = 1 - owner;
          tokens[std::size_t(n / 2 + i)] = owner;
        }
        ASSERT_GE(c->margin(tokens), c->claim.margin);
        for (const Index i : {Index{0}, n / 4, n / 2 - 1}) {
          Token& bit = tokens[std::size_t(owner == 1 ? i : n / 2 + i)];
          bit = 1;
          ASSERT_GE(c->margin(tokens), c->claim.margin) << to_json(c->claim) << " at " << i;
          bit = 0;
        }
      }
}

TEST(PairTransformers, ClaimTenThousandSymbolsAndRefuseWhatWillNotFit) {
  const Catalog r;
  for (const Arithmetic arithmetic : kArithmetics) {
    const auto equality = r.constructions.make("string-equality-transformer");
    const auto disjointness = r.constructions.make("set-disjointness-transformer");
    const Json two = {{"alphabet", 2}, {"layout", "halves"}}, halves = {{"layout", "halves"}};
    EXPECT_EQ(equality->claim({two, 10'000, arithmetic})->margin, 0.5);
    EXPECT_EQ(disjointness->claim({halves, 10'000, arithmetic})->margin, 0.5);
    EXPECT_GT(equality->claim({two, 1'000'000, arithmetic})->margin, 0);
    EXPECT_THROW(disjointness->claim({halves, 9'999'998, arithmetic}), Error);
    EXPECT_THROW(equality->claim({{{"alphabet", 16'000'000}}, 10'000, arithmetic}), Error);
    EXPECT_FALSE(equality->claim({two, 7, arithmetic}));
  }
}

TEST(PairTransformers, RefuseATemperatureThatIsTooLow) {
  const Catalog r;
  const auto cold = r.constructions.make("string-equality-transformer", {{"temperature", 1.0}});
  EXPECT_THROW(cold->claim({{{"alphabet", 2}}, 100, Arithmetic::float32}), Error);
  EXPECT_THROW(r.constructions.make("set-disjointness-transformer", {{"temperature", 3.01}}),
               Error);
}

TEST(PairTransformers, HaveTheWidthOfTheFormula) {
  const Catalog r;
  const auto equality = build_case(r, "string-equality-transformer", {{"alphabet", 64}}, 20);
  EXPECT_EQ(equality->built.weights.spec.d_model, 2 * 6 + 2 * 5 + 3);
  const auto disjointness = build_case(r, "set-disjointness-transformer", Json::object(), 20);
  EXPECT_EQ(disjointness->built.weights.spec.d_model, 2 * 5 + 6);
}

}  // namespace
}  // namespace separatrix
