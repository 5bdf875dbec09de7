#include <gtest/gtest.h>

#include "tests/support/constructions.h"

// The recurrent constructions over the whole range of their parameters, and what the method
// state-graph says of recurrent models.

namespace separatrix {
namespace {

/// Proved by state-graph and rechecked.
Certificate expect_proved(const Catalog& f, const Case& c) {
  const auto method = f.methods.make("state-graph");
  Certificate proof = method->certify(c.claim, c.subject(f));
  EXPECT_EQ(proof.verdict, Verdict::proved) << c.text() << proof.reason;
  if (proof.verdict == Verdict::proved) {
    EXPECT_EQ(method->recheck(proof, c.subject(f)), "") << c.text();
  }
  return proof;
}

Index bits_of(const Catalog& f, const Case& c) {
  return state_bits(c.weights.spec, f.blocks).value();
}

std::string random_dfa(Index states, Index alphabet, Rng& rng) {
  const auto name = [](char kind, Index i) { return kind + std::to_string(i); };
  std::string symbols, all, transitions, outputs;
  for (Index a = 0; a < alphabet; ++a) symbols += (a > 0 ? ", " : "") + name('x', a);
  for (Index s = 0; s < states; ++s) {
    const std::string comma = s > 0 ? ", " : "";
    all += comma + name('s', s);
    outputs += comma + name('s', s) + ": " + name('y', rng.below(3));
    transitions += comma + name('s', s) + ": {";
    for (Index a = 0; a < alphabet; ++a)
      transitions += (a > 0 ? ", " : "") + name('x', a) + ": " + name('s', rng.below(states));
    transitions += "}";
  }
  return "{states: [" + all + "], alphabet: [" + symbols +
         "], start: " + name('s', rng.below(states)) + ", transitions: {" + transitions +
         "}, outputs: {" + outputs + "}}";
}

TEST(StateGraph, DyckOfEveryShapeAtEveryLength) {
  const Catalog f;
  for (const char* mode : {"recognition", "next-token"})
    for (const auto& [types, depth] : std::vector<std::pair<Index, Index>>{
             {1, 1}, {1, 2}, {1, 9}, {2, 1}, {2, 2}, {2, 4}, {3, 3}, {4, 2}, {5, 1}, {64, 1}}) {
      const Index length = types == 2 && depth == 2 ? 10'000 : 8;
      const auto c =
          make_case(f, "dyck-rnn", {{"types", types}, {"depth", depth}, {"mode", mode}}, length);
      const Certificate proof = expect_proved(f, *c);
      EXPECT_TRUE(proof.evidence.value("every_length", false));
      EXPECT_EQ(proof.inputs, "all, of every length");
      EXPECT_EQ(proof.margin, c->claim.margin) << c->text();
    }
}

TEST(StateGraph, RandomAutomataAtEveryLength) {
  const Catalog f;
  Rng rng(5);
  for (const auto& [states, alphabet] : std::vector<std::pair<Index, Index>>{
           {1, 1}, {1, 3}, {2, 1}, {3, 2}, {6, 2}, {9, 1}, {12, 3}, {2, 64}, {20, 5}})
    for (const char* positions : {"all", "last"}) {
      const std::string dfa = random_dfa(states, alphabet, rng);
      const auto c = make_case(f, "dfa-rnn", {{"dfa", dfa}, {"positions", positions}}, 9);
      ASSERT_TRUE(c);
      EXPECT_LE(c->weights.spec.d_model, states * alphabet);
      const Certificate proof = expect_proved(f, *c);
      EXPECT_TRUE(proof.evidence.value("every_length", false));
      EXPECT_GE(proof.margin, 1);
      EXPECT_NO_THROW(read_certificate(Json::parse(to_json(proof).dump()), ""));
    }
}

TEST(StateGraph, RegistersOfEveryAlphabetAndLength) {
  const Catalog f;
  for (const char* layout : {"halves", "interleaved"}) {
    for (const Index q : {2, 3, 4, 5, 64, 1000})
      for (const Index n : {1, 2, 3, 4, 7, 8}) {
        if (std::pow(double(q), double(n)) > 5000) continue;
        const auto c =
            make_case(f, "string-equality-rnn", {{"alphabet", q}, {"layout", layout}}, 2 * n);
        const Certificate proof = expect_proved(f, *c);
        EXPECT_EQ(proof.inputs,
                  std::to_string(Index(std::llround(std::pow(double(q), 2 * double(n))))));
      }
    for (const Index n : {1, 2, 3, 7, 8, 9, 12}) {
      const auto c = make_case(f, "set-disjointness-rnn", {{"layout", layout}}, 2 * n);
      EXPECT_EQ(bits_of(f, *c), layout == std::string("halves") ? n : 2);
      expect_proved(f, *c);
    }
  }
}

TEST(StateGraph, EqualityTakesOneBitMoreThanTheBoundAndTwoForLargerAlphabets) {
  const Catalog f;
  for (const Index n : {1, 2, 6, 30}) {
    EXPECT_EQ(bits_of(f, *make_case(f, "string-equality-rnn", Json::object(), 2 * n)), n + 1);
    EXPECT_EQ(bits_of(f, *make_case(f, "string-equality-rnn", {{"alphabet", 64}}, 2 * n)),
              6 * n + 2);
    EXPECT_EQ(bits_of(f, *make_case(f, "string-equality-rnn",
                                    {{"alphabet", 64}, {"layout", "interleaved"}}, 2 * n)),
              6 + 3);
  }
}

TEST(StateGraph, AStateOfNumbersIsFollowedToo) {
  const Catalog f;
  auto c = make_case(f, "dfa-rnn", dfa_config(kCounter, "all"), 7);
  c->weights.spec.layers[0].config["state_format"] = "float32";  // the units are 0 or 1 anyway
  for (const Arithmetic arithmetic : kArithmetics) {
    c->claim.arithmetic = arithmetic;
    expect_proved(f, *c);
  }
  for (float& w : c->weights.values) w *= 0.7F;
  const auto method = f.methods.make("state-graph");
  EXPECT_NE(method->certify(c->claim, c->subject(f)).verdict, Verdict::proved);
}

/// Wrong at lengths from 3 on only: a proof for all lengths is refused, one for a length is given.
TEST(StateGraph, AModelThatIsRightOnShortInputsOnlyIsProvedForThose) {
  const Catalog f;
  const char* third = R"({states: [a, b, c, d], alphabet: [x], start: a,
    transitions: {a: {x: b}, b: {x: c}, c: {x: d}, d: {x: d}},
    outputs: {a: no, b: no, c: no, d: yes}})";
  const char* second = R"({states: [a, b, c, d], alphabet: [x], start: a,
    transitions: {a: {x: b}, b: {x: c}, c: {x: c}, d: {x: d}},
    outputs: {a: no, b: no, c: no, d: yes}})";
  const auto method = f.methods.make("state-graph");
  for (const Index length : {1, 2, 3, 5}) {
    const auto model = make_case(f, "dfa-rnn", dfa_config(third, "all"), length);
    auto c = make_case(f, "dfa-rnn", dfa_config(second, "all"), length);
    c->weights = model->weights;
    const Certificate verdict = method->certify(c->claim, c->subject(f));
    ASSERT_EQ(verdict.verdict, length < 3 ? Verdict::proved : Verdict::refuted) << length;
    EXPECT_EQ(method->recheck(verdict, c->subject(f)), "");
    if (length >= 3) continue;
    EXPECT_FALSE(verdict.evidence.value("every_length", true));
    EXPECT_EQ(verdict.inputs, "1");
    Certificate boast = verdict;
    boast.evidence["every_length"] = true;
    EXPECT_NE(method->recheck(boast, c->subject(f)), "");
  }
}

