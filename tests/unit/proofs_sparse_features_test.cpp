#include "separatrix/tasks/features.h"
#include "tests/support/built_case.h"

// Symmetric functions of sparse features by two layers.

namespace separatrix {
namespace {

constexpr const char* kName = "sparse-features-transformer";

std::string list(const std::vector<Index>& numbers) {
  std::string out;
  for (const Index n : numbers) out += (out.empty() ? "" : ", ") + std::to_string(n);
  return "[" + out + "]";
}

/// M features of 1 .. k bits at different random places, random tables.
std::string random_features(Rng& rng, Index length, Index M, Index k) {
  std::string out;
  for (Index r = 0; r < M; ++r) {
    std::vector<Index> places(static_cast<std::size_t>(length)), table;
    for (Index i = 0; i < length; ++i) places[std::size_t(i)] = i;
    const Index arity = 1 + rng.below(std::min(k, length));
    for (Index j = 0; j < arity; ++j)
      std::swap(places[std::size_t(j)], places[std::size_t(j + rng.below(length - j))]);
    places.resize(std::size_t(arity));
    for (Index row = 0; row < Index{1} << arity; ++row) table.push_back(rng.below(2));
    out += (r > 0 ? ", " : "") + ("{positions: " + list(places) + ", table: " + list(table) + "}");
  }
  return "{features: [" + out + "], function: ";
}

std::string random_function(Rng& rng, Index M) {
  std::vector<Index> values;
  for (Index m = 0; m <= M; ++m) values.push_back(rng.below(2));
  return "{values: " + list(values) + "}";
}

TEST(SparseFeaturesTransformer, ComputesRandomFunctionsOfRandomFeaturesOnEveryInput) {
  const Catalog r;
  Rng rng(7);
  for (const Arithmetic arithmetic : kArithmetics)
    for (const Index n : {1, 2, 3, 7})
      for (const Index M : {1, 3, 9}) {
        const std::string features = random_features(rng, n, M, 3);
        for (const std::string& function :
             {std::string("or"), std::string("and"), std::string("majority"), std::string("parity"),
              random_function(rng, M)}) {
          const auto c =
              build_case(r, kName, {{"features", features + function + "}"}}, n, arithmetic);
          ASSERT_TRUE(c);
          expect_well_formed(*c);
          EXPECT_EQ(c->claim.margin, 0.5);
          ASSERT_GE(c->least_margin(), 0.5) << to_json(c->claim);
        }
      }
}

TEST(SparseFeaturesTransformer, TakesEightBitsAndConstants) {
  const Catalog r;
  Rng rng(8);
  const std::string wide = random_features(rng, 9, 4, 8);
  for (const char* function : {"or", "parity", "{at-least: 0}", "{values: [0, 0, 0, 0, 0]}",
                               "{values: [1, 0, 0, 0, 0]}", "{values: [1, 1, 1, 1, 0]}"}) {
    const auto c = build_case(r, kName, {{"features", wide + function + "}"}}, 9);
    EXPECT_GE(c->least_margin(), c->claim.margin) << function;
  }
}

/// All features false, or all but one true, and then one changed: the nearest there is.
TEST(SparseFeaturesTransformer, SeesASingleFeatureAnywhere) {
  const Catalog r;
  for (const Arithmetic arithmetic :
       {Arithmetic::float32, Arithmetic::bfloat16, Arithmetic::float16})
    for (const Index n : {15, 16, 17, 63, 65, 127}) {
      const auto c = build_case(r, kName, Json::object(), n, arithmetic);  // two neighbouring ones
      expect_well_formed(*c);
      std::vector<Token> tokens(std::size_t(n) + 1, 2);
      for (Index i = 0; i < n; ++i) tokens[std::size_t(i)] = Token(i % 2);
      EXPECT_GE(c->margin(tokens), c->claim.margin) << to_json(c->claim);
      for (const Index i : {Index{0}, n / 4 * 2, (n - 1) / 2 * 2}) {
        tokens[std::size_t(i)] = 1;
        EXPECT_GE(c->margin(tokens), c->claim.margin) << to_json(c->claim) << " at " << i;
        tokens[std::size_t(i)] = 0;
      }
    }
}

TEST(SparseFeaturesTransformer, CountsExactlyFarFromZero) {
  const Catalog r;
  for (const Arithmetic arithmetic :
       {Arithmetic::float32, Arithmetic::bfloat16, Arithmetic::float16})
    for (const char* function : {"parity", "majority", "{exactly: 149}"}) {
      std::string features;
      for (Index i = 0; i < 150; ++i)  // more features than the 65 tokens can have one each
        features += (i > 0 ? ", " : "") + ("{positions: " + list({i % 64, (i + 1 + i / 64) % 64}) +
                                           ", table: [0, 1, 1, 1]}");
      const auto c = build_case(
          r, kName, {{"features", "{features: [" + features + "], function: " + function + "}"}},
          64, arithmetic);
      expect_well_formed(*c);
      std::vector<Token> tokens(65, 1);
      tokens.back() = 2;
      for (Index i = 0; i < 64; i += 1) {  // from all hold to none
        EXPECT_GE(c->margin(tokens), c->claim.margin) << to_string(arithmetic) << function << i;
        tokens[std::size_t(i * 37 % 64)] = 0;
      }
      EXPECT_GE(c->margin(tokens), c->claim.margin);
    }
}

TEST(SparseFeaturesTransformer, SaysWhatItDoesNotCover) {
  const Catalog r;
  const auto construction = r.constructions.make(kName);
  Rng rng(9);
  const auto claim = [&](const std::string& features, Index n, Arithmetic arithmetic) {
    return construction->claim({{{"features", features}}, n, arithmetic});
  };
  const std::string many = random_features(rng, 300, 300, 2);
  EXPECT_TRUE(claim(many + "parity}", 300, Arithmetic::float32));
  EXPECT_TRUE(claim(many + "parity}", 300, Arithmetic::float16));
  EXPECT_FALSE(claim(many + "parity}", 300, Arithmetic::bfloat16));  // 300 > 2^8
  EXPECT_TRUE(claim(many + "or}", 300, Arithmetic::bfloat16));
  EXPECT_TRUE(claim("", 10'000, Arithmetic::bfloat16));
  EXPECT_THROW(claim("", 9'000'000, Arithmetic::float32), Error);
  const std::string crowd = random_features(rng, 1, 8'000, 1);  // two tokens for all of them
  EXPECT_THROW(claim(crowd + "or}", 1, Arithmetic::float32), Error);
}

}  // namespace
}  // namespace separatrix
