#include <gtest/gtest.h>

#include "separatrix/base/rng.h"
#include "tests/support/dyck.h"

namespace separatrix {
namespace {

using namespace dyck;

TEST(PrefixScan, ProvesEveryClaimAndTheRecheckConfirmsIt) {
  const Methods m;
  const std::pair<Index, Index> sizes[] = {{1, 1}, {1, 3}, {2, 1}, {2, 2}, {3, 4}, {5, 2}};
  for (const std::string name : {"dyck-transformer", "dyck-recogniser"})
    for (const auto& [n, k] : sizes)
      for (const Arithmetic arithmetic : kArithmetics)
        for (const Index length : {2, 4, 34}) {
          const Dyck dyck{name, n, k, length, arithmetic};
          const auto c = make_case(m, dyck);
          ASSERT_TRUE(c) << text(dyck);
          const Certificate proof = m.certify(*c);
          ASSERT_EQ(proof.verdict, Verdict::proved) << text(dyck) << proof.reason;
          EXPECT_GE(proof.margin, c->claim.margin);
          EXPECT_EQ(m.recheck(*c, proof), "") << text(dyck);
        }
}

TEST(PrefixScan, NeverProvesMoreThanIsTrue) {
  const Methods m;
  for (const std::string name : {"dyck-transformer", "dyck-recogniser"})
    for (const Arithmetic arithmetic : kComputed) {
      const auto c = make_case(m, {name, 2, 2, 4, arithmetic});
      EXPECT_LE(m.certify(*c).margin, brute_margin(m, *c)) << name << to_string(arithmetic);
    }
}

TEST(PrefixScan, CountsTheInputs) {
  const Methods m;
  for (const std::string name : {"dyck-transformer", "dyck-recogniser"}) {
    const auto c = make_case(m, {name, 2, 2, 6, Arithmetic::float32});
    Index count = 0;
    for_each_instance(*c->task, 6, [&](std::span<const Token>) { return ++count, true; });
    EXPECT_EQ(m.certify(*c).inputs, std::to_string(count));
  }
}

// The slow test changes every weight of more models.
TEST(PrefixScan, NoWrongWeightIsProved) {
  mutate({"dyck-transformer", 2, 2, 4, Arithmetic::float32}, 7);
  mutate({"dyck-recogniser", 1, 2, 4, Arithmetic::bfloat16}, 7);
}

TEST(PrefixScan, TamperedCertificatesAreRejected) {
  const Methods m;
  for (const std::string name : {"dyck-transformer", "dyck-recogniser"}) {
    const auto c = make_case(m, {name, 2, 3, 20, Arithmetic::float32});
    const Certificate proof = m.certify(*c);
    ASSERT_EQ(m.recheck(*c, proof), "");
    const auto rejects = [&](auto change) {
      Certificate other(proof);
      change(other);
      return m.recheck(*c, other) != "";
    };
    EXPECT_TRUE(rejects([](Certificate& o) { o.margin *= 1.1; }));
    EXPECT_TRUE(rejects([](Certificate& o) { o.margin = 0; }));
    EXPECT_TRUE(rejects([](Certificate& o) { o.claim.margin = 2; }));
    EXPECT_TRUE(rejects([](Certificate& o) { o.weights_sha256[0] ^= 1; }));
    EXPECT_TRUE(rejects([](Certificate& o) { o.claim.length = 18; })) << "another depth of padding";
    EXPECT_TRUE(rejects([](Certificate& o) { o.claim.task_config["depth"] = 2; }));
    EXPECT_TRUE(rejects([](Certificate& o) { o.verdict = Verdict::undecided; }));
    EXPECT_TRUE(rejects([](Certificate& o) {
      o.verdict = Verdict::refuted;
      o.counterexample = {4, 0, 2};
    }));
    // A certificate of other weights, with the hash made to fit.
    Case broken{c->claim, nullptr, c->weights};
    for (float& w : broken.weights["layers.3.attention.q"]) w = 0;
    Certificate forged(proof);
    forged.weights_sha256 = weights_sha256(broken.weights);
    EXPECT_NE(separatrix::recheck(forged, {*c->task, broken.weights, m.blocks}, m.methods), "");
  }
}

TEST(PrefixScan, SaysWhyItDoesNotApply) {
  const Methods m;
  auto c = make_case(m, {"dyck-transformer", 2, 2, 4, Arithmetic::float32});
  c->weights["layers.0.attention.q"][0] = 1;
  c->weights["layers.0.attention.k"][0] = 1;
  const Certificate verdict = m.certify(*c);
  EXPECT_NE(verdict.verdict, Verdict::proved);
  const auto rnn = m.constructions.make("dyck-rnn");
  const Json config = {{"types", 2}, {"depth", 2}, {"mode", "next-token"}};
  if (rnn->claim({config, 4, Arithmetic::float32})) {
    c->weights = rnn->build({config, 4, Arithmetic::float32}, m.blocks).weights;
    const Certificate other = m.certify(*c);
    EXPECT_EQ(other.verdict, Verdict::undecided);
    EXPECT_NE(other.reason.find("attention"), std::string::npos) << other.reason;
  }
}

TEST(PrefixScan, AThousandBracketsInBfloat16) {
  const Methods m;
  for (const std::string name : {"dyck-transformer", "dyck-recogniser"}) {
    const auto c = make_case(m, {name, 2, 4, 1000, Arithmetic::bfloat16});
    const Certificate proof = m.certify(*c);
    EXPECT_EQ(proof.verdict, Verdict::proved) << proof.reason;
  }
}

}  // namespace
}  // namespace separatrix
