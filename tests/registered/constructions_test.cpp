#include "tests/support/constructions.h"

#include <map>

#include <gtest/gtest.h>

// Every construction on every row of tests/support/constructions.h.

namespace separatrix {
namespace {

constexpr Index kBrute = 2000;  ///< inputs

TEST(Constructions, EveryOneHasARow) {
  const Catalog f;
  std::map<std::string, Index> cases;
  for_each_case(f, /*smallest=*/true, [&](const Case& c, const Row&) { ++cases[c.name]; });
  for (const std::string& name : f.constructions.names())
    EXPECT_GE(cases[name], 1) << name << ": add rows for its task to tests/support/constructions.h";
}

TEST(Constructions, EveryClaimIsProvedAndRechecked) {
  const Catalog f;
  for_each_case(f, /*smallest=*/false, [&](const Case& c, const Row&) {
    const Certificate proof = certify(c.claim, c.subject(f), f.methods);
    ASSERT_EQ(proof.verdict, Verdict::proved) << c.text() << proof.reason;
    EXPECT_GE(proof.margin, c.claim.margin) << c.text();
    EXPECT_GT(proof.margin, 0) << c.text();
    EXPECT_FALSE(proof.trusted_base.empty());
    EXPECT_EQ(f.methods.make(proof.method)->recheck(proof, c.subject(f)), "") << c.text();
    const Index inputs = count_instances(*c.task, c.claim.length, kBrute);
    if (inputs > kBrute) return;
    if (!proof.evidence.value("every_length", false)) {
      EXPECT_EQ(proof.inputs, std::to_string(inputs)) << c.text();
    }
    EXPECT_GE(brute_margin(f, c), proof.margin) << c.text();
  });
}

TEST(Constructions, SixteenBitClaimsAreProvedAndTheirWeightsAreOfTheFormat) {
  const Catalog f;
  Index claims = 0;
  for (const Arithmetic arithmetic : {Arithmetic::bfloat16, Arithmetic::float16})
    for (const std::string& name : f.constructions.names())
      for (const Row& row : construction_rows()) {
        if (f.constructions.make(name)->task() != row.task) continue;
        const auto c = make_case(f, name, row.config, row.lengths.front(), arithmetic);
        if (!c) continue;
        ++claims;
        for (const float w : c->weights.values)
          ASSERT_TRUE(is_representable(arithmetic, double(w))) << c->text();
        const Certificate proof = certify(c->claim, c->subject(f), f.methods);
        ASSERT_EQ(proof.verdict, Verdict::proved) << c->text() << proof.reason;
        EXPECT_EQ(f.methods.make(proof.method)->recheck(proof, c->subject(f)), "") << c->text();
        if (count_instances(*c->task, c->claim.length, kBrute / 10) <= kBrute / 10) {
          EXPECT_GE(brute_margin(f, *c), proof.margin) << c->text();
        }
      }
  EXPECT_GE(claims, 20);
}

TEST(Constructions, MethodsAgreeWhereSeveralApply) {
  const Catalog f;
  for_each_case(f, /*smallest=*/true, [&](const Case& c, const Row&) {
    if (count_instances(*c.task, c.claim.length, kBrute) > kBrute) return;
    const double brute = brute_margin(f, c);
    Index proofs = 0;
    for (const std::string& method : f.methods.names()) {
      const Certificate proof = certify(c.claim, c.subject(f), f.methods, method);
      ASSERT_NE(proof.verdict, Verdict::refuted) << method << c.text();
      if (proof.verdict != Verdict::proved) continue;
      ++proofs;
      EXPECT_LE(proof.margin, brute) << method << c.text();
      EXPECT_EQ(f.methods.make(method)->recheck(proof, c.subject(f)), "") << method << c.text();
    }
    EXPECT_GE(proofs, 1) << c.text();
  });
}

}  // namespace
}  // namespace separatrix
