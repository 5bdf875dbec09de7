#include <cmath>

#include <gtest/gtest.h>

#include "separatrix/codes/address_code.h"
#include "tests/support/constructions.h"

// The constructions for index lookup in detail, and what certify() does with wrong requests.

namespace separatrix {
namespace {

TEST(Constructions, TheQueryFirstIsNotCovered) {
  const Catalog f;
  for (const char* name : {"index-lookup-transformer", "shift-register-rnn"})
    EXPECT_FALSE(make_case(f, name, {{"query", "first"}}, 5)) << name;
}

TEST(Constructions, EvidenceOfAnotherPositionIsRejected) {
  const Catalog f;
  for (const char* name : {"index-lookup-transformer", "shift-register-rnn"}) {
    const auto c = make_case(f, name, {{"alphabet", 4}}, 5);
    Certificate proof = certify(c->claim, c->subject(f), f.methods);
    ASSERT_EQ(f.methods.make(proof.method)->recheck(proof, c->subject(f)), "");
    proof.evidence["position"][0] = 1;
    EXPECT_NE(f.methods.make(proof.method)->recheck(proof, c->subject(f)), "") << name;
  }
}

TEST(Transformer, TwentySymbolsOfSixtyFourTakeWidth17) {
  const Catalog f;
  const auto c = make_case(f, "index-lookup-transformer", Json::object(), 20);
  EXPECT_EQ(c->weights.spec.d_model, 17);
  for (const char* method : {"position-only", "executed"}) {
    const Certificate proof =
        certify(c->claim, {*c->task, c->weights, f.blocks}, f.methods, method);
    ASSERT_EQ(proof.verdict, Verdict::proved) << proof.reason;
    EXPECT_NEAR(proof.margin, 0.497, 3e-3);
    EXPECT_EQ(proof.inputs, "26584559915698317458076141205606891520");
  }
}

/// Every registered address code, in every arithmetic: the weights are numbers of the format, and
/// the claim is proved and rechecked.
TEST(Transformer, EveryAddressCodeIsProved) {
  const Catalog f;
  Registry<AddressCode> codes("code");
  register_codes(codes);
  for (const std::string& code : codes.names()) {
    Index proved = 0;
    for (const Arithmetic arithmetic : kArithmetics)
      for (const Index n : {1, 2, 9, 17}) {
        const auto made = f.constructions.make("index-lookup-transformer", {{"code", code}});
        const Json config = f.tasks.find("index-lookup").resolve({{"alphabet", 3}}, "");
        const ConstructionRequest request{config, n, arithmetic};
        const auto claim = made->claim(request);
        const bool fits = codes.make(code)->numbers(n, arithmetic).fits();
        EXPECT_EQ(claim.has_value(), fits) << code << " " << n;
        if (!claim) continue;
        const auto task = f.tasks.make("index-lookup", config);
        const Built built = made->build(request, f.blocks);
        for (const float w : built.weights.values)
          ASSERT_TRUE(is_representable(arithmetic, double(w))) << code;
        const Subject subject{*task, built.weights, f.blocks};
        const Certificate proof = certify(*claim, subject, f.methods);
        ASSERT_EQ(proof.verdict, Verdict::proved)
            << code << " " << to_string(arithmetic) << " " << n << " " << proof.reason;
        EXPECT_EQ(recheck(proof, subject, f.methods), "") << code << " " << n;
        ++proved;
      }
    EXPECT_GE(proved, 15) << code;
  }
}

TEST(Transformer, RealClaimsAreProvedWithoutTheFloatError) {
  const Catalog f;
  auto c = make_case(f, "index-lookup-transformer", {{"alphabet", 4}}, 16);
  const auto method = f.methods.make("position-only");
  const Certificate in_float = method->certify(c->claim, {*c->task, c->weights, f.blocks});
  c->claim.arithmetic = Arithmetic::real;
  const Certificate real = method->certify(c->claim, {*c->task, c->weights, f.blocks});
  ASSERT_EQ(real.verdict, Verdict::proved);
  EXPECT_GT(real.margin, in_float.margin);
  // N = 2^L: the closed form is attained.
  const double leak = std::pow(1 + std::exp(-8.0), 4) - 1;
  EXPECT_NEAR(real.margin, (1 - leak) / (2 + leak), 1e-9);
  EXPECT_EQ(method->recheck(real, {*c->task, c->weights, f.blocks}), "");
}

TEST(Transformer, ALowTemperatureIsRefutedByARealInput) {
  const Catalog f;
  auto c = make_case(f, "index-lookup-transformer", {{"alphabet", 4}}, 1024);
  for (float& w : c->weights["layers.0.attention.q"]) w /= 4;  // temperature 1
  const Certificate verdict = certify(c->claim, {*c->task, c->weights, f.blocks}, f.methods);
  ASSERT_EQ(verdict.verdict, Verdict::refuted) << verdict.reason;
  EXPECT_LT(verdict.margin, 0);
  EXPECT_EQ(f.methods.make(verdict.method)->recheck(verdict, {*c->task, c->weights, f.blocks}), "");
  const auto cold = f.constructions.make("index-lookup-transformer", {{"temperature", 1.0}});
  EXPECT_THROW(cold->claim({{{"alphabet", 4}}, 1024}), Error);
}

TEST(ShiftRegister, MeetsTheLowerBoundAndRefusesWhatWillNotFit) {
  const Catalog f;
  const auto c = make_case(f, "shift-register-rnn", Json::object(), 20);
  EXPECT_EQ(state_bits(c->weights.spec, f.blocks), 120);
  const Certificate proof = certify(c->claim, {*c->task, c->weights, f.blocks}, f.methods);
  ASSERT_EQ(proof.verdict, Verdict::proved) << proof.reason;
  EXPECT_EQ(proof.method, "dataflow");
  EXPECT_EQ(proof.margin, 1);
  try {
    f.constructions.make("shift-register-rnn")->claim({{{"alphabet", 64}}, 100'000});
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("MiB"), std::string::npos);
  }
}

TEST(Certify, NaNIsNeverProved) {
  const Catalog f;
  for (const char* name : {"index-lookup-transformer", "shift-register-rnn"})
    for (const std::size_t offset : {0, 1}) {  // the bias of the last class, of the one before
      auto c = make_case(f, name, {{"alphabet", 3}}, 2);
      c->weights["head_bias"][2 - offset] = NAN;
      const Certificate verdict = certify(c->claim, {*c->task, c->weights, f.blocks}, f.methods);
      ASSERT_EQ(verdict.verdict, Verdict::refuted) << name;
      EXPECT_NO_THROW(read_certificate(Json::parse(to_json(verdict).dump()), ""));
      EXPECT_EQ(f.methods.make(verdict.method)->recheck(verdict, {*c->task, c->weights, f.blocks}),
                "");
    }
}

TEST(Certify, AModelOfAnotherTaskIsTheUsersMistake) {
  const Catalog f;
  const auto c = make_case(f, "shift-register-rnn", {{"alphabet", 4}}, 3);
  Claim longer = c->claim;
  longer.length = 9;
  EXPECT_THROW(certify(longer, {*c->task, c->weights, f.blocks}, f.methods), Error);
  EXPECT_THROW(certify(c->claim, {*c->task, c->weights, f.blocks}, f.methods, "magic"), Error);
}

}  // namespace
}  // namespace separatrix