TEST(StateGraph, EveryPieceOfEvidenceIsChecked) {
  const Catalog f;
  for (const auto& c : {make_case(f, "dyck-rnn", Json::object(), 6),
                        make_case(f, "string-equality-rnn", Json::object(), 6)}) {
    const Certificate proof = expect_proved(f, *c);
    const auto method = f.methods.make("state-graph");
    for (const auto& [key, value] : proof.evidence.items()) {
      Certificate missing = proof;
      missing.evidence.erase(key);
      EXPECT_NE(method->recheck(missing, c->subject(f)), "") << key;
      Certificate changed = proof;
      if (value.is_boolean()) changed.evidence[key] = !value.get<bool>();
      if (value.is_number()) changed.evidence[key] = value.get<Index>() + 1;
      if (value.is_string()) changed.evidence[key] = value.get<std::string>() + "1";
      EXPECT_NE(method->recheck(changed, c->subject(f)), "") << key;
    }
    Certificate more = proof;
    more.inputs += "0";
    EXPECT_NE(method->recheck(more, c->subject(f)), "");
  }
}

/// The start of a DFA is a state like others: a model that forgets all and so returns to its own
/// start is not excused there.
TEST(StateGraph, AModelThatReturnsToItsStartIsLookedAtThere) {
  const Catalog f;
  auto c = make_case(f, "dfa-rnn", Json::object(), 3);
  std::fill(c->weights.values.begin(), c->weights.values.end(), 0.0F);
  c->claim.margin = 0;
  const auto method = f.methods.make("state-graph");
  const Certificate verdict = method->certify(c->claim, c->subject(f));
  ASSERT_EQ(verdict.verdict, Verdict::refuted);
  EXPECT_EQ(verdict.margin, 0);
}

TEST(StateGraph, ThreadsChangeNothing) {
  const Catalog f;
  const auto c = make_case(f, "string-equality-rnn", {{"alphabet", 3}}, 12);
  const auto method = f.methods.make("state-graph");
  Json one = to_json(method->certify(c->claim, {*c->task, c->weights, f.blocks, 1}));
  EXPECT_EQ(one, to_json(method->certify(c->claim, {*c->task, c->weights, f.blocks, 4})));
}

TEST(StateGraph, OtherModelsAndTooManyStatesAreUndecided) {
  const Catalog f;
  const auto method = f.methods.make("state-graph");
  const auto other = make_case(f, "index-lookup-transformer", {{"alphabet", 2}}, 3);
  EXPECT_EQ(method->certify(other->claim, other->subject(f)).verdict, Verdict::undecided);
  auto c = make_case(f, "dyck-rnn", Json::object(), 4);
  for (float& w : c->weights["head"]) w *= 0x1p30F;  // and the bias is 1: a sum of 31 bits
  const Certificate verdict = method->certify(c->claim, c->subject(f));
  EXPECT_EQ(verdict.verdict, Verdict::undecided);
  EXPECT_NE(verdict.reason.find("rounded"), std::string::npos);
}

}  // namespace
}  // namespace separatrix
