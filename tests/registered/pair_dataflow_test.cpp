#include <gtest/gtest.h>

#include "tests/support/constructions.h"

// The registers for equality and disjointness of two halves, proved at lengths whose states nobody
// could enumerate.

namespace separatrix {
namespace {

/// Proved by pair-dataflow with the claimed margin, and rechecked.
Certificate expect_proved(const Catalog& f, const Case& c) {
  const auto method = f.methods.make("pair-dataflow");
  Certificate proof = method->certify(c.claim, c.subject(f));
  EXPECT_EQ(proof.verdict, Verdict::proved) << c.text() << proof.reason;
  if (proof.verdict == Verdict::proved) {
    EXPECT_EQ(proof.margin, c.claim.margin) << c.text();
    EXPECT_EQ(method->recheck(proof, c.subject(f)), "") << c.text();
  }
  return proof;
}

TEST(PairDataflow, SmallRegistersAgreeWithEveryInput) {
  const Catalog f;
  const auto exhaustive = f.methods.make("exhaustive");
  const auto agree = [&](const Case& c) {
    const Certificate proof = expect_proved(f, c), all = exhaustive->certify(c.claim, c.subject(f));
    ASSERT_EQ(all.verdict, Verdict::proved) << all.reason;
    EXPECT_EQ(proof.inputs, all.inputs);
    EXPECT_EQ(proof.margin, all.margin);
  };
  for (const Index n : {1, 2, 3, 4, 5})
    for (const Index q : {2, 3, 4, 5, 7})
      if (std::pow(double(q), 2 * double(n)) < 2e4)
        agree(*make_case(f, "string-equality-rnn", {{"alphabet", q}}, 2 * n));
  for (const Index n : {1, 2, 3, 6, 7})
    agree(*make_case(f, "set-disjointness-rnn", Json::object(), 2 * n));
}

TEST(PairDataflow, LargeRegistersInEveryArithmetic) {
  const Catalog f;
  for (const Arithmetic arithmetic : kArithmetics) {
    for (const auto& [q, length] :
         std::vector<std::pair<Index, Index>>{{2, 2000}, {3, 514}, {64, 130}, {64, 18}, {150, 4}})
      if (auto c = make_case(f, "string-equality-rnn", {{"alphabet", q}}, length, arithmetic))
        expect_proved(f, *c);
    for (const Index length : {2000, 254, 256, 258})
      expect_proved(f, *make_case(f, "set-disjointness-rnn", Json::object(), length, arithmetic));
  }
}

/// Signs flipped in a register of 2^200 inputs: each gives an input on which the model is wrong.
TEST(PairDataflow, FlippedSignsOfLargeRegistersAreRefuted) {
  const Catalog f;
  const auto method = f.methods.make("pair-dataflow");
  Rng rng(1);
  for (const auto& [name, config] :
       std::vector<std::pair<const char*, Json>>{{"string-equality-rnn", {{"alphabet", 2}}},
                                                 {"string-equality-rnn", {{"alphabet", 3}}},
                                                 {"set-disjointness-rnn", Json::object()}})
    for (int round = 0; round < 12; ++round) {
      auto c = make_case(f, name, config, 200, kArithmetics[std::size_t(round) % 2]);
      const auto w = c->weights["layers.0.rnn.w_h"];
      std::vector<std::size_t> nonzero;
      for (std::size_t i = 0; i < w.size(); ++i)
        if (w[i] != 0) nonzero.push_back(i);
      float& x = w[nonzero[std::size_t(rng.below(Index(nonzero.size())))]];
      x = -x;
      const Certificate verdict = method->certify(c->claim, c->subject(f));
      ASSERT_EQ(verdict.verdict, Verdict::refuted) << c->text() << verdict.reason;
      EXPECT_EQ(verdict.claim.arithmetic, c->claim.arithmetic);
      EXPECT_EQ(method->recheck(verdict, c->subject(f)), "");
    }
}

TEST(PairDataflow, EveryPieceOfEvidenceIsChecked) {
  const Catalog f;
  const auto method = f.methods.make("pair-dataflow");
  auto c = make_case(f, "string-equality-rnn", {{"alphabet", 3}}, 100);
  const Certificate proof = expect_proved(f, *c);
  for (const auto& [key, value] : proof.evidence.items()) {
    Certificate missing = proof, changed = proof;
    missing.evidence.erase(key);
    EXPECT_NE(method->recheck(missing, c->subject(f)), "") << key;
    changed.evidence[key] =
        value.is_number() ? Json(value.get<Index>() + 1) : Json(value.get<std::string>() + "1");
    EXPECT_NE(method->recheck(changed, c->subject(f)), "") << key;
  }
  Certificate more = proof;
  more.inputs += "0";
  EXPECT_NE(method->recheck(more, c->subject(f)), "");
  more = proof;
  more.margin *= 2;
  EXPECT_NE(method->recheck(more, c->subject(f)), "");
}

/// A certificate is not taken over by weights that compute something else.
TEST(PairDataflow, ARecheckOfOtherWeightsFails) {
  const Catalog f;
  const auto method = f.methods.make("pair-dataflow");
  auto c = make_case(f, "string-equality-rnn", Json::object(), 60);
  const Certificate proof = expect_proved(f, *c);
  Index tried = 0;
  for (const char* name : {"layers.0.rnn.w_h", "head", "head_bias"})
    for (float& x : c->weights[name]) {
      if (x == 0 || ++tried % 3 != 0) continue;
      x = -x;
      EXPECT_NE(method->recheck(proof, c->subject(f)), "") << name;
      x = -x;
    }
  EXPECT_GT(tried, 60);
}

TEST(PairDataflow, OtherTasksAndModelsAreUndecided) {
  const Catalog f;
  const auto method = f.methods.make("pair-dataflow");
  for (const auto& c :
       {make_case(f, "index-lookup-transformer", {{"alphabet", 2}}, 3),
        make_case(f, "shift-register-rnn", {{"alphabet", 2}}, 4),
        make_case(f, "dyck-rnn", Json::object(), 4),
        make_case(f, "string-equality-rnn", {{"layout", "interleaved"}}, 8),
        make_case(f, "string-equality-rnn", {{"layout", "interleaved"}, {"alphabet", 64}}, 8),
        make_case(f, "set-disjointness-rnn", {{"layout", "interleaved"}}, 8)}) {
    ASSERT_TRUE(c);
    const Certificate verdict = method->certify(c->claim, c->subject(f));
    EXPECT_EQ(verdict.verdict, Verdict::undecided) << c->text();
    EXPECT_NE(verdict.reason, "");
  }
}

}  // namespace
}  // namespace separatrix
