#include "tests/support/built_case.h"

// Nearest neighbour, associative recall and induction by two layers.

namespace separatrix {
namespace {

constexpr Arithmetic kFormats[] = {Arithmetic::float32, Arithmetic::bfloat16, Arithmetic::float16};

TEST(NearestNeighborTransformer, IsRightOnEveryShortInputInEveryArithmetic) {
  const Catalog r;
  for (const Arithmetic arithmetic : kArithmetics)
    for (const char* positions : {"last", "all"})
      for (const auto& [d, labels, n] :
           {std::tuple{1, 2, 1}, {1, 3, 2}, {2, 2, 1}, {2, 2, 2}, {1, 2, 3}, {3, 5, 1}}) {
        const auto c = build_case(r, "nearest-neighbor-transformer",
                                  {{"dimension", d}, {"labels", labels}, {"positions", positions}},
                                  n, arithmetic);
        ASSERT_TRUE(c);
        expect_well_formed(*c);
        EXPECT_EQ(c->claim.margin, 0.5);
        ASSERT_GE(c->least_margin(), 0.5) << to_json(c->claim);
      }
}

/// One nearest point at a place, all others one step further away and with the opposite label; then
/// all equally near, where the earliest wins.
TEST(NearestNeighborTransformer, FindsOneAmongManyAtTheMargin) {
  const Catalog r;
  for (const Arithmetic arithmetic : kFormats)
    for (const Index n : {7, 8, 9, 31, 33})
      for (const Index d : {1, 8, 12}) {
        const auto c = build_case(r, "nearest-neighbor-transformer",
                                  {{"dimension", d}, {"labels", 64}}, n, arithmetic);
        expect_well_formed(*c);
        const Token points = Token(1) << d, right = points + 21, wrong = points + 42;
        for (const Token query : {Token(0), Token(points - 1)})
          for (const Token gap : {0, 1})  // 0: the nearest is at distance 0, the others at 1
            for (const Index place : {Index{0}, n / 2, n - 1}) {
              if (d == 1 && gap == 1) continue;
              std::vector<Token> tokens;
              for (Index i = 0; i < n; ++i) {
                const bool nearest = i == place;
                const Token one = gap, two = gap == 0 ? 1 : 3;
                tokens.push_back(query ^ (nearest ? one : two));
                tokens.push_back(nearest ? right : wrong);
              }
              tokens.push_back(query);
              ASSERT_GE(c->margin(tokens), c->claim.margin) << to_json(c->claim) << " " << place;
              for (std::size_t i = 0; i + 1 < tokens.size(); i += 2)
                tokens[i] = query ^ (points - 1);  // all as far away as can be
              tokens[1] = right;
              for (std::size_t i = 3; i < tokens.size(); i += 2) tokens[i] = wrong;
              ASSERT_GE(c->margin(tokens), c->claim.margin) << to_json(c->claim);
            }
      }
}

TEST(NearestNeighborTransformer, ClaimsWhatFloat32TellsApart) {
  const Catalog r;
  const auto construction = r.constructions.make("nearest-neighbor-transformer");
  const auto claim = [&](Index d, Index labels, Index n, Arithmetic arithmetic) {
    return construction->claim(
        {{{"dimension", d}, {"labels", labels}, {"positions", "last"}}, n, arithmetic});
  };
  for (const Arithmetic arithmetic : kArithmetics) {
    EXPECT_EQ(claim(8, 2, 10'000, arithmetic)->margin, 0.5);
    EXPECT_GT(claim(20, 2, 100'000, arithmetic)->margin, 0.25);
    EXPECT_FALSE(claim(12, 2, 1'000'000, arithmetic));
    EXPECT_THROW(claim(2, 2, 5'000'000, arithmetic), Error);
    EXPECT_THROW(claim(20, 1 << 20, 100, arithmetic), Error);
  }
}

TEST(MqarTransformer, IsRightOnEveryShortInputInEveryArithmetic) {
  const Catalog r;
  for (const Arithmetic arithmetic : kArithmetics)
    for (const bool absent : {false, true})
      for (const bool random : {false, true})
        for (const auto& [vocab, pairs, n] :
             {std::tuple{4, 1, 4}, {5, 1, 6}, {6, 2, 8}, {8, 1, 4}, {9, 1, 4}}) {
          if (random && n > 6) continue;
          const auto c =
              build_case(r, "mqar-transformer",
                         {{"vocab_size", vocab}, {"pairs", pairs}, {"random_non_queries", random}},
                         n, arithmetic, {{"absent", absent}});
          ASSERT_TRUE(c);
          expect_well_formed(*c);
          EXPECT_GE(c->claim.margin, 0.49);
          ASSERT_GE(c->least_margin(), c->claim.margin) << to_json(c->claim);
        }
}

TEST(MqarTransformer, IsRightOnSampledLongInputs) {
  const Catalog r;
  Rng rng(3);
  for (const Arithmetic arithmetic : kFormats)
    for (const auto& [vocab, pairs, n] :
         {std::tuple{8192, 4, 64}, {64, 16, 66}, {130, 32, 130}, {1000, 7, 30}}) {
      const auto c =
          build_case(r, "mqar-transformer",
                     {{"vocab_size", vocab}, {"pairs", pairs}, {"power_a", 1.0}}, n, arithmetic);
      expect_well_formed(*c);
      std::vector<Token> tokens(static_cast<std::size_t>(n));
      for (int i = 0; i < 2; ++i) {
        c->task->sample(rng, tokens);
        ASSERT_GE(c->margin(tokens), c->claim.margin) << to_json(c->claim);
      }
    }
}

/// Every key that has not occurred, asked where the stored keys are its neighbours.
TEST(MqarTransformer, AnswersBlankAtAnAbsentKey) {
  const Catalog r;
  for (const Arithmetic arithmetic : kFormats)
    for (const auto& [vocab, pairs] : {std::pair{8, 1}, {16, 3}, {64, 20}, {256, 64}}) {
      const Json config = {{"vocab_size", vocab}, {"pairs", pairs}};
      const auto c =
          build_case(r, "mqar-transformer", config, 4 * pairs, arithmetic, {{"absent", true}});
      std::vector<Token> tokens(std::size_t(4 * pairs), 0);
      for (Token absent : {Token(1), Token(vocab / 4), Token(vocab / 2 - 1)}) {
        Token key = 1;
        for (Index i = 0; i < pairs; ++i, ++key) {
          key += key == absent ? 1 : 0;
          tokens[std::size_t(2 * i)] = key;
          tokens[std::size_t(2 * i + 1)] = Token(vocab - 1 - i);
        }
        tokens.back() = absent;
        const std::vector<double> logits = c->logits(tokens);
        for (std::size_t other = 1; other < logits.size(); ++other)
          ASSERT_GE(logits[0] - logits[other], 0.5) << vocab << " " << absent;
        tokens.back() = tokens[2 * std::size_t(pairs - 1)];  // and still finds one that has
        const std::vector<double> present = c->logits(tokens);
        const std::size_t right = std::size_t(tokens[2 * std::size_t(pairs - 1) + 1]);
        for (std::size_t other = 0; other < present.size(); ++other)
          if (other != right) {
            ASSERT_GE(present[right] - present[other], 0.49);
          }
      }
    }
}

TEST(InductionTransformer, IsRightOnEveryShortInputInEveryArithmetic) {
  const Catalog r;
  for (const Arithmetic arithmetic : kArithmetics)
    for (const auto& [q, longest] : {std::pair{1, 9}, {2, 8}, {3, 5}, {5, 3}})
      for (Index n = 2; n <= longest; ++n) {
        const auto c = build_case(r, "induction-transformer", {{"alphabet", q}}, n, arithmetic);
        ASSERT_TRUE(c);
        expect_well_formed(*c);
        EXPECT_EQ(c->claim.margin, 0.5);
        ASSERT_GE(c->least_margin(), 0.5) << to_json(c->claim);
      }
}

/// The symbol once at a place among its neighbours; nowhere; everywhere with one other follower.
TEST(InductionTransformer, FindsTheLatestOccurrenceAnywhere) {
  const Catalog r;
  for (const Arithmetic arithmetic : kFormats)
    for (const Index n : {7, 8, 9, 64, 65, 130})
      for (const Index q : {3, 64, 1000}) {
        const auto c = build_case(r, "induction-transformer", {{"alphabet", q}}, n, arithmetic);
        expect_well_formed(*c);
        const Token asked = 2, near = 0;
        std::vector<Token> tokens(std::size_t(n), near);
        tokens.back() = asked;
        ASSERT_GE(c->margin(tokens), c->claim.margin) << to_json(c->claim);  // none
        for (const Index place : {Index{0}, n / 2, n - 3, n - 2}) {
          Token& at = tokens[std::size_t(place)];
          at = asked;
          ASSERT_GE(c->margin(tokens), c->claim.margin) << to_json(c->claim) << place;
          at = near;
        }
        std::fill(tokens.begin(), tokens.end(), asked);
        tokens[std::size_t(n) - 2] = near;
        ASSERT_GE(c->margin(tokens), c->claim.margin) << to_json(c->claim);
      }
}

TEST(RecallTransformers, ClaimLongInputsAndRefuseWhatWillNotFit) {
  const Catalog r;
  const auto induction = r.constructions.make("induction-transformer");
  const auto mqar = r.constructions.make("mqar-transformer");
  for (const Arithmetic arithmetic : kArithmetics) {
    EXPECT_EQ(induction->claim({{{"alphabet", 64}}, 10'000, arithmetic})->margin, 0.5);
    EXPECT_THROW(induction->claim({{{"alphabet", 2}}, 6'000'000, arithmetic}), Error);
    const auto claim = [&](Index vocab, Index pairs, Index n) {
      return mqar->claim({{{"vocab_size", vocab}, {"pairs", pairs}}, n, arithmetic});
    };
    EXPECT_EQ(claim(8192, 1000, 10'000)->margin, 0.5);
    EXPECT_THROW(claim(16'000'000, 4, 64), Error);
  }
}

TEST(RecallTransformers, RefuseATemperatureThatIsTooLow) {
  const Catalog r;
  const auto cold = r.constructions.make("induction-transformer", {{"temperature", 0.5}});
  EXPECT_THROW(cold->claim({{{"alphabet", 2}}, 100, Arithmetic::float32}), Error);
}

}  // namespace
}  // namespace separatrix
