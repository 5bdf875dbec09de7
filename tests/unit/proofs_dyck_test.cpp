#include <gtest/gtest.h>

#include "separatrix/base/rng.h"
#include "tests/support/dyck.h"

namespace separatrix {
namespace {

using namespace dyck;

TEST(Dyck, EveryInputOfSmallLengthsKeepsTheClaim) {
  const Catalog r;
  const std::pair<Index, Index> sizes[] = {{1, 1}, {1, 2}, {2, 1}, {2, 2}, {2, 3}, {3, 2}};
  for (const std::string name : {"dyck-transformer", "dyck-recogniser"})
    for (const auto& [n, k] : sizes)
      for (const Arithmetic arithmetic : kComputed)
        for (const Index length : {2, 4, 6, 8}) {
          const double inputs = std::pow(2.0 * double(n), double(length));
          if (recognises({name}) && inputs > 5000) continue;
          const Dyck dyck{name, n, k, length, arithmetic};
          const auto c = make_case(r, dyck);
          ASSERT_TRUE(c) << text(dyck);
          EXPECT_GE(c->claim.margin, 0.25);
          Program program(r, *c);
          double least = INFINITY;
          for_each_instance(*c->task, length, [&](std::span<const Token> tokens) {
            least = std::fmin(least, program.margin(tokens));
            return true;
          });
          EXPECT_GE(least, c->claim.margin) << text(dyck);
        }
}

TEST(Dyck, WeightsAreNumbersOfTheFormat) {
  const Catalog r;
  for (const std::string name : {"dyck-transformer", "dyck-recogniser"})
    for (const Arithmetic arithmetic : kComputed)
      for (const Index length : {2, 50, 1000}) {
        const auto c = make_case(r, {name, 3, 4, length, arithmetic});
        ASSERT_TRUE(c);
        for (const float w : c->weights.values)
          ASSERT_TRUE(is_representable(arithmetic, double(w))) << w;
      }
}

/// Words of 2-type brackets, no deeper than k, that are hard: saw teeth at every depth, long runs,
/// and pairs at the bottom of a deep stack.
std::vector<std::vector<Token>> hard_words(Index k, Index length) {
  std::vector<std::vector<Token>> words;
  const auto add = [&](auto next) {
    std::vector<Token> word, open;
    for (Index t = 0; t < length; ++t) {
      const Index depth = Index(open.size()), left = length - t;
      const bool up = depth == 0 || (depth < k && depth < left && next(t, depth));
      if (up) {
        open.push_back(Token((t / 3 + depth) % 2));
        word.push_back(open.back());
      } else {
        word.push_back(open.back() + 2);
        open.pop_back();
      }
    }
    words.push_back(word);
  };
  add([](Index, Index) { return true; });  // as deep as possible, all the time
  add([](Index t, Index depth) { return depth < 1 + t % 7; });
  add([&](Index t, Index depth) {  // down to 1 for a moment, once
    return t < length / 2 ? depth < k : t < length / 2 + k ? false : depth < 2;
  });
  Rng rng(1);
  add([&](Index, Index) { return rng.coin(); });
  return words;
}
std::vector<Token> framed(const std::vector<Token>& word) {
  std::vector<Token> tokens = {4};
  tokens.insert(tokens.end(), word.begin(), word.end());
  tokens.push_back(5);
  return tokens;
}

TEST(Dyck, LongWordsAndSingleEditsKeepTheClaim) {
  const Catalog r;
  constexpr Index kLength = 1000, kDepth = 4;
  for (const std::string name : {"dyck-transformer", "dyck-recogniser"})
    for (const Arithmetic arithmetic : kComputed) {
      const Dyck dyck{name, 2, kDepth, kLength, arithmetic};
      const auto c = make_case(r, dyck);
      ASSERT_TRUE(c) << text(dyck);
      Program program(r, *c);
      Rng rng(2);
      for (std::vector<Token> word : hard_words(kDepth, kLength)) {
        EXPECT_GE(program.margin(framed(word)), c->claim.margin) << text(dyck);
        if (!recognises(dyck)) continue;
        auto& bracket = word[std::size_t(rng.below(kLength))];
        bracket = Token((bracket + 1 + rng.below(3)) % 4);
        EXPECT_GE(program.margin(framed(word)), c->claim.margin) << text(dyck) << " edited";
      }
    }
}

TEST(Dyck, OutsideItsRangeItClaimsNothing) {
  const Catalog r;
  EXPECT_TRUE(make_case(r, {"dyck-transformer", 2, 4, 10000, Arithmetic::float32}));
  EXPECT_TRUE(make_case(r, {"dyck-recogniser", 2, 4, 10000, Arithmetic::float32}));
  // Depths that 8 significant bits cannot tell apart; shares below the normal numbers of float16.
  EXPECT_FALSE(make_case(r, {"dyck-transformer", 2, 40, 1000, Arithmetic::bfloat16}));
  EXPECT_FALSE(make_case(r, {"dyck-transformer", 2, 2, 40000, Arithmetic::float16}));
  // The other mode of the task is another construction's.
  const Json config = {{"types", 2}, {"depth", 2}, {"mode", "recognition"}};
  EXPECT_FALSE(r.constructions.make("dyck-transformer")->claim({config, 10, {}}));
}

}  // namespace
}  // namespace separatrix
