#include <gtest/gtest.h>

#include "tests/support/constructions.h"

// Wrong models and wrong certificates: none may pass.

namespace separatrix {
namespace {

/// Up to about `limit` of the weights, spread over all tensors: all nonzero ones if they are few,
/// and some zeros.
std::vector<std::size_t> weights_to_change(const Weights& weights, Index limit) {
  std::vector<std::size_t> nonzero, zero;
  for (std::size_t i = 0; i < weights.values.size(); ++i)
    (weights.values[i] != 0 ? nonzero : zero).push_back(i);
  std::vector<std::size_t> out;
  const auto take = [&](const std::vector<std::size_t>& from, Index count) {
    const Index n = Index(from.size());
    for (Index k = 0; k < std::min(n, count); ++k)
      out.push_back(from[std::size_t(k * n / std::min(n, count))]);
  };
  take(nonzero, limit);
  take(zero, limit / 4);
  return out;
}

/// Sign flipped, or set: whatever a method says must be what running all inputs says.
TEST(Mutations, NoWrongWeightIsEverProved) {
  const Catalog f;
  Index refuted = 0, proved = 0;
  for_each_case(f, /*smallest=*/true, [&](Case& c, const Row&) {
    const Index inputs = count_instances(*c.task, c.claim.length, 500);
    if (inputs > 500) return;
    c.claim.margin = 0;
    Index of_this = 0;
    for (const std::size_t i : weights_to_change(c.weights, 24)) {
      const float old = c.weights.values[i];
      c.weights.values[i] = old == 0 ? 1.0F : -old;
      const double brute = brute_margin(f, c);
      const std::string what = c.text() + " weight " + std::to_string(i) + " ";
      for (const std::string& method : f.methods.names()) {
        const Certificate verdict = certify(c.claim, c.subject(f), f.methods, method);
        EXPECT_NE(verdict.verdict, brute > 0 ? Verdict::refuted : Verdict::proved)
            << what << method;
        if (verdict.verdict == Verdict::undecided) continue;
        ++(verdict.verdict == Verdict::proved ? proved : refuted);
        of_this += verdict.verdict == Verdict::refuted;
        if (verdict.verdict == Verdict::proved) {
          EXPECT_LE(verdict.margin, brute) << what << method;
        }
        EXPECT_EQ(f.methods.make(method)->recheck(verdict, c.subject(f)), "") << what << method;
      }
      const Certificate any = certify(c.claim, c.subject(f), f.methods);
      EXPECT_EQ(any.verdict, brute > 0 ? Verdict::proved : Verdict::refuted) << what;
      c.weights.values[i] = old;
    }
    const bool one_class = c.weights.spec.n_classes == 1;  // then no weight matters
    EXPECT_EQ(of_this > 0, !one_class) << c.text();
  });
  EXPECT_GT(refuted, 200);
  EXPECT_GT(proved, 20);
}

TEST(Mutations, TamperedCertificatesAreRejected) {
  const Catalog f;
  for_each_case(f, /*smallest=*/true, [&](const Case& c, const Row&) {
    const Certificate proof = certify(c.claim, c.subject(f), f.methods);
    const auto recheck = [&](const Certificate& tampered) {
      return separatrix::recheck(tampered, c.subject(f), f.methods);
    };
    ASSERT_EQ(recheck(proof), "") << c.text();
    const bool one_class = c.weights.spec.n_classes == 1;  // then every margin is kept
    EXPECT_EQ(one_class, proof.margin == std::numeric_limits<double>::max()) << c.text();
    Certificate more = proof;
    more.margin += 0.1;
    EXPECT_EQ(recheck(more) == "", one_class) << c.text();
    Certificate claims_more = proof;
    claims_more.claim.margin = proof.margin + 0.1;
    EXPECT_EQ(recheck(claims_more) == "", one_class) << c.text();
    Certificate refuted = proof;  // an input that is answered rightly refutes nothing
    refuted.verdict = Verdict::refuted;
    for_each_instance(*c.task, c.claim.length, [&](std::span<const Token> tokens) {
      refuted.counterexample.assign(tokens.begin(), tokens.end());
      return false;
    });
    EXPECT_NE(recheck(refuted), "") << c.text();
    refuted.counterexample.pop_back();  // and this is no input
    EXPECT_NE(recheck(refuted), "") << c.text();
  });
}

TEST(Mutations, NaNIsNeverProved) {
  const Catalog f;
  for_each_case(f, /*smallest=*/true, [&](Case& c, const Row&) {
    if (count_instances(*c.task, c.claim.length, 500) > 500) return;
    c.weights["head_bias"][0] = std::numeric_limits<float>::quiet_NaN();
    const Certificate verdict = certify(c.claim, c.subject(f), f.methods);
    if (c.weights.spec.n_classes == 1) return;  // there is nothing to get wrong
    ASSERT_EQ(verdict.verdict, Verdict::refuted) << verdict.method << " " << c.text();
    EXPECT_EQ(f.methods.make(verdict.method)->recheck(verdict, c.subject(f)), "") << c.text();
  });
}

}  // namespace
}  // namespace separatrix
