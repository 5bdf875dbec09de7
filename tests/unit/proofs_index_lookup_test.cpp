#include <cmath>

#include <gtest/gtest.h>

#include "separatrix/nn/model.h"
#include "separatrix/proofs/certificate.h"
#include "tests/support/constructions.h"

// Index lookup beyond what pairs of positions and float32 allow, and with the query first.

namespace separatrix {
namespace {

struct Case {
  std::unique_ptr<Task> task;
  Claim claim;
  Weights weights;
  Subject subject(const Catalog& f) const { return {*task, weights, f.blocks}; }
};

Case make(const Catalog& f, const std::string& name, Json config, Index N, Arithmetic arithmetic) {
  const auto construction = f.constructions.make(name);
  config = f.tasks.find("index-lookup").resolve(config, "index-lookup");
  const ConstructionRequest request{config, N, arithmetic};
  const auto claim = construction->claim(request);
  if (!claim) throw std::runtime_error("not covered");
  return {f.tasks.make("index-lookup", config), *claim,
          construction->build(request, f.blocks).weights};
}

constexpr const char* kQueryLast = "index-lookup-transformer";
constexpr const char* kQueryFirst = "index-lookup-query-first-transformer";

TEST(IndexLookup, IsProvedInEveryArithmeticAtEverySize) {
  const Catalog f;
  for (const Arithmetic a : kArithmetics)
    for (const Index q : {2, 3, 64})
      for (const Index N : {1, 2, 3, 7, 8, 9, 16, 17, 5000, 65537}) {
        if (N > 5000 && q != 3) continue;  // one of the long ones is enough
        const Case c = make(f, kQueryLast, {{"alphabet", q}}, N, a);
        const Certificate proof = certify(c.claim, c.subject(f), f.methods, "position-only");
        ASSERT_EQ(proof.verdict, Verdict::proved) << N << to_string(a) << proof.reason;
        EXPECT_GE(proof.margin, c.claim.margin);
        EXPECT_GT(c.claim.margin, 0.4);
        EXPECT_EQ(recheck(proof, c.subject(f), f.methods), "") << N << to_string(a) << q;
        EXPECT_LT(to_json(proof).dump().size(), 60'000u);
      }
}

/// The bound holds for what the arithmetic computes, on inputs that pull hardest.
TEST(IndexLookup, TheGridBoundsWhatIsComputed) {
  const Catalog f;
  for (const Arithmetic a : {Arithmetic::bfloat16, Arithmetic::float16}) {
    const Case c = make(f, kQueryLast, {{"alphabet", 5}}, 40, a);
    const Certificate proof = certify(c.claim, c.subject(f), f.methods, "position-only");
    ASSERT_EQ(proof.verdict, Verdict::proved);
    for (Token s = 0; s < 5; ++s)
      for (Token rest = 0; rest < 5; ++rest)
        for (const Token p : {0, 17, 39}) {
          std::vector<Token> tokens(41, rest);
          tokens[std::size_t(p)] = s;
          tokens[40] = 5 + p;
          const auto logits = emulated_logits(c.weights, f.blocks, tokens, a, 40);
          for (Token other = 0; other < 5; ++other)
            if (other != s) {
              EXPECT_GE(logits[std::size_t(s)] - logits[std::size_t(other)], proof.margin);
            }
        }
  }
}

TEST(IndexLookup, BrokenWeightsAreNeverProved) {
  const Catalog f;
  for (const Arithmetic a : kArithmetics)
    for (const Index N : {9, 5000}) {
      const Case c = make(f, kQueryLast, {{"alphabet", 4}}, N, a);
      const Index D = c.weights.spec.d_model, p = N / 3, q = 4, key = 2;
      const auto broken = [&](const char* part, Index at, float factor) {
        Case copy{f.tasks.make("index-lookup", c.claim.task_config), c.claim, c.weights};
        copy.weights[part][std::size_t(at)] *= factor;
        const Certificate v = certify(copy.claim, copy.subject(f), f.methods, "position-only");
        EXPECT_NE(v.verdict, Verdict::proved) << part << N << to_string(a);
        if (a != Arithmetic::real) {
          EXPECT_EQ(v.verdict, Verdict::refuted) << part << v.reason;
        }
        if (v.verdict == Verdict::refuted) {
          EXPECT_EQ(recheck(v, copy.subject(f), f.methods), "") << part;
        }
        // A proof of the sound weights does not pass for these.
        Certificate proof = certify(c.claim, c.subject(f), f.methods, "position-only");
        EXPECT_NE(f.methods.make("position-only")->recheck(proof, copy.subject(f)), "") << part;
      };
      broken("positions", p * D + key, -1);
      broken("embedding", (q + p) * D + key, -1);
      broken("layers.0.attention.q", key * (D - 4), -1);
      broken("layers.0.attention.v", 0, -1);
      broken("head", (D - 2) * 4, -1);
    }
}

/// A counterexample is run at the row that is asked alone: all pairs of rows would take 40 GB.
TEST(IndexLookup, BrokenWeightsOfManyPositionsAreRefuted) {
  const Catalog f;
  constexpr Index kN = 100'000;
  Case c = make(f, kQueryLast, {{"alphabet", 4}}, kN, Arithmetic::float32);
  const Index D = c.weights.spec.d_model, key = 2;
  float& sign = c.weights["positions"][std::size_t(kN / 3 * D + key)];
  sign = -sign;
  const Certificate v = certify(c.claim, c.subject(f), f.methods, "position-only");
  ASSERT_EQ(v.verdict, Verdict::refuted) << v.reason;
  EXPECT_LE(v.margin, 0);
  EXPECT_EQ(recheck(v, c.subject(f), f.methods), "");
}

TEST(IndexLookup, AForgedMarginIsRejected) {
  const Catalog f;
  const Case c = make(f, kQueryLast, {{"alphabet", 4}}, 5000, Arithmetic::bfloat16);
  Certificate proof = certify(c.claim, c.subject(f), f.methods, "position-only");
  ASSERT_EQ(proof.verdict, Verdict::proved);
  proof.margin += 0.01;
  EXPECT_NE(recheck(proof, c.subject(f), f.methods), "");
}

TEST(IndexLookupQueryFirst, IsProvedInEveryArithmetic) {
  const Catalog f;
  for (const Arithmetic a : kArithmetics)
    for (const Index N : {1, 2, 3, 7, 8, 9, 16, 17, 100}) {
      const Case c = make(f, kQueryFirst, {{"alphabet", 3}, {"query", "first"}}, N, a);
      const Certificate proof = certify(c.claim, c.subject(f), f.methods, "layered");
      ASSERT_EQ(proof.verdict, Verdict::proved) << N << to_string(a) << proof.reason;
      EXPECT_GE(proof.margin, c.claim.margin);
      EXPECT_EQ(recheck(proof, c.subject(f), f.methods), "") << N << to_string(a);
    }
}

TEST(IndexLookupQueryFirst, IsRightOnAllShortInputs) {
  const Catalog f;
  for (const Arithmetic a : {Arithmetic::float32, Arithmetic::bfloat16, Arithmetic::float16})
    for (const Index N : {1, 2, 3, 4}) {
      const Case c = make(f, kQueryFirst, {{"alphabet", 3}, {"query", "first"}}, N, a);
      const Certificate proof = certify(c.claim, c.subject(f), f.methods, "exhaustive");
      EXPECT_EQ(proof.verdict, Verdict::proved) << N << to_string(a) << proof.reason;
    }
}

}  // namespace
}  // namespace separatrix
