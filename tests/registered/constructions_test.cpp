#include <cmath>

#include <gtest/gtest.h>

#include "separatrix/nn/model.h"
#include "separatrix/proofs/certificate.h"

namespace separatrix {
namespace {

struct Fixture {
  Registry<Task> tasks{"task"};
  Registry<Block> blocks{"block"};
  Registry<Construction> constructions{"construction"};
  Registry<CertificateMethod> methods{"certificate"};
  Fixture() {
    register_tasks(tasks);
    register_blocks(blocks);
    register_constructions(constructions);
    register_certificates(methods);
  }
};

struct Case {
  std::string name;
  Claim claim;
  std::unique_ptr<Task> task;
  Weights weights;
};
/// nullopt when the construction has no claim for these parameters.
std::optional<Case> make_case(const Fixture& f, const std::string& name, Json config,
                              Index length) {
  const auto construction = f.constructions.make(name);
  config = f.tasks.find(construction->task()).resolve(config, "");
  const auto claim = construction->claim({config, length});
  if (!claim) return std::nullopt;
  return Case{name, *claim, f.tasks.make(construction->task(), config),
              construction->build({config, length}, f.blocks).weights};
}

std::string text(const Case& c) { return c.name + " " + to_json(c.claim).dump(); }

/// Least margin over all inputs, written plainly: what every verdict is measured against.
double brute_margin(const Fixture& f, const Case& c) {
  double least = INFINITY;
  Model model(c.weights.spec, f.blocks);
  const Index C = c.weights.spec.n_classes;
  for_each_instance(*c.task, c.claim.length, [&](std::span<const Token> tokens) {
    Batch batch;
    batch.resize(1, Index(tokens.size()));
    batch.tokens.assign(tokens.begin(), tokens.end());
    c.task->label(tokens, batch.targets);
    std::vector<float> logits;
    model.logits(c.weights.values, batch, logits);
    const Token y = batch.targets.back();
    for (Token other = 0; other < C; ++other)
      if (other != y)
        least =
            std::min(least, double(logits[std::size_t(y)]) - double(logits[std::size_t(other)]));
    return true;
  });
  return least;
}

std::string power(Index q, Index n) {  // q^n n, for numbers that a double holds
  return std::to_string(Index(std::llround(std::pow(double(q), double(n)))) * n);
}

TEST(Constructions, EveryClaimIsProvedAndRechecked) {
  const Fixture f;
  for (const std::string& name : f.constructions.names())
    for (const Index q : {2, 3, 8})
      for (const Index n : {1, 2, 3, 5, 8, 16}) {
        const auto c = make_case(f, name, {{"alphabet", q}}, n);
        ASSERT_TRUE(c) << name;
        const Certificate proof = certify(c->claim, {*c->task, c->weights, f.blocks}, f.methods);
        ASSERT_EQ(proof.verdict, Verdict::proved) << text(*c) << proof.reason;
        EXPECT_GE(proof.margin, c->claim.margin);
        EXPECT_GT(proof.margin, 0);
        if (n <= 8) {
          EXPECT_EQ(proof.inputs, power(q, n));
        }
        EXPECT_FALSE(proof.trusted_base.empty());
        const auto method = f.methods.make(proof.method);
        EXPECT_EQ(method->recheck(proof, {*c->task, c->weights, f.blocks}), "") << text(*c);
        if (std::pow(double(q), double(n)) * double(n) <= 2000) {
          EXPECT_GE(brute_margin(f, *c), proof.margin) << text(*c);
        }
      }
}

TEST(Constructions, MethodsAgreeWhereSeveralApply) {
  const Fixture f;
  for (const std::string& name : f.constructions.names())
    for (const Index q : {2, 3, 5}) {
      const auto c = make_case(f, name, {{"alphabet", q}}, 4);
      const double brute = brute_margin(f, *c);
      Index proofs = 0;
      for (const std::string& method : f.methods.names()) {
        const Certificate proof =
            certify(c->claim, {*c->task, c->weights, f.blocks}, f.methods, method);
        ASSERT_NE(proof.verdict, Verdict::refuted) << method;
        if (proof.verdict != Verdict::proved) continue;
        ++proofs;
        EXPECT_LE(proof.margin, brute) << method << text(*c);
        EXPECT_GE(proof.margin, brute - 1e-3) << method << text(*c);
        EXPECT_EQ(f.methods.make(method)->recheck(proof, {*c->task, c->weights, f.blocks}), "")
            << method;
      }
      EXPECT_GE(proofs, 2) << text(*c);
    }
}

/// Every nonzero weight with its sign flipped, and every zero one set: whatever a method says must
/// be what running all inputs says.
TEST(Constructions, NoWrongWeightIsEverProved) {
  const Fixture f;
  for (const std::string& name : f.constructions.names()) {
    auto c = make_case(f, name, {{"alphabet", 3}}, 3);
    c->claim.margin = 0;
    Index refuted = 0, proved = 0;
    for (std::size_t i = 0; i < c->weights.values.size(); ++i) {
      const float old = c->weights.values[i];
      if (old == 0 && i % 3 != 0) continue;
      c->weights.values[i] = old == 0 ? 1.0F : -old;
      const double brute = brute_margin(f, *c);
      for (const std::string& method : f.methods.names()) {
        const Certificate verdict =
            certify(c->claim, {*c->task, c->weights, f.blocks}, f.methods, method);
        const std::string what = name + " weight " + std::to_string(i) + " " + method;
        EXPECT_NE(verdict.verdict, brute > 0 ? Verdict::refuted : Verdict::proved) << what;
        if (verdict.verdict == Verdict::undecided) continue;
        ++(verdict.verdict == Verdict::proved ? proved : refuted);
        if (verdict.verdict == Verdict::proved) {
          EXPECT_LE(verdict.margin, brute) << what;
        }
        EXPECT_EQ(f.methods.make(method)->recheck(verdict, {*c->task, c->weights, f.blocks}), "")
            << what;
      }
      const Certificate any = certify(c->claim, {*c->task, c->weights, f.blocks}, f.methods);
      EXPECT_EQ(any.verdict, brute > 0 ? Verdict::proved : Verdict::refuted);
      c->weights.values[i] = old;
    }
    EXPECT_GT(refuted, 20) << name;
    EXPECT_GT(proved, 0) << name;
  }
}

TEST(Constructions, TamperedCertificatesAreRejected) {
  const Fixture f;
  for (const std::string& name : f.constructions.names()) {
    const auto c = make_case(f, name, {{"alphabet", 4}}, 5);
    const Certificate proof = certify(c->claim, {*c->task, c->weights, f.blocks}, f.methods);
    const auto method = f.methods.make(proof.method);
    const auto recheck = [&](const Certificate& tampered) {
      return method->recheck(tampered, {*c->task, c->weights, f.blocks});
    };
    ASSERT_EQ(recheck(proof), "");
    Certificate more = proof;
    more.margin += 0.1;
    EXPECT_NE(recheck(more), "") << name;
    Certificate claims_more = proof;
    claims_more.claim.margin = proof.margin + 0.1;
    EXPECT_NE(recheck(claims_more), "") << name;
    Certificate elsewhere = proof;
    elsewhere.evidence["position"][0] = 1;
    EXPECT_NE(recheck(elsewhere), "") << name;
    Certificate empty = proof;
    empty.evidence = Json::object();
    EXPECT_NE(recheck(empty), "") << name;
    Certificate refuted = proof;  // an input that is answered rightly refutes nothing
    refuted.verdict = Verdict::refuted;
    refuted.counterexample = {0, 1, 2, 3, 0, 4};
    EXPECT_NE(recheck(refuted), "") << name;
    refuted.counterexample = {0, 1, 2, 3, 0, 1};
    EXPECT_NE(recheck(refuted), "") << name;
  }
}

TEST(Constructions, TheQueryFirstIsNotCovered) {
  const Fixture f;
  for (const std::string& name : f.constructions.names())
    EXPECT_FALSE(make_case(f, name, {{"query", "first"}}, 5)) << name;
}

TEST(Transformer, TwentySymbolsOfSixtyFourTakeWidth17) {
  const Fixture f;
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

TEST(Transformer, RealClaimsAreProvedWithoutTheFloatError) {
  const Fixture f;
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
  const Fixture f;
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
  const Fixture f;
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
  const Fixture f;
  for (const std::string& name : f.constructions.names())
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
  const Fixture f;
  const auto c = make_case(f, "shift-register-rnn", {{"alphabet", 4}}, 3);
  Claim longer = c->claim;
  longer.length = 9;
  EXPECT_THROW(certify(longer, {*c->task, c->weights, f.blocks}, f.methods), Error);
  EXPECT_THROW(certify(c->claim, {*c->task, c->weights, f.blocks}, f.methods, "magic"), Error);
}

}  // namespace
}  // namespace separatrix
